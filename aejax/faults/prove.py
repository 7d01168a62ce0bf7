"""Every fault that a run may meet, tried in earnest, and what came of it in one table."""

import dataclasses
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console

from aejax.config import PlanConfig
from aejax.config.export import ExportConfig
from aejax.faults.damage import damaged
from aejax.faults.disks import NoDiskError, filled
from aejax.faults.fuzz import fuzz_readers
from aejax.faults.kills import Tally, Undisturbed, disturbed, kill, storm, total, undisturbed
from aejax.faults.rivals import fallen_back, rivals
from aejax.kinds.registry import KINDS
from aejax.report.faults import faults_page, row_line
from aejax.run.environment import describe, provenance
from aejax.run.export import export
from aejax.run.pretrain import open_pretrained
from aejax.store.encoders import load_encoder
from aejax.store.files import plain, write_atomically, write_json
from aejax.store.series import Series
from aejax.train.plan import make_plan

FEW = ("undercomplete", "vae", "conv", "stacked")  # one of each way to train, for what is tried on fewer kinds


@dataclasses.dataclass(frozen=True, kw_only=True)
class Effort:
    """How much is tried."""

    kinds: tuple[str, ...] = tuple(KINDS)  # whose trainings are killed
    kills: int = 200  # SIGKILLs that hit, at least
    storms: int = 40  # bursts of SIGTERM and SIGINT that hit, at least
    rivals: int = 10  # times that two processes start at once
    inputs: int = 100_000  # damaged files fed to the readers
    seed: int = 0  # of all that is drawn


class Fault(NamedTuple):
    """One row of the table."""

    name: str
    promise: str  # what survived and noticed mean here
    tried: Callable[[], Tally]


def prove(effort: Effort, out: Path, console: Console) -> dict[str, Any]:
    """Try all of it; write `faults.json` and `faults.md` into `out`.

    Raises:
        RuntimeError: a run that nothing disturbs does not end well.
    """
    began = time.perf_counter()
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="aejax-faults-") as name:
        folder = Path(name)
        references = [undisturbed(kind, folder / f"undisturbed-{kind}") for kind in effort.kinds]
        console.print(f"{len(references)} kinds of training left alone", highlight=False)
        rows = []
        for fault in _faults(effort, references, folder):
            rows.append(_row(fault))
            console.print(row_line(rows[-1]), highlight=False, soft_wrap=True)
        fuzzed = [dataclasses.asdict(result) for result in fuzz_readers(effort.inputs, effort.seed, folder / "fuzz")]
    found = plain(
        {
            "schema": 1,
            "kind": "faults",
            "effort": dataclasses.asdict(effort),
            "environment": {
                **describe(make_plan(PlanConfig(), 1)),
                "commit": provenance()["commit"],
                "seconds": time.perf_counter() - began,
            },
            "undisturbed_seconds": {reference.kind: reference.seconds for reference in references},
            "faults": rows,
            "fuzzed": fuzzed,
        }
    )
    write_json(out / "faults.json", found)
    write_atomically(out / "faults.md", faults_page(found).encode())
    return found


def _row(fault: Fault) -> dict[str, Any]:
    began = time.perf_counter()
    try:
        tally = fault.tried()
    except NoDiskError as reason:
        return {"name": fault.name, "promise": fault.promise, "not_run": str(reason).strip()}
    return {
        "name": fault.name,
        "promise": fault.promise,
        **tally._asdict(),
        "lost": tally.tried - tally.survived,
        "seconds": time.perf_counter() - began,
    }


def _faults(effort: Effort, references: list[Undisturbed], folder: Path) -> Iterator[Fault]:
    few = [reference for reference in references if reference.kind in FEW] or references[:1]
    rng = np.random.default_rng(effort.seed)
    yield Fault(
        "SIGKILL at a random moment of a training with saves, then the same command",
        "ends bit-equal to the undisturbed run",
        lambda: disturbed(references, folder / "kills", kill, (-9,), effort.kills, effort.seed),
    )
    yield Fault(
        "SIGTERM and SIGINT, one to six at once, then the same command",
        "exits with 75; ends bit-equal",
        lambda: disturbed(few, folder / "storms", storm, (75,), effort.storms, effort.seed),
    )
    yield Fault(
        "a file of a training's checkpoint flipped, cut, emptied, grown or deleted",
        "refused in one line that names it",
        lambda: total([_checkpoint_damaged(reference.kind, folder, rng) for reference in few]),
    )
    yield Fault(
        "a file of a finished run's weights, likewise",
        "refused in one line that names it",
        lambda: total([damaged(_undisturbed(folder, one.kind), "checkpoint", open_pretrained, rng) for one in few]),
    )
    yield Fault(
        "a file of a published encoder, likewise",
        "refused in one line that names it",
        lambda: total([_encoder_damaged(reference.kind, folder, rng) for reference in few]),
    )
    yield Fault(
        "a bit of the latest checkpoint flipped while the run was away, then --allow-fallback",
        "refused first; ends bit-equal",
        lambda: fallen_back(few, folder / "fallback", effort.seed),
    )
    yield Fault(
        "a disk that fills up during the run, then the same command with room",
        "one line and exit status 2; ends bit-equal",
        lambda: filled(few, folder / "disks"),
    )
    yield Fault(
        "two processes on one folder at once",
        "the second is refused or finds it finished; ends bit-equal",
        lambda: rivals(few, folder / "rivals", effort.rivals),
    )


def _undisturbed(folder: Path, kind: str) -> Path:
    return folder / f"undisturbed-{kind}"


def _checkpoint_damaged(kind: str, folder: Path, rng: np.random.Generator) -> Tally:
    latest = Series(_undisturbed(folder, kind) / "checkpoints" / kind, keep=2).epochs()[-1]
    within = Path("checkpoints") / kind

    def read(run: Path) -> object:
        resumed = Series(run / within, keep=2).latest()
        assert resumed is not None
        return resumed

    return damaged(_undisturbed(folder, kind), str(within / str(latest)), read, rng)


def _encoder_damaged(kind: str, folder: Path, rng: np.random.Generator) -> Tally:
    encoder = folder / f"encoder-{kind}"
    shutil.rmtree(encoder, ignore_errors=True)
    export(_undisturbed(folder, kind), encoder, ExportConfig())
    return damaged(encoder, ".", load_encoder, rng)
