"""Which commands are timed as a user runs them: each in a process that has loaded nothing yet, into an empty folder."""

import dataclasses
from pathlib import Path

from aejax.store.files import read_json, write_json


@dataclasses.dataclass(frozen=True)
class Command:
    """A script of this project with its flags; `--out` is added."""

    words: tuple[str, ...]
    repeats: int | None = None  # where it is so long that fewer repetitions than asked for must do
    data_dir: str | None = None

    def save(self, folder: Path) -> None:
        """Write `command.json`."""
        write_json(folder / "command.json", dataclasses.asdict(self))


COMPARE = "scripts/compare.py"
COMMANDS: dict[str, Command] = {
    "cold-start": Command((COMPARE, "--dataset", "digits", "--seeds", "10"), repeats=2),
    # An epoch is enough: what a run keeps does not grow with them.
    "memory-mnist": Command((COMPARE, "--dataset", "mnist", "--seeds", "10", "--epochs", "1"), repeats=1),
}


def prepare_command(workload: Command, data_dir: Path | None) -> Command:
    """The command with the folder of its data."""
    return dataclasses.replace(workload, data_dir=None if data_dir is None else str(data_dir.absolute()))


def read_command(folder: Path) -> Command:
    """The command that `Command.save` wrote."""
    written = read_json(folder / "command.json")
    return Command(tuple(written["words"]), written["repeats"], written["data_dir"])
