"""How a job fills its run folder: locked, marked, resumed, and left in order however it ends."""

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from aejax.config import CheckpointConfig
from aejax.errors import InputError
from aejax.evaluate.metrics import Scores
from aejax.experiments.checkpointing import DiskResultCache, ResultCache, TrainingHistory
from aejax.experiments.environment import provenance
from aejax.experiments.finetune import FinetuneReport
from aejax.experiments.method_result import MethodResult
from aejax.experiments.multihost import broadcast_from_primary, is_multihost, is_primary, raise_on_lost_process
from aejax.experiments.multihost_cache import MultihostResultCache
from aejax.experiments.preemption import call_before_exit
from aejax.experiments.probes import ClassifierReport, KNNReport, ProbeReport
from aejax.experiments.representation_metrics import RepresentationMetrics
from aejax.storage.runs import RESULTS_FILE, Run, load_finished_results, open_run
from aejax.storage.serialization import classes_by_name

RECORD_CLASSES = classes_by_name(
    MethodResult,
    Scores,
    TrainingHistory,
    RepresentationMetrics,
    ClassifierReport,
    ProbeReport,
    KNNReport,
    FinetuneReport,
)  # all that is ever built from what a run has kept


def load_finished(
    out: Path, config: Mapping[str, Any], checkpoint: CheckpointConfig, console: Console, name: str = RESULTS_FILE
) -> dict[str, Any] | None:
    """The results that the folder holds already, said in a line; or None if it may be filled. Raises as the store."""
    results = broadcast_from_primary(
        lambda: load_finished_results(out, config, overwrite=checkpoint.overwrite, results_file=name)
    )
    if results is not None:
        _print_line(console, f"{out} holds this run already; --overwrite makes it again")
    return results


@contextlib.contextmanager
def open_run_dir(
    out: Path, config: Mapping[str, Any], checkpoint: CheckpointConfig, console: Console, start_time: float
) -> Iterator[tuple[Run, ResultCache]]:
    """The folder, locked, and what keeps things in it; everything is written once the block has ended.

    Of several processes the first fills it. The others do the same work on a folder of their own, `Run.folder`, which
    ends with the block.

    Args:
        out: the folder.
        config: resolved.
        keeping: what becomes of an earlier run, and how often to save.
        console: where lines for the user go.
        began: by `time.perf_counter`, when this attempt began to cost time.

    Raises:
        InputError: another process fills it, or it cannot be written.
        PeerLost: another process of this run has ended.
    """
    with contextlib.ExitStack() as stack:
        opened: list[tuple[Run, ResultCache]] = []

        def begin() -> None:
            opened.append(stack.enter_context(_open_primary_dir(out, config, checkpoint, console, start_time)))

        broadcast_from_primary(begin)
        if is_multihost():
            run, keeper = (
                opened[0]
                if is_primary()
                else (stack.enter_context(_open_scratch_dir(config, start_time)), ResultCache())
            )
            opened = [(run, MultihostResultCache(keeper, RECORD_CLASSES))]
        with raise_on_lost_process():
            yield opened[0]


@contextlib.contextmanager
def _open_scratch_dir(config: Mapping[str, Any], start_time: float) -> Iterator[Run]:
    """A run that nobody will look at."""
    with tempfile.TemporaryDirectory(prefix="aejax-process-") as folder, open_run(Path(folder) / "run", config) as run:
        run.start_time = start_time
        yield run


@contextlib.contextmanager
def _open_primary_dir(
    out: Path, config: Mapping[str, Any], checkpoint: CheckpointConfig, console: Console, start_time: float
) -> Iterator[tuple[Run, ResultCache]]:
    with open_run(out, config, overwrite=checkpoint.overwrite, attempt_info=provenance()) as run:
        run.start_time = start_time
        if run.resumed:
            _print_line(console, f"{out}: goes on where it was interrupted")
        if run.warning:
            _print_line(console, run.warning)
        keeper = DiskResultCache(run, checkpoint, RECORD_CLASSES, lambda line: _print_line(console, line))
        with call_before_exit(lambda: run.set_state("interrupted")):
            try:
                yield run, keeper
            except BaseException:
                with contextlib.suppress(InputError):  # what ended the block is what the user hears of
                    keeper.flush()
                raise
            keeper.flush()


def _print_line(console: Console, line: str) -> None:
    console.print(line, highlight=False, soft_wrap=True)
