"""Which commands are timed as a user runs them: each in a process that has loaded nothing yet, into an empty folder."""

import dataclasses
from pathlib import Path

from aejax.storage.atomic_io import read_json, write_json


@dataclasses.dataclass(frozen=True)
class CommandWorkload:
    """A script of this project with its flags; `--out` is added."""

    words: tuple[str, ...]
    repeats: int | None = None  # where it is so long that fewer repetitions than asked for must do
    data_dir: str | None = None

    def save(self, folder: Path) -> None:
        """Write `command.json`."""
        write_json(folder / "command.json", dataclasses.asdict(self))


COMPARE_SCRIPT = "scripts/compare.py"
COMMAND_WORKLOADS: dict[str, CommandWorkload] = {
    "cold-start": CommandWorkload((COMPARE_SCRIPT, "--dataset", "digits", "--seeds", "10"), repeats=2),
    # An epoch is enough: what a run keeps does not grow with them.
    "memory-mnist": CommandWorkload(
        (COMPARE_SCRIPT, "--dataset", "mnist", "--seeds", "10", "--epochs", "1"), repeats=1
    ),
}


def prepare_command(workload: CommandWorkload, data_dir: Path | None) -> CommandWorkload:
    """The command with the folder of its data."""
    return dataclasses.replace(workload, data_dir=None if data_dir is None else str(data_dir.absolute()))


def load_command(folder: Path) -> CommandWorkload:
    """The command that `Command.save` wrote."""
    written = read_json(folder / "command.json")
    return CommandWorkload(tuple(written["words"]), written["repeats"], written["data_dir"])
