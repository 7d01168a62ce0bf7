"""Every disturbance that a run must withstand, and the table of the outcomes."""

import dataclasses
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console

from aejax.autoencoders.registry import KINDS
from aejax.config import PlanConfig
from aejax.config.export import ExportConfig
from aejax.errors import require_known_names
from aejax.experiments.environment import code_version, describe_environment
from aejax.experiments.export import export
from aejax.experiments.pretrained import load_pretrained
from aejax.storage.atomic_io import read_json, to_jsonable, write_atomically, write_json
from aejax.storage.checkpoint_manager import CheckpointManager
from aejax.storage.pretrained_encoder import load_encoder
from aejax.train.plan import make_plan
from tests.robustness.commands import kill_commands, start_twice, take_folder_away, use_hostile_names
from tests.robustness.disturbances import (
    DISK_SIZES_KIB,
    SIGKILL,
    SIGNAL_BURST,
    MountNotPermittedError,
    Outcome,
    corrupt_each_file,
    interrupt_runs,
    race_for_run_dir,
    resume_with_fallback,
    run_on_full_disks,
)
from tests.robustness.json_damage import damage_json_files
from tests.robustness.reader_fuzzing import fuzz_readers
from tests.robustness.report import format_row, render_markdown
from tests.robustness.training_process import ReferenceRun, run_reference

# One kind of each way to train, for scenarios that are tried on fewer kinds.
REPRESENTATIVE_KINDS = ("undercomplete", "vae", "conv", "stacked")


@dataclasses.dataclass(frozen=True, kw_only=True)
class RobustnessBudget:
    """How much is tried."""

    kinds: tuple[str, ...] = tuple(KINDS)  # kinds of autoencoder whose trainings are killed
    kills: int = 200  # minimum number of SIGKILLs that hit a run
    storms: int = 40  # minimum number of bursts of SIGTERM and SIGINT that hit a run
    rivals: int = 10  # times that two processes start at once
    inputs: int = 100_000  # damaged files for the readers
    command_kills: int = 200  # minimum number of SIGKILLs that hit a command
    rounds: int = 2  # times that each command is started twice at once, and loses its folder
    damaged_json: int = 2_000  # files of results, configs and states
    seed: int = 0  # of all random draws


class Setup(NamedTuple):
    """What a scenario works with."""

    budget: RobustnessBudget
    references: list[ReferenceRun]  # of all kinds
    folder: Path

    @property
    def rng(self) -> np.random.Generator:
        """A new generator of a scenario's random draws."""
        return np.random.default_rng(self.budget.seed)

    @property
    def few(self) -> list[ReferenceRun]:
        """References of the representative kinds."""
        return [one for one in self.references if one.kind in REPRESENTATIVE_KINDS] or self.references[:1]


def make_setup(budget: RobustnessBudget, folder: Path) -> Setup:
    """Runs every kind without interruption; raises RuntimeError if one fails."""
    return Setup(budget, [run_reference(kind, folder / f"undisturbed-{kind}") for kind in budget.kinds], folder)


class Scenario(NamedTuple):
    """One row of the table."""

    name: str  # `report.PROMISES` finds the rows by the beginnings of their names, in committed results, too
    promise: str  # which defines `survived` and `noticed`
    run: Callable[[Setup], Iterable[Outcome]]


def _corrupt_checkpoints(setup: Setup) -> Iterator[Outcome]:
    rng = setup.rng
    for reference in setup.few:
        subdir = Path("checkpoints") / reference.kind

        def read(run: Path, subdir: Path = subdir) -> None:
            assert CheckpointManager(run / subdir, max_to_keep=2).restore_latest() is not None

        latest = CheckpointManager(reference.folder / subdir, max_to_keep=2).epochs()[-1]
        yield from corrupt_each_file(reference.folder, str(subdir / str(latest)), read, rng)


def _corrupt_weights(setup: Setup) -> Iterator[Outcome]:
    rng = setup.rng
    for reference in setup.few:
        yield from corrupt_each_file(reference.folder, "checkpoint", load_pretrained, rng)


def _corrupt_published_encoders(setup: Setup) -> Iterator[Outcome]:
    rng = setup.rng
    for reference in setup.few:
        encoder = reference.folder.with_name(f"encoder-{reference.kind}")
        shutil.rmtree(encoder, ignore_errors=True)
        export(reference.folder, encoder, ExportConfig())
        yield from corrupt_each_file(encoder, ".", load_encoder, rng)


def _fill_disks(setup: Setup) -> Iterator[Outcome]:
    sizes = DISK_SIZES_KIB if setup.budget.kills >= len(DISK_SIZES_KIB) else DISK_SIZES_KIB[3:4]
    return run_on_full_disks(setup.few, setup.folder / "disks", sizes)


SCENARIOS: tuple[Scenario, ...] = (
    Scenario(
        "SIGKILL at a random moment of a training with saves, then the same command",
        "ends bit-equal to the undisturbed run",
        lambda s: interrupt_runs(s.references, s.folder / "kills", SIGKILL, s.budget.kills, s.budget.seed),
    ),
    Scenario(
        "SIGTERM and SIGINT, one to six at once, then the same command",
        "exits with 75; ends bit-equal",
        lambda s: interrupt_runs(s.few, s.folder / "storms", SIGNAL_BURST, s.budget.storms, s.budget.seed),
    ),
    Scenario(
        "a file of a training's checkpoint flipped, cut, emptied, grown or deleted",
        "refused in one line that names it",
        _corrupt_checkpoints,
    ),
    Scenario("a file of a finished run's weights, likewise", "refused in one line that names it", _corrupt_weights),
    Scenario(
        "a file of a published encoder, likewise", "refused in one line that names it", _corrupt_published_encoders
    ),
    Scenario(
        "a bit of the latest checkpoint flipped while the run was away, then --allow-fallback",
        "refused first; ends bit-equal",
        lambda s: resume_with_fallback(s.few, s.folder / "fallback", s.budget.seed),
    ),
    Scenario(
        "a disk that fills up during the run, then the same command with room",
        "one line and exit status 2; ends bit-equal",
        _fill_disks,
    ),
    Scenario(
        "two processes on one folder at once",
        "the second is refused or finds it finished; ends bit-equal",
        lambda s: race_for_run_dir(s.few, s.folder / "rivals", s.budget.rivals),
    ),
    Scenario(
        "kill -9 of pretrain, compare, sweep, probe, explore, export and report, then the same command",
        "ends with equal results, and nothing is left over",
        lambda s: kill_commands(s.folder / "commands", s.budget.command_kills, s.budget.seed),
    ),
    Scenario(
        "each of these commands started twice at once",
        "one is done, the other is done or ends with one line",
        lambda s: start_twice(s.folder / "twice", s.budget.rounds),
    ),
    Scenario(
        "the folder of a command moved or deleted while it runs, then the same command",
        "ends with one line and writes nothing more; ends with equal results",
        lambda s: take_folder_away(s.folder / "away", s.budget.rounds, s.budget.seed),
    ),
    Scenario(
        "folders with names that shells, markup and formats would read",
        "are filled like others",
        lambda s: use_hostile_names(s.folder / "names"),
    ),
    Scenario(
        "a value of results, of a config or of a run's state deleted, cut, repeated or replaced",
        "is read, or refused in one line",
        lambda s: damage_json_files(s.folder / "json", s.budget.damaged_json, s.budget.seed),
    ),
)


def run_scenario(scenario: Scenario, setup: Setup) -> dict[str, Any]:
    """Returns the row of a scenario; `not_run` if this machine does not allow it."""
    row, began = {"name": scenario.name, "promise": scenario.promise}, time.perf_counter()
    try:
        outcomes = list(scenario.run(setup))
    except MountNotPermittedError as reason:
        return row | {"not_run": str(reason)}
    return row | {
        "tried": len(outcomes),
        "survived": sum(one.survived for one in outcomes),
        "noticed": sum(one.noticed for one in outcomes),
        "faults": [one.fault for one in outcomes if not (one.survived and one.noticed)],
        "lost": sum(not one.survived for one in outcomes),
        "seconds": time.perf_counter() - began,
    }


def rerun_scenarios(beginnings: Sequence[str], budget: RobustnessBudget, out: Path, console: Console) -> dict[str, Any]:
    """Runs the scenarios whose names begin so, and replaces or adds their rows in `faults.json` and `faults.md`."""
    results: dict[str, Any] = read_json(out / "faults.json")
    with tempfile.TemporaryDirectory(prefix="aejax-faults-") as name:
        setup = Setup(budget, [], Path(name))
        for scenario in (one for one in SCENARIOS if one.name.startswith(tuple(beginnings))):
            row = to_jsonable(run_scenario(scenario, setup)) | {"commit": code_version()["commit"]}
            results["faults"] = [other for other in results["faults"] if other["name"] != scenario.name] + [row]
            console.print(format_row(row), highlight=False, soft_wrap=True)
            write_json(out / "faults.json", results)
            write_atomically(out / "faults.md", render_markdown(results).encode())
    return results


def run_suite(budget: RobustnessBudget, out: Path, console: Console) -> dict[str, Any]:
    """Runs all scenarios and fuzzes all readers; writes `faults.json` and `faults.md`; returns the results.

    Raises:
        InputError: there is no such kind.
        RuntimeError: an uninterrupted run fails.
    """
    require_known_names("--kinds", "kind", budget.kinds, KINDS)
    began, rows = time.perf_counter(), []
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="aejax-faults-") as name:
        setup = make_setup(budget, Path(name))
        console.print(f"{len(setup.references)} kinds trained without interruption", highlight=False)
        for scenario in SCENARIOS:
            rows.append(run_scenario(scenario, setup))
            console.print(format_row(rows[-1]), highlight=False, soft_wrap=True)
        fuzzed = [dataclasses.asdict(one) for one in fuzz_readers(budget.inputs, budget.seed, setup.folder / "fuzz")]
    environment = describe_environment(make_plan(PlanConfig(), 1))
    environment |= {"commit": code_version()["commit"], "seconds": time.perf_counter() - began}
    results = to_jsonable(
        {
            "schema": 1,
            "kind": "faults",
            "effort": dataclasses.asdict(budget),
            "environment": environment,
            "undisturbed_seconds": {reference.kind: reference.seconds for reference in setup.references},
            "faults": rows,
            "fuzzed": fuzzed,
        }
    )
    write_json(out / "faults.json", results)
    write_atomically(out / "faults.md", render_markdown(results).encode())
    return results
