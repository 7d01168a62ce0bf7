"""The state and the lock of a run folder, and the run that another one replaces.

The state, `run.json`, is `running`, `interrupted`, `finished` or `failed`, with the attempts and the hashes of a run.

A run with `--overwrite` keeps the run that it replaces in its own folder, as `replaced/`, until it has finished. That
is `.replacing/` until the new run has config and state: a process that is killed before leaves the earlier run.
Nothing that is read from a file names what is moved or deleted.
"""

import contextlib
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, NotRequired, TypedDict

import filelock

from aejax.config.serialization import check_type
from aejax.errors import InputError, require
from aejax.storage.atomic_io import read_json, remove_abandoned

RunState = Literal["running", "interrupted", "finished", "failed"]
CONFIG_FILE, RUN_STATE_FILE, RESULTS_FILE = "config.json", "run.json", "results.json"
LOCK_FILE, REPLACING_DIR, REPLACED_DIR = ".lock", ".replacing", "replaced"


class Attempt(TypedDict):
    """An attempt at a run."""

    seconds: NotRequired[float]
    host: NotRequired[str]
    process: NotRequired[int]
    commit: NotRequired[str | None]
    versions: NotRequired[dict[str, str]]
    backend: NotRequired[str]
    devices: NotRequired[int]
    cores: NotRequired[int]
    x64: NotRequired[bool]


class RunRecord(TypedDict):
    """The content of `run.json`."""

    schema: Literal[1]
    state: RunState
    attempts: list[Attempt]
    identity: NotRequired[dict[str, str | int]]


def read_run_state(folder: Path, results_file: str = RESULTS_FILE) -> RunState:
    """Returns the state that a run saved last."""
    unrecorded = "finished" if (folder / results_file).exists() else "interrupted"
    return read_state_record(folder).get("state", unrecorded)


def read_state_record(folder: Path) -> dict[str, Any]:
    """Returns the content of `run.json`; nothing for a run of a version without this file.

    Raises:
        InputError: it is damaged.
    """
    if not (folder / RUN_STATE_FILE).exists():
        return {}
    record: dict[str, Any] = read_json(folder / RUN_STATE_FILE)
    fix = "give --overwrite to start again, or another --out"
    check_type(RunRecord, record, str(folder / RUN_STATE_FILE), fix)
    return record


def make_output_folder(folder: Path, outputs: Iterable[str]) -> set[str]:
    """Makes a folder, deletes what killed processes left of its files, and returns the names that it holds besides.

    Hidden files do not count.

    Args:
        folder: the folder.
        outputs: names of the files that a command writes into it by `write_atomically`, and of its folders.

    Raises:
        InputError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out {folder}: cannot be written ({error.strerror}); give another --out") from None
    for name in outputs:
        remove_abandoned(folder / name)
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}.difference(outputs)


@contextlib.contextmanager
def acquire_lock(folder: Path) -> Iterator[None]:
    """Holds the folder's lock. Raises `InputError` if another process has it."""
    lock = filelock.FileLock(folder / LOCK_FILE)
    try:
        lock.acquire(blocking=False)
    except filelock.Timeout:
        owner = (read_state_record(folder).get("attempts") or [{}])[-1]
        process = f"process {owner.get('process', 'unknown')} on {owner.get('host', 'this machine')}"
        raise InputError(f"{folder}: is in use by {process}; wait for it, or give another --out") from None
    try:
        yield
    finally:
        lock.release()


def identify_lock(folder: Path) -> tuple[int, int] | None:
    """Returns what distinguishes the folder's lock from that of a folder made later at the same path; None without one.

    A process that holds a lock keeps its file open, so that the system gives its number to no other file.
    """
    try:
        status = (folder / LOCK_FILE).stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def require_in_place(folder: Path, lock_identity: tuple[int, int] | None) -> None:
    """Raises `InputError` if a folder that this process fills was moved or deleted.

    Args:
        folder: the folder.
        lock_identity: of the lock that this process has there; None if it has none.
    """
    require(
        folder.is_dir() and lock_identity in (None, identify_lock(folder)),
        f"{folder}: was moved or deleted while this process filled it; nothing more is written there, run the same "
        "command again",
    )


def set_aside(folder: Path) -> None:
    """Moves the run in a locked folder into `.replacing/`, its config last."""
    replacing = folder / REPLACING_DIR
    replacing.mkdir()
    for path in sorted(folder.iterdir(), key=lambda path: path.name == CONFIG_FILE):
        if path.name not in (LOCK_FILE, REPLACING_DIR):
            os.rename(path, replacing / path.name)


def put_back(folder: Path) -> None:
    """Undoes `set_aside` in a locked folder, also one that was killed halfway, and what a new run has begun."""
    replacing = folder / REPLACING_DIR
    if (replacing / CONFIG_FILE).exists():  # else there is nothing new
        for path in (folder / CONFIG_FILE, folder / RUN_STATE_FILE, *folder.glob(".*.tmp")):
            path.unlink(missing_ok=True)
    for path in sorted(replacing.iterdir(), key=lambda path: path.name != CONFIG_FILE):
        os.rename(path, folder / path.name)
    replacing.rmdir()


def restore_replaced(folder: Path) -> None:
    """Puts a run back that a killed `--overwrite` had set aside. Raises `InputError` if the process is still there."""
    replacing = folder / REPLACING_DIR
    if replacing.is_dir() and not replacing.is_symlink():
        with acquire_lock(folder):
            put_back(folder)


def remove_working_files(folder: Path, names: Iterable[str]) -> None:
    """Deletes what a finished run does not need, by names in its folder."""
    for path in [folder / REPLACED_DIR, *(folder / name for name in names), *folder.glob(".*.tmp*")]:
        shutil.rmtree(path, ignore_errors=True)
        if path.is_symlink() or path.is_file():
            path.unlink(missing_ok=True)


def remove_with_empty_parents(path: Path, folder: Path) -> None:
    """Deletes a file or folder in a folder, then each parent up to the folder itself that holds nothing else."""
    shutil.rmtree(path, ignore_errors=True)
    with contextlib.suppress(OSError):  # of the first that is not empty
        if path.is_file():
            path.unlink()
        for parent in list(path.parents)[: len(path.relative_to(folder).parts)]:
            parent.rmdir()
