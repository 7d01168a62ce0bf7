"""Every command of README and pages is parsed by the real parser, without running; extras that they install exist."""

import importlib
import inspect
import itertools
import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from unittest import mock

import pytest

import aejax.cli
from aejax.config import CompareConfig, PretrainConfig, to_dict

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / ".github" / "CONTRIBUTING.md", *(ROOT / "aejax" / "docs").glob("*.md")]
FENCED = re.compile(r"```(?:sh|bash)\n(.*?)```", re.DOTALL)
INLINE = re.compile(r"`((?:aejax|python scripts/)[^`]*? --[^`]+)`")
LAUNCHER = re.compile(r"^(?:exec |srun .*? |sbatch .*?\")(aejax [^\"]*).*$")  # SLURM has flags of its own
OURS = re.compile(r"(?:aejax |python scripts/)(\w+)(?![\w/])")  # examples are run by their own tests


def commands():
    """Every command line of the pages that has flags, or stands in a block; once."""
    lines: dict[str, None] = {}
    for page in PAGES:
        text = page.read_text()
        blocks = "\n".join(FENCED.findall(text)).replace("\\\n", " ").splitlines()
        blocks = [re.sub(r"\$\w+", "1", line.split("  #")[0].strip()) for line in blocks]
        blocks = [line for line in blocks if line and not line.startswith(("#", "array="))]
        lines |= dict.fromkeys([LAUNCHER.sub(r"\1", line) for line in blocks] + INLINE.findall(text))
    return list(lines)


COMMANDS = commands()
PARSED = [line for line in COMMANDS if OURS.match(line) and "--help" not in line]


class ParsedError(Exception):
    """Ends a command after its flags."""


@pytest.fixture
def parse(monkeypatch, tmp_path, load_script):
    """Returns a function from the words of a command to what its real parser makes of them, where its runs exist."""
    monkeypatch.chdir(tmp_path)
    parse_args = aejax.cli.parse_args

    def stop(*args, **kwargs):
        raise ParsedError(parse_args(*args, **kwargs))

    def parsed(words):
        script = re.fullmatch(r"scripts/(\w+)\.py", words[0])
        name, flags = (script[1], words[1:]) if script else (words[1], words[2:])
        for flag, config in {"--run": PretrainConfig(), "--config": CompareConfig()}.items():
            if flag in flags:
                run = Path(flags[flags.index(flag) + 1])
                run.mkdir(parents=True, exist_ok=True)
                (run / "config.json").write_text(json.dumps(to_dict(config)))
        main = load_script(name) if script else importlib.import_module(f"aejax.cli.commands.{name}").main
        monkeypatch.setattr(aejax.cli, "parse_args", stop)
        scope = inspect.unwrap(main).__globals__
        for own, replacement in {"parse_args": stop, "load_plugins": lambda argv: None}.items():
            monkeypatch.setitem(scope, own, replacement) if own in scope else None
        with pytest.raises(ParsedError) as ended:
            main(flags)
        return ended.value.args[0]

    return parsed


@pytest.mark.parametrize("line", PARSED)
def test_every_command_parses(line, parse):
    words = shlex.split(line.removeprefix("python "))
    flags = repr(parse(words))
    for flag, value in itertools.pairwise(words):
        if flag in ("--dataset", "--out", "--seeds", "--epochs"):
            assert value in flags


def test_the_commands_that_an_executor_starts_parse(monkeypatch, parse):
    block = re.search(r"```python\n(.*?)```", (ROOT / "aejax" / "docs" / "shards.md").read_text(), re.DOTALL)[1]
    commands: list[list[str]] = []
    client = mock.MagicMock()
    client.return_value.__enter__.return_value.map = lambda function, numbers: list(map(function, numbers))
    client.return_value.__enter__.return_value.gather = list
    monkeypatch.setitem(sys.modules, "distributed", mock.MagicMock(Client=client))
    monkeypatch.setattr(subprocess, "run", lambda words, check: commands.append(words))
    exec(block, {})
    assert len(commands) == 5
    for words in commands:
        parse(words)


def test_other_commands_install_extras_that_exist_or_are_the_two_of_ci():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for line in set(COMMANDS) - set(PARSED):
        assert re.match(
            r"(pip install|python3 -m venv|python -m (pytest|tests)|python scripts/(examples|benchmark)/|ruff|mypy"
            r"|aejax .*--help)",
            line,
        ), line
        assert set(re.findall(r"\.\[([\w,]+)\]", line)) <= extras.keys(), line
