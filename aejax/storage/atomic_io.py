"""Writes files and folders atomically: a reader sees the old content or the new one, never a part of it."""

import contextlib
import errno
import glob
import json
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from aejax.config.serialization import parse_json, to_jsonable
from aejax.errors import InputError

NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def write_atomically(path: Path, content: bytes) -> None:
    """Replaces a file atomically, even if the power fails.

    Raises:
        InputError: the disk is full, or the folder cannot be written; the old file remains.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        fix = "free disk space, or give another --out" if error.errno in NO_SPACE else "give another --out"
        raise InputError(f"{path}: cannot be written ({error.strerror}); {fix}") from None


def remove_abandoned(path: Path) -> None:
    """Deletes what processes that were killed in `write_atomically` left next to a file; run folders delete theirs."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*-*.tmp"):
        process = left.name.removeprefix(f".{path.name}.").partition("-")[0]
        if process.isdecimal() and int(process) < 2**31 and not psutil.pid_exists(int(process)):
            left.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Writes `to_jsonable(value)` atomically, indented, with lists of numbers on one line."""
    write_atomically(path, (_format_json(to_jsonable(value)) + "\n").encode())


@contextlib.contextmanager
def atomic_folder(folder: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Yields an empty temporary folder, which becomes `folder` when the block ends and is removed if it raises.

    Args:
        folder: the path that the complete folder gets; the temporary one is `.NAME.PID.tmp` in the same parent.
        overwrite: an existing folder is kept as `.NAME.replaced` until the new one is in place.
    """
    temporary = folder.absolute().with_name(f".{folder.name}.{os.getpid()}.tmp")
    backup = folder.absolute().with_name(f".{folder.name}.replaced")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir(parents=True)
        yield temporary
        fsync_folder(temporary)
        replaced = overwrite and folder.exists()
        if replaced:
            shutil.rmtree(backup, ignore_errors=True)  # remains if a process was killed before its last line here
            os.rename(folder, backup)
        try:
            os.rename(temporary, folder)
        except OSError:
            if replaced:
                os.rename(backup, folder)
            raise
        if replaced:
            shutil.rmtree(backup, ignore_errors=True)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def fsync_folder(folder: Path) -> None:
    """Flushes every file and folder to disk, so that a rename commits them even if the power fails."""
    for where, _, names in os.walk(folder):
        for path in [*(Path(where) / name for name in names), Path(where)]:
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def _format_json(value: Any, indent: str = "") -> str:
    deeper = indent + " "
    if isinstance(value, dict) and value:
        rows = (f"{deeper}{json.dumps(key)}: {_format_json(item, deeper)}" for key, item in value.items())
        return "{\n" + ",\n".join(rows) + f"\n{indent}}}"
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        return "[\n" + ",\n".join(deeper + _format_json(item, deeper) for item in value) + f"\n{indent}]"
    return json.dumps(value, allow_nan=False)


def read_json(path: Path) -> Any:
    """Parses a JSON file. Raises `InputError` if it is missing, unreadable or not JSON."""
    try:
        return parse_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: cannot be read as JSON ({error}); run the script that wrote it again with --overwrite"
        ) from None


@contextlib.contextmanager
def path_without_patterns(folder: Path) -> Iterator[Path]:
    """Yields a path to a folder without the characters of patterns: Orbax finds the files it has written by `glob`."""
    if glob.escape(str(folder)) == str(folder):
        yield folder
        return
    with tempfile.TemporaryDirectory() as links:
        link = Path(links, "folder")
        link.symlink_to(folder.absolute(), target_is_directory=True)
        yield link
