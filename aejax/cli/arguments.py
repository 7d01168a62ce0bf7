"""Flags: their values before and after the command line is parsed."""

import contextlib
import io
import runpy
from collections.abc import Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import TypeVar

from aejax.config.validation import require_representable
from aejax.errors import InputError, escape_unprintable, require, summarize_error

ArgsT = TypeVar("ArgsT")
BOX_CHARACTERS = "╭╮╰╯│─ "


def flag_value(name: str, argv: Sequence[str], default: str) -> str:
    """Returns the value of `--name` in a command line before the whole line is parsed."""
    for index, word in enumerate(argv):
        if word == f"--{name}" and index + 1 < len(argv):
            return argv[index + 1]
        if word.startswith(f"--{name}="):
            return word.partition("=")[2]
    return default


def load_plugins(argv: Sequence[str]) -> None:
    """Runs the files of `--plugin FILE.py` and the entry points `aejax.autoencoders`, which register kinds.

    Raises:
        InputError: there is no such file, or it raises an error.
    """
    for index, word in enumerate(argv):
        flag, equals, value = word.partition("=")
        if flag != "--plugin":
            continue
        path = Path(value if equals else argv[index + 1] if index + 1 < len(argv) else "").expanduser()
        require(path.is_file(), f"--plugin {path}: no such file; give a Python file that calls aejax.register")
        try:
            runpy.run_path(str(path))
        except Exception as error:  # the user's code
            raise InputError(f"--plugin {path}: {type(error).__name__}: {summarize_error(error)}") from error
    from aejax.methods.registry import register_kind

    for entry_point in entry_points(group="aejax.autoencoders"):
        register_kind(entry_point.name, entry_point.load())


def merge_repeated_flag(name: str, argv: Sequence[str]) -> list[str]:
    """Returns a command line in which a repeated flag occurs once, with all of its values.

    >>> merge_repeated_flag("axis", ["--axis", "l1=0,1", "--seeds", "3", "--axis=k=2,4"])
    ['--seeds', '3', '--axis', 'l1=0,1', 'k=2,4']
    """
    others: list[str] = []
    values: list[str] = []
    target = others
    for word in argv:
        flag, equals, value = word.partition("=")
        if flag == f"--{name}":
            target = values
            values += [value] if equals else []
            continue
        target = others if word.startswith("--") else target
        target.append(word)
    return [*others, f"--{name}", *values] if len(others) < len(argv) else others


def parse_args(default: ArgsT, argv: Sequence[str], description: str) -> ArgsT:
    """Parses flags over defaults. Every field of a nested dataclass is a flag with the field's name.

    Raises:
        InputError: a flag or value is unknown, a number is out of a device's range, or a path cannot be printed.
    """
    import tyro

    output = io.StringIO()
    try:
        with contextlib.redirect_stderr(output):
            args = tyro.cli(
                type(default),
                default=default,
                args=list(argv),
                description=description,
                config=(tyro.conf.OmitArgPrefixes,),
            )
    except SystemExit as stop:
        if not stop.code:
            raise
        raise InputError(unwrap_error(output.getvalue())) from None
    require_representable(args)
    for flag in ("run", "out"):
        value = getattr(args, flag, None)
        for path in value if isinstance(value, tuple) else (value,):
            require(
                path is None or escape_unprintable(str(path.absolute())) == str(path.absolute()),
                f"--{flag} {path}: its path has bytes that are no UTF-8 or cannot be printed; checkpoints could not "
                "be written there; give another folder",
            )
    return args


def unwrap_error(boxed_error: str) -> str:
    """Returns the message inside tyro's boxed, wrapped error."""
    rows = [row.strip(BOX_CHARACTERS) for row in boxed_error.splitlines()[1:]]
    message = " ".join(row for row in rows if row)
    return message.split(" For full helptext")[0] + "; see --help"
