"""Run folders: what a run leaves, who may write to it, and how it is found again.

A folder appears whole, with its config, and says in `run.json` how it stands: `running`, `interrupted`, `finished` or
`failed`. While a process fills it, it holds the folder's lock, which its death releases, however it dies: `running`
without a lock is what a kill leaves. A run that is made anew moves the old one aside until it has finished.
"""

import contextlib
import dataclasses
import datetime
import json
import os
import shutil
import socket
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import filelock

from aejax.errors import InputError, Preempted, require
from aejax.storage.atomic_io import read_json, to_jsonable, write_json

RunState = Literal["running", "interrupted", "finished", "failed"]
CONFIG_FILE, RUN_STATE_FILE, RESULTS_FILE, LOCK_FILE = "config.json", "run.json", "results.json", ".lock"


@dataclasses.dataclass
class Run:
    """A folder that this process fills."""

    folder: Path
    state_record: dict[str, Any]  # what `run.json` says
    start_time: float  # by `time.perf_counter`
    warning: str = ""  # what the user should know of how it was found
    metrics_mode: Literal["w", "a"] = (
        "w"  # how `metrics.jsonl` is opened next: an attempt writes it from the first line
    )

    @property
    def resumed(self) -> bool:
        """Whether it was begun before."""
        return len(self.state_record["attempts"]) > 1

    @property
    def seconds(self) -> float:
        """Spent on it, in this attempt and in those before, as far as they could say."""
        return sum(attempt["seconds"] for attempt in self.state_record["attempts"][:-1]) + self._attempt_seconds()

    def append_metrics(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Add lines to `metrics.jsonl`."""
        with (self.folder / "metrics.jsonl").open(self.metrics_mode, encoding="utf-8") as file:
            file.writelines(json.dumps(to_jsonable(row), allow_nan=False) + "\n" for row in rows)
        self.metrics_mode = "a"

    def finish(
        self, results: Mapping[str, Any], *, results_file: str = RESULTS_FILE, remove: Sequence[str] = ()
    ) -> None:
        """Write the results, which finishes the run; then drop what it replaced, and folders that only work needed."""
        write_json(self.folder / results_file, results)
        self.set_state("finished")
        for needless in [
            *(self.folder / own for own in remove),
            *map(self.folder.with_name, self.state_record["replaces"]),
        ]:
            shutil.rmtree(needless, ignore_errors=True)

    def set_state(self, state: RunState, error: str | None = None) -> None:
        """Say how it stands."""
        self.state_record["state"] = state
        self.state_record["attempts"][-1] |= {"state": state, "seconds": self._attempt_seconds(), "error": error}
        write_json(self.folder / RUN_STATE_FILE, self.state_record)

    def _attempt_seconds(self) -> float:
        return round(time.perf_counter() - self.start_time, 3)


def load_finished_results(
    folder: Path, config: Mapping[str, Any], *, overwrite: bool, results_file: str = RESULTS_FILE
) -> dict[str, Any] | None:
    """The results of the finished run of the same config that the folder holds, or None if it may be filled.

    Changes nothing, but for one thing: a run that a killed `--overwrite` had moved aside is put back.

    Raises:
        InputError: the folder holds another config's run, or something that is no run, or is a file; or is damaged.
    """
    _restore_backup(folder)
    if not _holds_run(folder) or overwrite:
        return None
    same = read_json(folder / CONFIG_FILE) == to_jsonable(config)
    require(same, f"{folder}: holds a run with other settings; give --overwrite to replace it, or another --out")
    if read_run_state(folder, results_file) != "finished" or not (folder / results_file).exists():
        return None
    results = read_json(folder / results_file)
    require(
        isinstance(results, dict), f"{folder / results_file}: holds no results; give --overwrite to make them again"
    )
    return results


def read_run_state(folder: Path, results_file: str = RESULTS_FILE) -> RunState:
    """How a run with results of that name stands. `running` says that it was when it last said anything."""
    if not (folder / RUN_STATE_FILE).exists():  # made before there was such a file
        return "finished" if (folder / results_file).exists() else "interrupted"
    return _read_state_record(folder)["state"]


def _read_state_record(folder: Path) -> dict[str, Any]:
    record = read_json(folder / RUN_STATE_FILE)
    whole = isinstance(record, dict) and record.get("schema") == 1 and isinstance(record.get("attempts"), list)
    whole = whole and record.get("state") in ("running", "interrupted", "finished", "failed")
    whole = whole and isinstance(record.get("replaces"), list)
    require(whole, f"{folder / RUN_STATE_FILE}: is damaged; give --overwrite to start anew, or another --out")
    return record


def _holds_run(folder: Path) -> bool:
    """Whether it holds one, or may be filled. Raises `InputError` if neither."""
    if not folder.exists():
        return False
    require(folder.is_dir(), f"{folder}: is a file; give another --out")
    if not any(folder.iterdir()):
        return False
    require((folder / CONFIG_FILE).exists(), f"{folder}: holds other files and no run; give another --out")
    return True


@contextlib.contextmanager
def open_run(
    folder: Path, config: Mapping[str, Any], *, overwrite: bool = False, attempt_info: Mapping[str, Any] | None = None
) -> Iterator[Run]:
    """Fill a folder that `finished_results` left open: a new one, or one that was interrupted.

    Whatever ends the block without `Run.finish` is written down: a signal as `interrupted`, all else as `failed`. The
    same command goes on from either.

    Args:
        folder: where.
        config: of the run.
        overwrite: make it anew.
        about: what else is written down of this attempt, such as versions.

    Raises:
        InputError: another process fills it, or it cannot be written.
    """
    try:
        run, lock = _open_or_create(folder, config, overwrite=overwrite, attempt_info=dict(attempt_info or {}))
    except OSError as error:
        raise InputError(f"--out {folder}: cannot be written ({error.strerror}); give another --out") from None
    try:
        yield run
    except (Preempted, KeyboardInterrupt):
        _try_set_state(run, "interrupted", None)
        raise
    except BaseException as error:
        _try_set_state(run, "failed", f"{type(error).__name__}: {error}")
        raise
    finally:
        lock.release()


def _try_set_state(run: Run, state: RunState, error: str | None) -> None:
    """What ended the run is what the user hears of, not that a full disk has no room to say so."""
    with contextlib.suppress(InputError):
        run.set_state(state, error)


def _open_or_create(
    folder: Path, config: Mapping[str, Any], *, overwrite: bool, attempt_info: dict[str, Any]
) -> tuple[Run, filelock.BaseFileLock]:
    _restore_backup(folder)
    replaces: list[str] = []
    if _holds_run(folder):
        lock = _acquire_lock(folder)
        try:
            finished = (
                load_finished_results(folder, config, overwrite=overwrite) is not None
            )  # it may just have changed
            require(not finished, f"{folder}: another process has finished this run; the same command shows it")
            if not overwrite:
                return _resume(folder, attempt_info), lock
            replaces = _move_aside(folder)
        except BaseException:
            lock.release()
            raise
        lock.release()
    return _create(folder, config, replaces, attempt_info)


def _move_aside(folder: Path) -> list[str]:
    """Every folder that the next run replaces: those that this one had replaced, and this one, where it is now."""
    earlier: list[str] = []
    with contextlib.suppress(InputError):  # a damaged state is replaced like any other
        earlier = _read_state_record(folder)["replaces"] if (folder / RUN_STATE_FILE).exists() else []
    aside = next(path for path in _backup_paths(folder) if not path.exists())  # what is already there may be somebody's
    os.rename(folder, aside)
    return [*earlier, aside.name]


def _resume(folder: Path, attempt_info: dict[str, Any]) -> Run:
    fresh: dict[str, Any] = {"schema": 1, "replaces": [], "attempts": []}
    record = _read_state_record(folder) if (folder / RUN_STATE_FILE).exists() else fresh
    earlier = record["attempts"][-1].get("versions") if record["attempts"] else None
    for left_over in [*folder.glob(".*.tmp*"), *folder.glob("*/.*.tmp*"), *folder.glob("*/*/.*.tmp*")]:
        shutil.rmtree(left_over) if left_over.is_dir() else left_over.unlink()
    record["attempts"].append(_attempt_record(attempt_info))
    run = Run(folder, record, time.perf_counter())
    versions = attempt_info.get("versions", {})
    if changed := sorted(name for name in versions if (earlier or versions).get(name) != versions[name]):
        run.warning = f"{folder}: was begun with another version of {', '.join(changed)}; bits may differ from its own"
    run.set_state("running")
    return run


def _create(
    folder: Path, config: Mapping[str, Any], replaces: list[str], attempt_info: dict[str, Any]
) -> tuple[Run, filelock.BaseFileLock]:
    """The folder with config, state and a lock that is held, all at once."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    for left_over in folder.parent.glob(f".{folder.name}.*.begun"):
        with contextlib.suppress(InputError):
            _acquire_lock(left_over).release()
            shutil.rmtree(left_over, ignore_errors=True)
    begun = folder.with_name(f".{folder.name}.{os.getpid()}.begun")
    begun.mkdir()
    try:
        lock = _acquire_lock(begun)
        write_json(begun / CONFIG_FILE, config)
        run = Run(
            begun, {"schema": 1, "replaces": replaces, "attempts": [_attempt_record(attempt_info)]}, time.perf_counter()
        )
        run.set_state("running")
        try:
            os.rename(begun, folder)
        except OSError:
            require(not folder.exists(), f"{folder}: another process has just made it; the same command goes on")
            raise
    except BaseException:
        shutil.rmtree(begun, ignore_errors=True)
        raise
    run.folder = folder
    return run, lock


def _attempt_record(attempt_info: dict[str, Any]) -> dict[str, Any]:
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return {"began": now, "host": socket.gethostname(), "process": os.getpid(), **attempt_info}


def _acquire_lock(folder: Path) -> filelock.BaseFileLock:
    """The folder's lock, held."""
    lock = filelock.FileLock(folder / LOCK_FILE)
    try:
        lock.acquire(blocking=False)
    except filelock.Timeout:
        who = _read_state_record(folder)["attempts"][-1] if (folder / RUN_STATE_FILE).exists() else {}
        by = f"process {who.get('process', 'unknown')} on {who.get('host', 'this machine')}"
        raise InputError(f"{folder}: is in use by {by}; wait for it, or give another --out") from None
    return lock


def _backup_paths(folder: Path) -> list[Path]:
    """Where runs are moved to, in order."""
    return [folder.with_name(f"{folder.name}.replaced{number}") for number in ("", *(f"-{n}" for n in range(2, 1000)))]


def _restore_backup(folder: Path) -> None:
    """Undo an `--overwrite` that was killed between moving the old run aside and making the new one."""
    moved = [] if folder.exists() else [aside for aside in _backup_paths(folder) if (aside / RUN_STATE_FILE).exists()]
    if moved:
        os.rename(moved[-1], folder)
