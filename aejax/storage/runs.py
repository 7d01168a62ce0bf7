"""Run folders: creation, locking, state, and resumption.

A folder with `config.json` holds a run. `run.json` has its state: `running`, `interrupted`, `finished` or `failed`.
The process that writes to a folder holds its lock, which the operating system releases when the process ends: state
`running` without a lock means that the process was killed. A run that replaces another keeps it in its own folder until
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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from aejax.errors import InputError, Preempted, require
from aejax.storage.atomic_io import read_json, to_jsonable, write_json
from aejax.storage.results_file import METRICS_FILE, read_results, write_results
from aejax.storage.run_folder import (
    CONFIG_FILE,
    LOCK_FILE,
    REPLACED_DIR,
    REPLACING_DIR,
    RESULTS_FILE,
    RUN_STATE_FILE,
    RunState,
    acquire_lock,
    identify_lock,
    put_back,
    read_run_state,
    read_state_record,
    remove_with_empty_parents,
    remove_working_files,
    require_in_place,
    restore_replaced,
    set_aside,
)
from aejax.storage.run_identity import RunIdentity, read_saved_hashes, require_same_hashes

ATTEMPT_SETTINGS = ("commit", "backend", "devices", "cores", "x64")  # of an attempt; they change numbers


@dataclasses.dataclass
class Run:
    """A run folder that this process writes to."""

    path: Path
    state_record: dict[str, Any]  # the content of `run.json`
    start_time: float  # by `time.perf_counter`
    lock_identity: tuple[int, int] | None  # of the folder that this process locked
    figure_format: Literal["png", "svg", "pdf"] = "png"  # in which every figure is written, in addition to PNG
    metrics_mode: Literal["w", "a"] = "w"  # for `metrics.jsonl`, which every attempt writes from the first line
    metrics_listeners: list[Callable[[list[Any]], None]] = dataclasses.field(default_factory=list)  # get the rows, too

    @property
    def folder(self) -> Path:
        """The folder to write into. Raises `InputError` once it is no longer the one that this process locked."""
        require_in_place(self.path, self.lock_identity)
        return self.path

    @contextlib.contextmanager
    def guard_save(self, path: Path) -> Iterator[None]:
        """Raises `InputError` if the folder is moved or deleted before or during a save, of which nothing remains then.

        Args:
            path: what the block saves in the run folder: a file, or a folder, with which missing parents are made.
        """
        folder = self.folder
        try:
            yield
        finally:
            if self.lock_identity is not None and identify_lock(folder) is None:
                remove_with_empty_parents(path, folder)
            require_in_place(folder, self.lock_identity)

    @property
    def resumed(self) -> bool:
        """Whether an earlier attempt started this run."""
        return len(self.state_record["attempts"]) > 1

    @property
    def warning(self) -> str:
        """What the attempts at this run do not have in common, of that which changes numbers; empty if nothing."""
        settings = [{**attempt.get("versions", {}), **attempt} for attempt in self.state_record["attempts"]]
        names = [*self.state_record["attempts"][-1].get("versions", {}), *ATTEMPT_SETTINGS]
        values = {name: dict.fromkeys(str(one[name])[:12] for one in settings if name in one) for name in names}
        changed = [f"{name} {', then '.join(seen)}" for name, seen in values.items() if len(seen) > 1]
        return f"was continued under other conditions: {'; '.join(changed)}; numbers may differ" if changed else ""

    def describe_attempts(self) -> list[dict[str, Any]]:
        """Returns what results record of each attempt, in their `environment`."""
        names = ("versions", *ATTEMPT_SETTINGS)
        return [{name: one[name] for name in names if name in one} for one in self.state_record["attempts"]]

    @property
    def seconds(self) -> float:
        """Duration of all attempts; of one that was killed, until it last saved its state."""
        return (
            sum(attempt.get("seconds", 0.0) for attempt in self.state_record["attempts"][:-1]) + self._attempt_seconds()
        )

    def append_metrics(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Appends rows to `metrics.jsonl`."""
        lines = [to_jsonable(row) for row in rows]
        path = self.path / METRICS_FILE  # a checkpoint may be saved at the same time
        with self.guard_save(path), path.open(self.metrics_mode, encoding="utf-8") as file:
            file.writelines(json.dumps(line, allow_nan=False) + "\n" for line in lines)
        self.metrics_mode = "a"
        for listen in self.metrics_listeners:
            listen(lines)

    def finish(
        self, results: Mapping[str, Any], *, results_file: str = RESULTS_FILE, remove: Sequence[str] = ()
    ) -> None:
        """Writes the results, then deletes the run that this one replaces and its working folders, `remove`."""
        write_results(self.folder / results_file, results)
        self.set_state("finished")
        remove_working_files(self.folder, remove)

    def require_hash(self, name: str, value: str) -> None:
        """Raises `InputError` if an earlier attempt had another hash of this name, and saves it with the next state."""
        require_same_hashes(self.folder, self.state_record["identity"], {name: value})
        self.state_record["identity"][name] = value

    def set_state(self, state: RunState, error: str | None = None) -> None:
        """Writes the state to `run.json`."""
        self.state_record["state"] = state
        self.state_record["attempts"][-1] |= {"state": state, "seconds": self._attempt_seconds(), "error": error}
        path = self.path / RUN_STATE_FILE
        with self.guard_save(path):
            write_json(path, self.state_record)

    def _attempt_seconds(self) -> float:
        return round(time.perf_counter() - self.start_time, 3)


def load_finished_results(
    folder: Path,
    identity: RunIdentity,
    *,
    overwrite: bool,
    results_file: str = RESULTS_FILE,
    remove: Sequence[str] = (),
) -> dict[str, Any] | None:
    """Returns the results of this run if it is finished, or None if it may write to the folder.

    A run that a killed `--overwrite` was replacing is restored first. If a finished run was killed before it had
    deleted its working folders, `remove`, they are deleted; nothing else is changed.

    Raises:
        InputError: the path is a file, or the folder has another run, other files, or a damaged run.
    """
    restore_replaced(folder)
    if not _holds_run(folder) or overwrite:
        return None
    identity.require_same_settings(folder, read_json(folder / CONFIG_FILE))
    saved_hashes = read_saved_hashes(folder, results_file, read_state_record(folder))
    require_same_hashes(folder, saved_hashes, identity.hashes)
    if read_run_state(folder, results_file) != "finished" or not (folder / results_file).exists():
        identity.require_same_protocol(folder, saved_hashes)
        return None
    results = read_results(folder / results_file)
    with contextlib.suppress(InputError, OSError):  # in use, or read-only
        if any((folder / name).exists() for name in (REPLACED_DIR, *remove)):
            with acquire_lock(folder):
                remove_working_files(folder, remove)
    return results


def _holds_run(folder: Path) -> bool:
    """Returns whether the folder has a run; False if it is new or empty. Raises `InputError` for anything else."""
    if not folder.exists():
        return False
    require(folder.is_dir(), f"{folder}: is a file; give another --out")
    begun = (f".{RUN_STATE_FILE}.", f".{CONFIG_FILE}.")
    if all(path.name in (LOCK_FILE, RUN_STATE_FILE) or path.name.startswith(begun) for path in folder.iterdir()):
        return False  # or begun and killed before its config was written
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
    with contextlib.ExitStack() as stack:
        try:
            restore_replaced(folder)
            _holds_run(folder)
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(acquire_lock(folder))
            run = _open_locked(folder, identity, overwrite=overwrite, attempt_info=dict(attempt_info or {}))
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


def _try_set_state(run: Run, state: RunState, error: str | None) -> None:
    """Sets the state if the disk allows it; otherwise the error that ended the run would be hidden."""
    with contextlib.suppress(InputError):
        run.set_state(state, error)


def _open_locked(folder: Path, identity: RunIdentity, *, overwrite: bool, attempt_info: dict[str, Any]) -> Run:
    # another process may have finished the run before this one got the lock
    finished = load_finished_results(folder, identity, overwrite=overwrite) is not None
    require(not finished, f"{folder}: another process has finished this run; the same command shows it")
    if not _holds_run(folder):
        return _begin(folder, identity, attempt_info)
    return (_replace if overwrite else _resume)(folder, identity, attempt_info)


def _resume(folder: Path, identity: RunIdentity, attempt_info: dict[str, Any]) -> Run:
    record = read_state_record(folder) or {"schema": 1, "attempts": []}
    record["identity"] = {**identity.record, **record.get("identity", {})}
    for left_over in [*folder.glob(".*.tmp*"), *folder.glob("*/.*.tmp*"), *folder.glob("*/*/.*.tmp*")]:
        shutil.rmtree(left_over) if left_over.is_dir() else left_over.unlink()
    record["attempts"].append(_attempt_record(attempt_info))
    run = Run(folder, record, time.perf_counter(), identify_lock(folder))
    run.set_state("running")
    return run


def _begin(folder: Path, identity: RunIdentity, attempt_info: dict[str, Any]) -> Run:
    """Writes state and config into an empty, locked folder; removes them, and the folder, if that fails."""
    record = {"schema": 1, "identity": identity.record, "attempts": [_attempt_record(attempt_info)]}
    run = Run(folder, record, time.perf_counter(), identify_lock(folder))
    try:
        run.set_state("running")
        write_json(folder / CONFIG_FILE, identity.settings)  # last: without it, there is no run
    except BaseException:
        for name in (RUN_STATE_FILE, CONFIG_FILE):
            (folder / name).unlink(missing_ok=True)
        if not (folder / REPLACING_DIR).exists():  # else the run that was to be replaced comes back, under this lock
            (folder / LOCK_FILE).unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # a mount point
                folder.rmdir()
        raise
    return run


def _replace(folder: Path, identity: RunIdentity, attempt_info: dict[str, Any]) -> Run:
    """Begins a run that replaces the one in the locked folder."""
    try:
        set_aside(folder)
        run = _begin(folder, identity, attempt_info)
    except BaseException:
        if (folder / REPLACING_DIR).is_dir():
            put_back(folder)
        raise
    os.rename(folder / REPLACING_DIR, folder / REPLACED_DIR)
    return run


def _attempt_record(attempt_info: dict[str, Any]) -> dict[str, Any]:
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return {"began": now, "host": socket.gethostname(), "process": os.getpid(), **attempt_info}
