"""Every disturbance that a run must withstand, and the table of the outcomes."""

import dataclasses
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console

from aejax.autoencoders.registry import KINDS
from aejax.config import PlanConfig
from aejax.config.experiment import ExportConfig
from aejax.errors import require, require_known_names
from aejax.experiments.environment import code_version, describe_environment
from aejax.experiments.export import export
from aejax.experiments.pretrained import load_pretrained
from aejax.storage.atomic_io import read_json, to_jsonable, write_atomically, write_json
from aejax.storage.checkpoint_manager import CheckpointManager
from aejax.storage.pretrained_encoder import load_encoder
from aejax.train.plan import make_plan
from tests.robustness.commands import COMMANDS, Outcome, Reference, run_undisturbed, saved_checkpoints
from tests.robustness.damage import corrupt_each_file, damage_json_files
from tests.robustness.disturbances import (
    SIGKILL,
    SIGNAL_BURST,
    MountNotPermittedError,
    interrupt_commands,
    kill_one_of_two,
    resume_with_fallback,
    run_on_full_disks,
    start_twice,
    take_folder_away,
    use_hostile_names,
    write_into_read_only_folders,
)
from tests.robustness.endurance import disturb_long_run
from tests.robustness.reader_fuzzing import fuzz_readers
from tests.robustness.refusals import refuse_flags
from tests.robustness.report import format_row, render_markdown

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
    commands: tuple[str, ...] = tuple(COMMANDS)  # that are disturbed
    command_kills: int = 500  # minimum number of SIGKILLs that hit a command
    flags: int = 500  # hostile values of flags
    minutes: float = 60.0  # of the long comparison
    rounds: int = 2  # times that each command is started twice at once, and loses its folder
    damaged_json: int = 2_000  # files of results, configs and states
    seed: int = 0  # of all random draws


class Setup(NamedTuple):
    """What a scenario works with."""

    budget: RobustnessBudget
    folder: Path

    @property
    def trainings(self) -> list[Reference]:
        """Trainings of all kinds without disturbance; raises RuntimeError if one fails."""
        return run_undisturbed(self.folder / "trainings", tuple(f"training {kind}" for kind in self.budget.kinds))

    @property
    def few(self) -> list[Reference]:
        """Trainings of the representative kinds."""
        chosen = {f"training {kind}" for kind in REPRESENTATIVE_KINDS}
        return [one for one in self.trainings if one.command in chosen] or self.trainings[:1]

    @property
    def commands(self) -> list[Reference]:
        """Runs of all commands without disturbance; raises RuntimeError if one fails."""
        return run_undisturbed(self.folder / "commands", self.budget.commands)


class Scenario(NamedTuple):
    """One row of the table."""

    name: str  # `report.PROMISES` finds the rows by the beginnings of their names, in committed results, too
    promise: str  # which defines `survived` and `noticed`
    run: Callable[[Setup], Iterable[Outcome]]


def _corrupt_checkpoints(setup: Setup) -> Iterator[Outcome]:
    for one in setup.few:
        latest = max(saved_checkpoints(one.out), key=lambda path: int(path.name)).relative_to(one.out)

        def read(run: Path, folder: Path = latest.parent) -> None:
            assert CheckpointManager(run / folder, max_to_keep=2).restore_latest() is not None

        yield from corrupt_each_file(one.out, str(latest), read, setup.budget.seed)


def _corrupt_weights(setup: Setup) -> Iterator[Outcome]:
    for one in setup.few:
        yield from corrupt_each_file(one.out, "checkpoint", load_pretrained, setup.budget.seed)


def _corrupt_published_encoders(setup: Setup) -> Iterator[Outcome]:
    for one in setup.few:
        encoder = one.out.with_name(f"encoder-{one.command}")
        export(one.out, encoder, ExportConfig())
        yield from corrupt_each_file(encoder, ".", load_encoder, setup.budget.seed)


SCENARIOS: tuple[Scenario, ...] = (
    Scenario(
        "SIGKILL at a random moment of a training with saves, then the same command",
        "ends bit-equal to the undisturbed run",
        lambda s: interrupt_commands(s.trainings, SIGKILL, s.budget.kills, s.budget.seed),
    ),
    Scenario(
        "SIGTERM and SIGINT, one to six at once, then the same command",
        "exits with 75; ends bit-equal",
        lambda s: interrupt_commands(s.few, SIGNAL_BURST, s.budget.storms, s.budget.seed),
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
        lambda s: resume_with_fallback(s.few, s.budget.seed),
    ),
    Scenario(
        "a disk that fills up during the run, then the same command with free space",
        "one line and exit status 2; ends bit-equal",
        lambda s: run_on_full_disks(s.few),
    ),
    Scenario(
        "two processes on one folder at once",
        "the second is refused or finds it finished; ends bit-equal",
        lambda s: start_twice(s.few, s.budget.rivals),
    ),
    Scenario(
        "kill -9 of every command at a random time or before a random change of its folder, then the same command",
        "ends with equal results, and nothing is left over",
        lambda s: interrupt_commands(s.commands, SIGKILL, s.budget.command_kills, s.budget.seed),
    ),
    Scenario(
        "each command started twice at once",
        "one is done, the other is done or ends with one line",
        lambda s: start_twice(s.commands, s.budget.rounds * len(s.commands)),
    ),
    Scenario(
        "one of the two processes of a run killed, then both again",
        "the other ends without a traceback; ends bit-equal",
        lambda s: kill_one_of_two(s.folder / "pair", 2 * s.budget.rounds, s.budget.seed),
    ),
    Scenario(
        "the folder of a command moved or deleted while it runs, then the same command",
        "ends with one line and writes nothing more; ends with equal results",
        lambda s: take_folder_away(s.commands, s.budget.rounds, s.budget.seed),
    ),
    Scenario(
        "folders with names that shells, markup and formats would read",
        "are filled like others",
        lambda s: use_hostile_names(s.commands),
    ),
    Scenario(
        "the folder of a command on a read-only disk, then the same command",
        "one line and exit status 2; ends with equal results",
        lambda s: write_into_read_only_folders(s.commands),
    ),
    Scenario(
        "the disk of a command too small for it, then the same command with enough space",
        "one line and exit status 2; ends with equal results",
        lambda s: run_on_full_disks(s.commands),
    ),
    Scenario(
        "flags with hostile values",
        "exit status 2 and one line",
        lambda s: refuse_flags(s.folder / "flags", s.budget.flags, s.budget.seed),
    ),
    Scenario(
        "a long comparison with a figure that cannot be written, SIGHUP, a second start and a full disk at its end",
        "each is noticed; ends with equal results",
        lambda s: disturb_long_run(s.folder / "long", s.budget.minutes),
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


def run_suite(budget: RobustnessBudget, out: Path, console: Console, only: Sequence[str] = ()) -> dict[str, Any]:
    """Runs scenarios and fuzzes all readers; writes `faults.json` and `faults.md` after each; returns the results.

    Args:
        budget: how much is tried.
        out: results folder.
        console: for a line about each scenario.
        only: beginnings of the names of scenarios, `readers` for the fuzzing; other rows in `faults.json` are kept.
            Empty: all, and rows of earlier results are not kept.

    Raises:
        InputError: there is no such kind, command or scenario.
        RuntimeError: an uninterrupted run fails.
    """
    require_known_names("--kinds", "kind", budget.kinds, KINDS)
    require_known_names("--commands", "command", budget.commands, COMMANDS)
    chosen = [one for one in SCENARIOS if not only or one.name.startswith(tuple(only))]
    require(chosen or "readers" in only, f"--only {' '.join(only)}: no scenario begins so")
    out.mkdir(parents=True, exist_ok=True)
    results = read_json(out / "faults.json") if only else {"schema": 1, "kind": "faults", "faults": [], "fuzzed": []}
    plan = describe_environment(make_plan(PlanConfig(), 1))

    def save(row: dict[str, Any] | None = None, **parts: Any) -> None:
        if only:  # other parts may be running at the same time
            results.update(read_json(out / "faults.json"))
        results.update(parts)
        effort = {**results.get("effort", {}), **to_jsonable(dataclasses.asdict(budget))}
        results.update(effort=effort, environment=to_jsonable(plan | {"commit": code_version()["commit"]}))
        if row is not None:
            results["faults"] = [one for one in results["faults"] if one["name"] != row["name"]] + [row]
            console.print(format_row(row), highlight=False, soft_wrap=True)
        write_json(out / "faults.json", results)
        write_atomically(out / "faults.md", render_markdown(results).encode())

    with tempfile.TemporaryDirectory(prefix="aejax-faults-") as name:
        setup = Setup(budget, Path(name))
        if not only or "readers" in only:
            fuzzed = fuzz_readers(budget.inputs, budget.seed, setup.folder / "fuzz")
            save(fuzzed=[dataclasses.asdict(one) | {"commit": code_version()["commit"]} for one in fuzzed])
        for scenario in chosen:
            save(to_jsonable(run_scenario(scenario, setup)) | {"commit": code_version()["commit"]})
    return results
