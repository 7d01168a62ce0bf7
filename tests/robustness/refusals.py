"""Every flag of every command with values that it cannot take: status 2, one line, no traceback, no file."""

import dataclasses
import importlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np

from aejax.config import DistributedConfig
from aejax.experiments.environment import usable_cores
from tests.robustness.commands import Outcome, start_words

NOTHING = ("--dataset", "no-such-set")  # so that a value that a flag takes is refused all the same
INVALID_COMMANDS: dict[str, tuple[str, ...]] = {
    "compare": NOTHING,
    "pretrain": NOTHING,
    "sweep": (*NOTHING, "--axis", "latent_dim=2"),
    "probe": ("--run", "nothing"),
    "explore": ("--run", "nothing"),
    "export": ("--run", "nothing", "--out", "encoder"),
    "report": ("--run", "nothing"),
}
HOSTILE_VALUES = (
    *("", "-1", "0", "nan", "1e999", "9" * 5000, "x", "[bold]", "\x1b[31m", "é\udce9", "1 2", "--", "{}", "$x$"),
)
NOT_TRIED = ("dataset", "run", "config", "push_to_hub", "out", "help_all")  # places, and what is invalid already


def refuse_flags(folder: Path, n_values: int, seed: int) -> Iterator[Outcome]:
    """Runs commands that end before they do anything, each with a hostile value of a flag."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    flags = [(command, flag) for command in INVALID_COMMANDS for flag in _flags_of(command)]
    tried = [(*flags[rng.integers(len(flags))], str(rng.choice(HOSTILE_VALUES))) for _ in range(n_values)]
    with ThreadPoolExecutor(usable_cores()) as threads:
        yield from threads.map(lambda numbered: _refuse(folder / str(numbered[0]), *numbered[1]), enumerate(tried))


def _refuse(folder: Path, command: str, flag: str, value: str) -> Outcome:
    folder.mkdir()
    running = start_words((command, *INVALID_COMMANDS[command], flag, value), folder, f"../{folder.name}")
    ended = running.wait()
    lines = running.log.read_text(errors="replace").splitlines()
    files = [path.name for path in folder.iterdir()]
    refused = ended.status == 2 and len(lines) == 1 and lines[0].startswith("error: ") and not files
    return Outcome(refused, refused, f"{command} {flag} {value[:40]!r}: {ended.status}, {lines[-3:]}, {files}")


def _flags_of(command: str) -> list[str]:
    """Returns the flags of a command, without those of several processes, which wait for each other."""
    names = _field_names(importlib.import_module(f"aejax.cli.commands.{command}").Args)
    return [f"--{name.replace('_', '-')}" for name in names if name not in NOT_TRIED]


def _field_names(config_class: Any) -> Iterator[str]:
    for name, hint in get_type_hints(config_class).items():
        if dataclasses.is_dataclass(hint):
            yield from () if hint is DistributedConfig else _field_names(hint)
        else:
            yield name
