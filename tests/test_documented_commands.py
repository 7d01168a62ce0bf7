"""Every command of README and pages is parsed by the real parser, without running; extras that they install exist."""

import importlib
import inspect
import json
import re
import shlex
import tomllib
from pathlib import Path

import pytest

import aejax.cli
from aejax.config import PretrainConfig, to_dict

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / ".github" / "CONTRIBUTING.md", *(ROOT / "aejax" / "docs").glob("*.md")]
FENCED = re.compile(r"```sh\n(.*?)```", re.DOTALL)
INLINE = re.compile(r"`((?:aejax|python scripts/)[^`]*? --[^`]+)`")
LAUNCHER = re.compile(r"^srun .*? (?=aejax )")  # SLURM has flags of its own
OURS = re.compile(r"(?:aejax |python scripts/)(\w+)")


def commands():
    """Every command line of the pages that has flags, or stands in a block; once."""
    lines: dict[str, None] = {}
    for page in PAGES:
        text = page.read_text()
        blocks = [line.split("  #")[0].strip() for block in FENCED.findall(text) for line in block.splitlines()]
        lines |= dict.fromkeys([LAUNCHER.sub("", line) for line in blocks if line] + INLINE.findall(text))
    return list(lines)


COMMANDS = commands()
PARSED = [line for line in COMMANDS if OURS.match(line) and "--help" not in line]


class ParsedError(Exception):
    """Ends a command after its flags."""


@pytest.mark.parametrize("line", PARSED)
def test_every_command_parses(line, monkeypatch, tmp_path, load_script):
    monkeypatch.chdir(tmp_path)
    name, (_, *words) = OURS.match(line)[1], shlex.split(line.removeprefix("python "))
    words = words if line.startswith("python") else words[1:]
    if "--run" in words:
        run = Path(words[words.index("--run") + 1])
        run.mkdir(parents=True)  # below the temporary folder
        (run / "config.json").write_text(json.dumps(to_dict(PretrainConfig())))
    main = (
        load_script(name) if line.startswith("python") else importlib.import_module(f"aejax.cli.commands.{name}").main
    )

    def parse(*args, **kwargs):
        original(*args, **kwargs)
        raise ParsedError

    scope, original = inspect.unwrap(main).__globals__, aejax.cli.parse_args
    monkeypatch.setattr(aejax.cli, "parse_args", parse)
    if "parse_args" in scope:
        monkeypatch.setitem(scope, "parse_args", parse)
    if "load_plugins" in scope:
        monkeypatch.setitem(scope, "load_plugins", lambda argv: None)
    with pytest.raises(ParsedError):
        main(words)


def test_other_commands_install_extras_that_exist_or_are_the_two_of_ci():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for line in set(COMMANDS) - set(PARSED):
        assert re.match(r"(pip install|python3 -m venv|python -m (pytest|tests)|ruff|mypy|aejax .*--help)", line), line
        assert set(re.findall(r"\.\[([\w,]+)\]", line)) <= extras.keys(), line
