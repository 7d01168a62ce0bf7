"""Run folders: creation, locking, state, and resumption.

A folder appears complete with its config. `run.json` has its state: `running`, `interrupted`, `finished` or `failed`.
The process that writes to a folder holds its lock, which the operating system releases when the process ends: state
`running` without a lock means that the process was killed. A run that replaces another moves the old folder aside until
it has finished.
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
from aejax.storage.atomic_io import atomic_folder, read_json, to_jsonable, write_json
from aejax.storage.run_folder import acquire_lock, move_aside, restore_backup
from aejax.storage.run_identity import RunIdentity, read_saved_hashes, require_same_hashes
from aejax.storage.run_state import RESULTS_FILE, RUN_STATE_FILE, RunState, read_run_state, read_state_record

CONFIG_FILE = "config.json"


@dataclasses.dataclass
class Run:
    """A run folder that this process writes to."""

    folder: Path
    state_record: dict[str, Any]  # the content of `run.json`
    start_time: float  # by `time.perf_counter`
    warning: str = ""  # shown to the user when the run is resumed
    metrics_mode: Literal["w", "a"] = "w"  # for `metrics.jsonl`, which every attempt writes from the first line

    @property
    def resumed(self) -> bool:
        """Whether an earlier attempt started this run."""
        return len(self.state_record["attempts"]) > 1

    @property
    def seconds(self) -> float:
        """Duration of all attempts; of one that was killed, until it last saved its state."""
        return sum(attempt["seconds"] for attempt in self.state_record["attempts"][:-1]) + self._attempt_seconds()

    def append_metrics(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Appends rows to `metrics.jsonl`."""
        with (self.folder / "metrics.jsonl").open(self.metrics_mode, encoding="utf-8") as file:
            file.writelines(json.dumps(to_jsonable(row), allow_nan=False) + "\n" for row in rows)
        self.metrics_mode = "a"

    def finish(
        self, results: Mapping[str, Any], *, results_file: str = RESULTS_FILE, remove: Sequence[str] = ()
    ) -> None:
        """Writes the results, then deletes the runs that this one replaces and its working folders, `remove`."""
        write_json(self.folder / results_file, results)
        self.set_state("finished")
        replaced = map(self.folder.with_name, self.state_record["replaces"])
        for path in [*(self.folder / name for name in remove), *replaced]:
            shutil.rmtree(path, ignore_errors=True)

    def require_hash(self, name: str, value: str) -> None:
        """Raises `InputError` if an earlier attempt had another hash of this name, and saves it with the next state."""
        require_same_hashes(self.folder, self.state_record["identity"], {name: value})
        self.state_record["identity"][name] = value

    def set_state(self, state: RunState, error: str | None = None) -> None:
        """Writes the state to `run.json`."""
        self.state_record["state"] = state
        self.state_record["attempts"][-1] |= {"state": state, "seconds": self._attempt_seconds(), "error": error}
        write_json(self.folder / RUN_STATE_FILE, self.state_record)

    def _attempt_seconds(self) -> float:
        return round(time.perf_counter() - self.start_time, 3)


def load_finished_results(
    folder: Path, identity: RunIdentity, *, overwrite: bool, results_file: str = RESULTS_FILE
) -> dict[str, Any] | None:
    """Returns the results of this run if it is finished, or None if it may write to the folder.

    A run that was moved aside by a killed `--overwrite` is restored first; nothing else is changed.

    Raises:
        InputError: the path is a file, or the folder has another run, other files, or a damaged run.
    """
    restore_backup(folder)
    if not _holds_run(folder) or overwrite:
        return None
    identity.require_same_settings(folder, read_json(folder / CONFIG_FILE))
    saved_hashes = read_saved_hashes(folder, results_file, read_state_record(folder))
    require_same_hashes(folder, saved_hashes, identity.hashes)
    if read_run_state(folder, results_file) != "finished" or not (folder / results_file).exists():
        identity.require_same_protocol(folder, saved_hashes)
        return None
    results = read_json(folder / results_file)
    require(
        isinstance(results, dict), f"{folder / results_file}: holds no results; give --overwrite to make them again"
    )
    return results


def _holds_run(folder: Path) -> bool:
    """Returns whether the folder has a run; False if it is new or empty. Raises `InputError` for anything else."""
    if not folder.exists():
        return False
    require(folder.is_dir(), f"{folder}: is a file; give another --out")
    if not any(folder.iterdir()):
        return False
    require((folder / CONFIG_FILE).exists(), f"{folder}: holds other files and no run; give another --out")
    return True


@contextlib.contextmanager
def open_run(
    folder: Path, identity: RunIdentity, *, overwrite: bool = False, attempt_info: Mapping[str, Any] | None = None
) -> Iterator[Run]:
    """Creates or resumes a run folder for which `load_finished_results` returned None.

    If the block ends without `Run.finish`, the state becomes `interrupted` after a signal and `failed` otherwise; the
    same command continues from both.

    Args:
        folder: the run folder.
        identity: of the run; its settings become `config.json`.
        overwrite: start again from the beginning.
        attempt_info: further JSON values to save about this attempt, such as versions.

    Raises:
        InputError: another process uses the folder, or it cannot be written.
    """
    try:
        run, lock = _open_or_create(folder, identity, overwrite=overwrite, attempt_info=dict(attempt_info or {}))
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
    """Sets the state if the disk allows it; otherwise the error that ended the run would be hidden."""
    with contextlib.suppress(InputError):
        run.set_state(state, error)


def _open_or_create(
    folder: Path, identity: RunIdentity, *, overwrite: bool, attempt_info: dict[str, Any]
) -> tuple[Run, filelock.BaseFileLock]:
    restore_backup(folder)
    replaces: list[str] = []
    if _holds_run(folder):
        lock = acquire_lock(folder)
        try:
            # another process may have finished the run before this one got the lock
            finished = load_finished_results(folder, identity, overwrite=overwrite) is not None
            require(not finished, f"{folder}: another process has finished this run; the same command shows it")
            if not overwrite:
                return _resume(folder, identity, attempt_info), lock
            replaces = move_aside(folder)
        except BaseException:
            lock.release()
            raise
        lock.release()
    return _create(folder, identity, replaces, attempt_info)


def _resume(folder: Path, identity: RunIdentity, attempt_info: dict[str, Any]) -> Run:
    record = read_state_record(folder) or {"schema": 1, "replaces": [], "attempts": []}
    record["identity"] = {**identity.record, **record.get("identity", {})}
    earlier = record["attempts"][-1].get("versions") if record["attempts"] else None
    for left_over in [*folder.glob(".*.tmp*"), *folder.glob("*/.*.tmp*"), *folder.glob("*/*/.*.tmp*")]:
        shutil.rmtree(left_over) if left_over.is_dir() else left_over.unlink()
    record["attempts"].append(_attempt_record(attempt_info))
    run = Run(folder, record, time.perf_counter())
    versions = attempt_info.get("versions", {})
    if changed := sorted(name for name in versions if (earlier or versions).get(name) != versions[name]):
        run.warning = (
            f"{folder}: was started with another version of {', '.join(changed)}; results may differ in the last bits"
        )
    run.set_state("running")
    return run


def _create(
    folder: Path, identity: RunIdentity, replaces: list[str], attempt_info: dict[str, Any]
) -> tuple[Run, filelock.BaseFileLock]:
    """Creates the folder with config, state and an acquired lock, atomically."""
    for left_over in folder.parent.glob(f".{folder.name}.*.begun"):
        with contextlib.suppress(InputError):
            acquire_lock(left_over).release()
            shutil.rmtree(left_over, ignore_errors=True)
    record = {
        "schema": 1,
        "identity": identity.record,
        "replaces": replaces,
        "attempts": [_attempt_record(attempt_info)],
    }
    try:
        with atomic_folder(folder, suffix="begun") as temporary:
            lock = acquire_lock(temporary)
            write_json(temporary / CONFIG_FILE, identity.settings)
            run = Run(temporary, record, time.perf_counter())
            run.set_state("running")
    except OSError:
        require(not folder.exists(), f"{folder}: another process has just created it; run the same command again")
        raise
    run.folder = folder
    return run, lock


def _attempt_record(attempt_info: dict[str, Any]) -> dict[str, Any]:
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return {"began": now, "host": socket.gethostname(), "process": os.getpid(), **attempt_info}
