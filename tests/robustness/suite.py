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

from aejax.autoencoders.registry import KINDS
from aejax.config import PlanConfig
from aejax.config.export import ExportConfig
from aejax.experiments.environment import describe_environment, provenance
from aejax.experiments.export import export
from aejax.experiments.pretrain import load_pretrained
from aejax.storage.atomic_io import to_jsonable, write_atomically, write_json
from aejax.storage.checkpoint_manager import CheckpointManager
from aejax.storage.pretrained_encoder import load_encoder
from aejax.train.plan import make_plan
from tests.robustness.concurrent_runs import race_for_run_dir, resume_with_fallback
from tests.robustness.file_corruption import corrupt_each_file
from tests.robustness.full_disk import MountNotPermittedError, run_on_full_disks
from tests.robustness.interruptions import (
    Counts,
    ReferenceRun,
    interrupt_runs,
    run_reference,
    send_sigkill,
    send_signal_burst,
    sum_counts,
)
from tests.robustness.reader_fuzzing import fuzz_readers
from tests.robustness.report import format_row, render_markdown

REPRESENTATIVE_KINDS = (
    "undercomplete",
    "vae",
    "conv",
    "stacked",
)  # one of each way to train, for what is tried on fewer kinds


@dataclasses.dataclass(frozen=True, kw_only=True)
class RobustnessBudget:
    """How much is tried."""

    kinds: tuple[str, ...] = tuple(KINDS)  # whose trainings are killed
    kills: int = 200  # SIGKILLs that hit, at least
    storms: int = 40  # bursts of SIGTERM and SIGINT that hit, at least
    rivals: int = 10  # times that two processes start at once
    inputs: int = 100_000  # damaged files fed to the readers
    seed: int = 0  # of all that is drawn


class Scenario(NamedTuple):
    """One row of the table."""

    name: str
    promise: str  # what survived and noticed mean here
    run: Callable[[], Counts]


def run_suite(budget: RobustnessBudget, out: Path, console: Console) -> dict[str, Any]:
    """Try all of it; write `faults.json` and `faults.md` into `out`.

    Raises:
        RuntimeError: a run that nothing disturbs does not end well.
    """
    began = time.perf_counter()
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="aejax-faults-") as name:
        folder = Path(name)
        references = [run_reference(kind, folder / f"undisturbed-{kind}") for kind in budget.kinds]
        console.print(f"{len(references)} kinds of training left alone", highlight=False)
        rows = []
        for fault in _scenarios(budget, references, folder):
            rows.append(_run_scenario(fault))
            console.print(format_row(rows[-1]), highlight=False, soft_wrap=True)
        fuzzed = [dataclasses.asdict(result) for result in fuzz_readers(budget.inputs, budget.seed, folder / "fuzz")]
    found = to_jsonable(
        {
            "schema": 1,
            "kind": "faults",
            "effort": dataclasses.asdict(budget),
            "environment": {
                **describe_environment(make_plan(PlanConfig(), 1)),
                "commit": provenance()["commit"],
                "seconds": time.perf_counter() - began,
            },
            "undisturbed_seconds": {reference.kind: reference.seconds for reference in references},
            "faults": rows,
            "fuzzed": fuzzed,
        }
    )
    write_json(out / "faults.json", found)
    write_atomically(out / "faults.md", render_markdown(found).encode())
    return found


def _run_scenario(fault: Scenario) -> dict[str, Any]:
    began = time.perf_counter()
    try:
        tally = fault.run()
    except MountNotPermittedError as reason:
        return {"name": fault.name, "promise": fault.promise, "not_run": str(reason).strip()}
    return {
        "name": fault.name,
        "promise": fault.promise,
        **tally._asdict(),
        "lost": tally.tried - tally.survived,
        "seconds": time.perf_counter() - began,
    }


def _scenarios(budget: RobustnessBudget, references: list[ReferenceRun], folder: Path) -> Iterator[Scenario]:
    few = [reference for reference in references if reference.kind in REPRESENTATIVE_KINDS] or references[:1]
    rng = np.random.default_rng(budget.seed)
    yield Scenario(
        "SIGKILL at a random moment of a training with saves, then the same command",
        "ends bit-equal to the undisturbed run",
        lambda: interrupt_runs(references, folder / "kills", send_sigkill, (-9,), budget.kills, budget.seed),
    )
    yield Scenario(
        "SIGTERM and SIGINT, one to six at once, then the same command",
        "exits with 75; ends bit-equal",
        lambda: interrupt_runs(few, folder / "storms", send_signal_burst, (75,), budget.storms, budget.seed),
    )
    yield Scenario(
        "a file of a training's checkpoint flipped, cut, emptied, grown or deleted",
        "refused in one line that names it",
        lambda: sum_counts([_corrupt_training_checkpoint(reference.kind, folder, rng) for reference in few]),
    )
    yield Scenario(
        "a file of a finished run's weights, likewise",
        "refused in one line that names it",
        lambda: sum_counts(
            [corrupt_each_file(_reference_dir(folder, one.kind), "checkpoint", load_pretrained, rng) for one in few]
        ),
    )
    yield Scenario(
        "a file of a published encoder, likewise",
        "refused in one line that names it",
        lambda: sum_counts([_corrupt_published_encoder(reference.kind, folder, rng) for reference in few]),
    )
    yield Scenario(
        "a bit of the latest checkpoint flipped while the run was away, then --allow-fallback",
        "refused first; ends bit-equal",
        lambda: resume_with_fallback(few, folder / "fallback", budget.seed),
    )
    yield Scenario(
        "a disk that fills up during the run, then the same command with room",
        "one line and exit status 2; ends bit-equal",
        lambda: run_on_full_disks(few, folder / "disks"),
    )
    yield Scenario(
        "two processes on one folder at once",
        "the second is refused or finds it finished; ends bit-equal",
        lambda: race_for_run_dir(few, folder / "rivals", budget.rivals),
    )


def _reference_dir(folder: Path, kind: str) -> Path:
    return folder / f"undisturbed-{kind}"


def _corrupt_training_checkpoint(kind: str, folder: Path, rng: np.random.Generator) -> Counts:
    latest = CheckpointManager(_reference_dir(folder, kind) / "checkpoints" / kind, max_to_keep=2).epochs()[-1]
    within = Path("checkpoints") / kind

    def read(run: Path) -> object:
        resumed = CheckpointManager(run / within, max_to_keep=2).restore_latest()
        assert resumed is not None
        return resumed

    return corrupt_each_file(_reference_dir(folder, kind), str(within / str(latest)), read, rng)


def _corrupt_published_encoder(kind: str, folder: Path, rng: np.random.Generator) -> Counts:
    encoder = folder / f"encoder-{kind}"
    shutil.rmtree(encoder, ignore_errors=True)
    export(_reference_dir(folder, kind), encoder, ExportConfig())
    return corrupt_each_file(encoder, ".", load_encoder, rng)
