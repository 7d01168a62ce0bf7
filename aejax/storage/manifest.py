"""SHA-256 checksums of every file of a saved folder, so that damage is detected before the content is used.

No array format detects a flipped bit in an array's data; it reads back as another number. Each saved folder therefore
has a `manifest.json` with the size and the checksum of every other file in it.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from aejax.config.serialization import parse_json
from aejax.errors import InputError, require, summarize_error

MANIFEST = "manifest.json"
MAX_JSON_BYTES = 64_000_000  # largest JSON file that is read
MAX_DEPTH = 32  # folders within each other


class CorruptedFileError(InputError):
    """A saved folder does not have the content that was saved."""


def write_manifest(folder: Path) -> str:
    """Writes the manifest of a folder. Returns the manifest's own SHA-256, which identifies the whole content."""
    content = _canonical_json(
        {"schema": 1, "files": {name: size_and_sha256(folder / name) for name in _list_files(folder)}}
    )
    (folder / MANIFEST).write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def verify_manifest(folder: Path) -> str:
    """Checks every file of a folder against its manifest. Returns the manifest's own SHA-256.

    Raises:
        InputError: there is no such folder.
        CorruptedFileError: a file is missing, unexpected, of another size or content, or not a regular file.
    """
    require(folder.is_dir(), f"{folder}: no such folder")
    try:
        saved, digest = read_manifest(folder)
        present = set(_list_files(folder))
        for name in sorted(saved.keys() | present):
            _require_intact(name in present, folder, name, "is missing")
            _require_intact(name in saved, folder, name, "was not saved with it")
            size, expected = (folder / name).stat().st_size, saved[name].get("bytes")
            _require_intact(size == expected, folder, name, f"has {size} bytes, {expected} were saved")
            matches = size_and_sha256(folder / name) == saved[name]
            _require_intact(matches, folder, name, "has another SHA-256 than was saved")
    except OSError as error:
        raise CorruptedFileError(f"{folder}: cannot be read ({error.strerror}: {error.filename})") from None
    return digest


def read_manifest(folder: Path) -> tuple[dict[str, dict[str, Any]], str]:
    """Returns size and SHA-256 of every file that a folder should have, by name, and the manifest's own SHA-256.

    The manifest must be canonical JSON, so that every flipped bit is detected. Raises `CorruptedFileError`.
    """
    content = read_bounded(folder / MANIFEST)
    try:
        manifest = parse_json(content)
        valid = content == _canonical_json(manifest) and manifest["schema"] == 1
        files: dict[str, dict[str, Any]] = manifest["files"]
        valid = valid and all(isinstance(entry, dict) for entry in files.values())
    except (ValueError, KeyError, TypeError, AttributeError):
        valid = False
    if not valid:
        raise CorruptedFileError(f"{folder}: {MANIFEST} is damaged")
    return files, hashlib.sha256(content).hexdigest()


def read_bounded(path: Path, limit: int = MAX_JSON_BYTES) -> bytes:
    """Returns a file's content. Raises `CorruptedFileError` if it is missing, a link, or longer than `limit` bytes."""
    if path.is_symlink() or not path.is_file():
        raise CorruptedFileError(f"{path}: is missing, or no regular file")
    if path.stat().st_size > limit:
        raise CorruptedFileError(f"{path}: has {path.stat().st_size} bytes; at most {limit} are read")
    return path.read_bytes()


def read_bounded_json(path: Path) -> Any:
    """Returns the content of a JSON file. Raises `CorruptedFileError` as `read_bounded`, and if it is not JSON."""
    content = read_bounded(path)
    try:
        return parse_json(content)
    except ValueError as error:
        raise CorruptedFileError(f"{path}: is not JSON ({summarize_error(error)})") from None


def _require_intact(condition: bool, folder: Path, name: str, fault: str) -> None:
    if not condition:
        raise CorruptedFileError(f"{folder}: {name} {fault}")


def _list_files(folder: Path) -> list[str]:
    """Returns the relative path of every file in a folder except its manifest. Links are errors."""
    files = []
    for where, folders, names in os.walk(folder, onerror=_raise_error):
        within = Path(where).relative_to(folder).parts
        _require_intact(len(within) <= MAX_DEPTH, folder, "/".join(within[:2]), "is nested too deeply")
        for name in [*folders, *names]:
            path = Path(where) / name
            relative = path.relative_to(folder).as_posix()
            regular = path.is_dir() if name in folders else path.is_file()
            _require_intact(regular and not path.is_symlink(), folder, relative, "is no regular file")
            if name in names and relative != MANIFEST:
                files.append(relative)
    return sorted(files)


def _raise_error(error: OSError) -> None:
    raise error


def size_and_sha256(path: Path) -> dict[str, Any]:
    """Returns a file's manifest entry: its size as `bytes`, and its `sha256`."""
    with path.open("rb") as file:
        return {"bytes": os.fstat(file.fileno()).st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _canonical_json(value: Any) -> bytes:
    return (json.dumps(value, sort_keys=True, indent=1, ensure_ascii=True) + "\n").encode()
