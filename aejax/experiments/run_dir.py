"""The folder of a run: locked while it is filled, resumed, and marked with the state in which it ended.

Of several processes the primary reads and writes for all.
"""

import contextlib
import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from aejax.config import CheckpointConfig
from aejax.errors import InputError
from aejax.evaluate.metrics import Scores
from aejax.evaluate.tuning import TuningReport
from aejax.experiments.checkpointing import (
    RESULT_CACHE_DIR,
    Checkpointer,
    DiskResultCache,
    ResultCache,
    TrainingCheckpoint,
    TrainingHistory,
)
from aejax.experiments.classifier_selection import ClassifierSelection
from aejax.experiments.environment import provenance
from aejax.experiments.method_result import MethodResult
from aejax.experiments.multihost import broadcast_from_primary, is_multihost, is_primary, raise_on_lost_process
from aejax.experiments.preemption import call_before_exit
from aejax.experiments.probes import ClassifierReport, FinetuneReport, KNNReport, ProbeReport, TopUnitsReport
from aejax.experiments.representation_metrics import RepresentationMetrics
from aejax.storage.manifest import CorruptedFileError
from aejax.storage.pytree_io import from_state_dict, load_tree, to_state_dict
from aejax.storage.run_identity import RunIdentity
from aejax.storage.runs import Run, load_finished_results, open_run
from aejax.storage.serialization import classes_by_name, deserialize
from aejax.train.state import TrainProgress

RECORD_CLASSES = classes_by_name(
    MethodResult,
    Scores,
    TrainingHistory,
    RepresentationMetrics,
    ClassifierReport,
    TopUnitsReport,
    ProbeReport,
    KNNReport,
    FinetuneReport,
    ClassifierSelection,
    TuningReport,
)  # the only classes that are built from saved results


def load_finished(
    out: Path,
    identity: RunIdentity,
    checkpoint: CheckpointConfig,
    console: Console,
    name: str,
    remove: Sequence[str],
) -> dict[str, Any] | None:
    """Returns the results if the folder has this run already, and prints a line; None if it is to be filled."""
    results = broadcast_from_primary(
        lambda: load_finished_results(out, identity, overwrite=checkpoint.overwrite, results_file=name, remove=remove)
    )
    if results is not None:
        _print_line(console, f"{out} holds this run already; --overwrite makes it again")
    return results


def load_kept_result(folder: Path, name: str) -> Any:
    """Returns the result of a method that a run kept, or None if it kept none or the files are damaged."""

    def load() -> Any:
        kept = folder / RESULT_CACHE_DIR / name
        try:
            return deserialize(load_tree(kept), RECORD_CLASSES) if kept.exists() else None
        except CorruptedFileError:
            return None

    return broadcast_from_primary(load, RECORD_CLASSES)


@contextlib.contextmanager
def open_run_dir(
    out: Path, identity: RunIdentity, checkpoint: CheckpointConfig, console: Console, start_time: float
) -> Iterator[tuple[Run, ResultCache]]:
    """Yields the locked folder and its saved results; everything is written when the block has ended.

    Of several processes only the primary writes the folder. The others do the same work in a temporary folder.

    Args:
        out: the folder.
        identity: of the run.
        checkpoint: whether to replace an earlier run, and how often to save.
        console: for messages.
        start_time: `time.perf_counter()` when this attempt began.

    Raises:
        InputError: another process fills the folder, or it cannot be written.
        ProcessLost: another process of this run has ended.
    """
    with contextlib.ExitStack() as stack:
        opened: list[tuple[Run, ResultCache]] = []

        def begin() -> None:
            opened.append(stack.enter_context(_open_primary_dir(out, identity, checkpoint, console, start_time)))

        broadcast_from_primary(begin)
        if is_multihost():
            if is_primary():
                run, cache = opened[0]
            else:
                run, cache = stack.enter_context(_open_scratch_dir(identity, start_time)), ResultCache()
            opened = [(run, MultihostResultCache(cache))]
        with raise_on_lost_process():
            yield opened[0]


@contextlib.contextmanager
def _open_scratch_dir(identity: RunIdentity, start_time: float) -> Iterator[Run]:
    """Yields a run in a temporary folder."""
    with (
        tempfile.TemporaryDirectory(prefix="aejax-process-") as folder,
        open_run(Path(folder) / "run", identity) as run,
    ):
        run.start_time = start_time
        yield run


@contextlib.contextmanager
def _open_primary_dir(
    out: Path, identity: RunIdentity, checkpoint: CheckpointConfig, console: Console, start_time: float
) -> Iterator[tuple[Run, ResultCache]]:
    with open_run(out, identity, overwrite=checkpoint.overwrite, attempt_info=provenance()) as run:
        run.start_time, run.figure_format = start_time, checkpoint.figure_format
        if run.resumed:
            _print_line(console, f"{out}: goes on where it was interrupted")
        if run.warning:
            _print_line(console, f"{out}: {run.warning}")
        cache = DiskResultCache(run, checkpoint, RECORD_CLASSES, lambda line: _print_line(console, line))
        with call_before_exit(lambda: run.set_state("interrupted")):
            try:
                yield run, cache
            except BaseException:
                with contextlib.suppress(InputError):  # the error that ended the block is reported
                    cache.flush()
                raise
            cache.flush()


def _print_line(console: Console, line: str) -> None:
    console.print(line, highlight=False, soft_wrap=True)


class MultihostResultCache(ResultCache):
    """The primary process's results and checkpoints, in all processes.

    A checkpoint holds all seeds as NumPy arrays, as one process would write it. So a run of two processes can continue
    in one, or in four.
    """

    def __init__(self, primary: ResultCache) -> None:
        self._primary = primary

    def checkpointer(self, name: str) -> Checkpointer:
        return _MultihostCheckpointer(self._primary.checkpointer(name))

    def load_result(self, name: str) -> Any:
        """Raises `CorruptedFileError` if the saved files have changed."""
        return broadcast_from_primary(lambda: self._primary.load_result(name), RECORD_CLASSES)

    def save_result(self, name: str, result: Any) -> None:
        if is_primary():
            self._primary.save_result(name, result)

    def flush(self) -> None:
        if is_primary():
            self._primary.flush()


class _MultihostCheckpointer(Checkpointer):
    def __init__(self, primary: Checkpointer) -> None:
        self._primary = primary

    def restore_latest(self, like: TrainProgress) -> TrainingCheckpoint | None:
        def restore() -> Any:
            checkpoint = self._primary.restore_latest(like)
            if checkpoint is None:
                return None
            return to_state_dict(checkpoint.progress), checkpoint.history, json.dumps(checkpoint.loader_state)

        parts = broadcast_from_primary(restore, RECORD_CLASSES)
        if parts is None:
            return None
        progress, history, loader_state = parts
        progress = from_state_dict(progress, like, "the first process")
        return TrainingCheckpoint(progress, history, json.loads(loader_state))

    def should_save(self, *, force: bool) -> bool:
        return broadcast_from_primary(lambda: self._primary.should_save(force=force))

    def save(self, checkpoint: TrainingCheckpoint, *, wait: bool) -> None:
        if is_primary():
            self._primary.save(checkpoint, wait=wait)
