"""Backups of run folders that another run replaces, and the lock of a run folder."""

import contextlib
import os
from pathlib import Path

import filelock

from aejax.errors import InputError
from aejax.storage.run_state import RUN_STATE_FILE, read_state_record

LOCK_FILE = ".lock"


def acquire_lock(folder: Path) -> filelock.BaseFileLock:
    """Acquires the folder's lock. Raises `InputError` if another process has it."""
    lock = filelock.FileLock(folder / LOCK_FILE)
    try:
        lock.acquire(blocking=False)
    except filelock.Timeout:
        owner = (read_state_record(folder).get("attempts") or [{}])[-1]
        process = f"process {owner.get('process', 'unknown')} on {owner.get('host', 'this machine')}"
        raise InputError(f"{folder}: is in use by {process}; wait for it, or give another --out") from None
    return lock


def move_aside(folder: Path) -> list[str]:
    """Moves a run aside. Returns the names of all folders that the next run replaces, including this one."""
    earlier: list[str] = []
    with contextlib.suppress(InputError):  # a damaged run is replaced like any other
        earlier = read_state_record(folder).get("replaces", [])
    aside = next(path for path in _backup_paths(folder) if not path.exists())  # never replace another folder
    os.rename(folder, aside)
    return [*earlier, aside.name]


def _backup_paths(folder: Path) -> list[Path]:
    """Returns the paths to which runs are moved, in order."""
    return [folder.with_name(f"{folder.name}.replaced{number}") for number in ("", *(f"-{n}" for n in range(2, 1000)))]


def restore_backup(folder: Path) -> None:
    """Undoes an `--overwrite` that was killed after moving the old run aside and before creating the new one."""
    moved = [] if folder.exists() else [aside for aside in _backup_paths(folder) if (aside / RUN_STATE_FILE).exists()]
    if moved:
        os.rename(moved[-1], folder)
