"""SHA-256 sums of every file of a saved folder: damage is noticed before a byte of it is believed.

A bit that flips in an array's data is read back as another number without a word by every array format; so each folder
that is saved here holds a `manifest.json` with the size and sum of every other file in it.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from aejax.errors import InputError, require

MANIFEST = "manifest.json"
MAX_JSON_BYTES = 64_000_000  # bytes of a manifest, or of another JSON file, that is read


class CorruptedFileError(InputError):
    """A saved folder does not hold what was saved."""


def write_manifest(folder: Path) -> str:
    """Sum every file of a folder into its manifest. Returns the manifest's own SHA-256, which stands for them all."""
    content = _canonical_json(
        {"schema": 1, "files": {name: _size_and_sha256(folder / name) for name in _list_files(folder)}}
    )
    (folder / MANIFEST).write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def verify_manifest(folder: Path) -> str:
    """Read every file of a folder and hold it to the manifest. Returns the manifest's own SHA-256.

    Raises:
        InputError: there is no such folder.
        DamagedError: a file is missing, extra, of another size or content, or no regular file inside the folder.
    """
    require(folder.is_dir(), f"{folder}: no such folder")
    try:
        content = read_bounded(folder / MANIFEST)
        saved = _parse_manifest(folder, content)
        found = set(_list_files(folder))
        for name in sorted(saved.keys() | found):
            _require_intact(name in found, folder, name, "is missing")
            _require_intact(name in saved, folder, name, "was not saved with it")
            size, expected = (folder / name).stat().st_size, saved[name].get("bytes")
            _require_intact(size == expected, folder, name, f"has {size} bytes, {expected} were saved")
            _require_intact(
                _size_and_sha256(folder / name) == saved[name], folder, name, "has another SHA-256 than was saved"
            )
    except OSError as error:
        raise CorruptedFileError(f"{folder}: cannot be read ({error.strerror}: {error.filename})") from None
    return hashlib.sha256(content).hexdigest()


def read_bounded(path: Path, limit: int = MAX_JSON_BYTES) -> bytes:
    """A file's content, unless it is a link or longer than `limit` bytes.

    Raises:
        DamagedError: it is either, or is missing.
    """
    if path.is_symlink() or not path.is_file():
        raise CorruptedFileError(f"{path}: is missing, or no regular file")
    if path.stat().st_size > limit:
        raise CorruptedFileError(f"{path}: has {path.stat().st_size} bytes; at most {limit} are read")
    return path.read_bytes()


def _parse_manifest(folder: Path, content: bytes) -> dict[str, dict[str, Any]]:
    """What a manifest says. It is its own canonical text, so that no bit of it is without meaning."""
    try:
        said = json.loads(content)
        whole = content == _canonical_json(said) and said["schema"] == 1
        files: dict[str, dict[str, Any]] = said["files"]
        whole = whole and all(isinstance(entry, dict) for entry in files.values())
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        whole = False
    if not whole:
        raise CorruptedFileError(f"{folder}: {MANIFEST} is damaged")
    return files


def _require_intact(condition: bool, folder: Path, name: str, fault: str) -> None:
    if not condition:
        raise CorruptedFileError(f"{folder}: {name} {fault}")


def _list_files(folder: Path) -> list[str]:
    """Every file under a folder but its manifest, by its path from there.

    Raises:
        DamagedError: something there is a link, or neither file nor folder.
    """
    found = []
    for where, folders, names in os.walk(folder, onerror=_raise_error):
        for name in [*folders, *names]:
            path = Path(where) / name
            relative = path.relative_to(folder).as_posix()
            regular = path.is_dir() if name in folders else path.is_file()
            _require_intact(regular and not path.is_symlink(), folder, relative, "is no regular file")
            if name in names and relative != MANIFEST:
                found.append(relative)
    return sorted(found)


def _raise_error(error: OSError) -> None:
    raise error


def _size_and_sha256(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {"bytes": os.fstat(file.fileno()).st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _canonical_json(value: Any) -> bytes:
    return (json.dumps(value, sort_keys=True, indent=1, ensure_ascii=True) + "\n").encode()
