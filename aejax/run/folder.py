"""How a job fills its run folder: locked, marked, resumed, and left in order however it ends."""

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from aejax.config import KeepingConfig
from aejax.errors import InputError
from aejax.evaluate.metrics import Scores
from aejax.run.classifying import NeighboursReport, ProbeReport, Reports
from aejax.run.diagnosing import Diagnosis
from aejax.run.environment import provenance
from aejax.run.heads import FinetuneReport
from aejax.run.keeping import Course, FolderKeeper, Keeper
from aejax.run.processes import from_first, is_first, noticing_losses, several
from aejax.run.scoring import Outcome
from aejax.run.sharing import SharedKeeper
from aejax.run.signals import last_words
from aejax.store.records import classes_by_name
from aejax.store.runs import RESULTS, Run, finished_results, open_run

RECORDED = classes_by_name(
    Outcome, Scores, Course, Diagnosis, Reports, ProbeReport, NeighboursReport, FinetuneReport
)  # all that is ever built from what a run has kept


def finished(
    out: Path, config: Mapping[str, Any], keeping: KeepingConfig, console: Console, name: str = RESULTS
) -> dict[str, Any] | None:
    """The results that the folder holds already, said in a line; or None if it may be filled. Raises as the store."""
    results = from_first(lambda: finished_results(out, config, overwrite=keeping.overwrite, name=name))
    if results is not None:
        _say(console, f"{out} holds this run already; --overwrite makes it again")
    return results


@contextlib.contextmanager
def filling(
    out: Path, config: Mapping[str, Any], keeping: KeepingConfig, console: Console, began: float
) -> Iterator[tuple[Run, Keeper]]:
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
        opened: list[tuple[Run, Keeper]] = []

        def begin() -> None:
            opened.append(stack.enter_context(_filling(out, config, keeping, console, began)))

        from_first(begin)
        if several():
            run, keeper = opened[0] if is_first() else (stack.enter_context(_aside(config, began)), Keeper())
            opened = [(run, SharedKeeper(keeper, RECORDED))]
        with noticing_losses():
            yield opened[0]


@contextlib.contextmanager
def _aside(config: Mapping[str, Any], began: float) -> Iterator[Run]:
    """A run that nobody will look at."""
    with tempfile.TemporaryDirectory(prefix="aejax-process-") as folder, open_run(Path(folder) / "run", config) as run:
        run.began = began
        yield run


@contextlib.contextmanager
def _filling(
    out: Path, config: Mapping[str, Any], keeping: KeepingConfig, console: Console, began: float
) -> Iterator[tuple[Run, Keeper]]:
    with open_run(out, config, overwrite=keeping.overwrite, about=provenance()) as run:
        run.began = began
        if run.resumed:
            _say(console, f"{out}: goes on where it was interrupted")
        if run.note:
            _say(console, run.note)
        keeper = FolderKeeper(run, keeping, RECORDED, lambda line: _say(console, line))
        with last_words(lambda: run.mark("interrupted")):
            try:
                yield run, keeper
            except BaseException:
                with contextlib.suppress(InputError):  # what ended the block is what the user hears of
                    keeper.settle()
                raise
            keeper.settle()


def _say(console: Console, line: str) -> None:
    console.print(line, highlight=False, soft_wrap=True)
