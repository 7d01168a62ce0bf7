"""Flags: their values before and after the command line is parsed."""

import contextlib
import dataclasses
import io
import runpy
import sys
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from aejax.config.serialization import from_dict
from aejax.config.validation import require_representable
from aejax.errors import InputError, escape_unprintable, require, summarize_error

ArgsT = TypeVar("ArgsT")
ConfigT = TypeVar("ConfigT")
Names = Mapping[str, Sequence[str]]
NO_NAMES: Names = {}
HELP_FLAGS = ("-h", "--help", "--help-all")
BOX_CHARACTERS = "╭╮╰╯│─ "


def asks_help(argv: Sequence[str]) -> bool:
    """Returns whether a command line asks for help, so that nothing else in it need be right."""
    return not set(HELP_FLAGS).isdisjoint(argv)


def flag_value(name: str, argv: Sequence[str], default: str) -> str:
    """Returns the last value of `--name` in a command line before the whole line is parsed."""
    _, values = _split_flag(name, argv)
    return values[-1] if values else default


def load_plugins(argv: Sequence[str]) -> None:
    """Runs the files of `--plugin FILE.py` and the entry points `aejax.autoencoders`, which register kinds.

    Raises:
        InputError: there is no such file, or it raises an error.
    """
    others, values = _split_flag("plugin", argv)
    require(values or len(others) == len(argv), "--plugin: missing; give a Python file that calls aejax.register")
    for path in (Path(value).expanduser() for value in values):
        require(path.is_file(), f"--plugin {path}: no such file; give a Python file that calls aejax.register")
        try:
            runpy.run_path(str(path))
        except Exception as error:  # the user's code
            raise InputError(f"--plugin {path}: {type(error).__name__}: {summarize_error(error)}") from error
    from aejax.methods.registry import register_kind

    for entry_point in entry_points(group="aejax.autoencoders"):
        register_kind(entry_point.name, entry_point.load())


def merge_repeated_flags(argv: Sequence[str], lists: Container[str]) -> list[str]:
    """Returns a command line in which each repeated flag of `lists` occurs once, with all of its values.

    Of another flag the last value counts; a line on standard error says so where they differ.

    >>> merge_repeated_flags(["--axis", "l1=0,1", "--seeds", "3", "--axis=k=2,4"], ["axis"])
    ['--seeds', '3', '--axis', 'l1=0,1', 'k=2,4']
    """
    merged = list(argv)
    for name, times in Counter(_flag_name(word) for word in argv if word.startswith("--")).items():
        others, values = _split_flag(name, merged)
        if times > 1 and name in lists:
            merged = [*others, f"--{name}", *values]
        elif times > 1 and values != times * values[: len(values) // times]:
            given = escape_unprintable(", ".join(values))
            print(f"warning: --{name}: is given {times} times ({given}); the last one counts", file=sys.stderr)
    return merged


def lists_of_names(args: type) -> set[str]:
    """Returns the flags of a dataclass that take several names or paths, whose order decides nothing."""
    names = set()
    for name, hint in get_type_hints(args).items():
        if dataclasses.is_dataclass(hint):
            names |= lists_of_names(hint)  # type: ignore[arg-type]
        elif get_origin(hint) is tuple and get_args(hint)[0] not in (int, float):
            names.add(name.replace("_", "-"))
    return names


def _flag_name(word: str) -> str:
    return word.partition("=")[0].removeprefix("--").replace("_", "-")


def _split_flag(name: str, argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Returns the words of a command line without a flag and its values, and these values."""
    others: list[str] = []
    values: list[str] = []
    target = others
    for word in argv:
        _, equals, value = word.partition("=")
        if word.startswith("--") and _flag_name(word) == name:
            target = values
            values += [value] if equals else []
            continue
        target = others if word.startswith("--") or word in HELP_FLAGS else target
        target.append(word)
    return others, values


def parse_args(
    default: ArgsT, argv: Sequence[str], description: str, flags: Sequence[str] = (), names: Names = NO_NAMES
) -> ArgsT:
    """Parses flags over defaults. Every field of a nested dataclass is a flag with the field's name.

    A list of names or paths that is given more than once has all the values; of another flag the last one counts.

    Args:
        default: dataclass of flags.
        argv: command line, without the command.
        description: the command's docstring, which --help and --help-all show.
        flags: those that --help shows, without dashes; none: all of them.
        names: lists that --help shows, by title.

    Raises:
        InputError: a flag or value is unknown, a number is out of a device's range, or a path cannot be printed.
        SystemExit: help was asked for, and has been printed.
    """
    if asks_help(argv):
        from aejax.cli.help_page import print_all_flags, short_help

        command = type(default).__module__.rpartition(".")[2]
        if flags and "--help-all" not in argv:
            print(short_help(command, default, description, flags, names))
        else:
            print_all_flags(description, lambda: _parse(default, ["--help"]))
        sys.exit(0)
    words, output = merge_repeated_flags(argv, lists_of_names(type(default))), io.StringIO()
    try:
        with contextlib.redirect_stderr(output):
            args = _parse(default, words)
    except SystemExit:
        raise InputError(unwrap_error(output.getvalue())) from None
    require_representable(args)
    return _expand_paths(args)


def _parse(default: ArgsT, argv: Sequence[str]) -> ArgsT:
    import tyro

    return tyro.cli(type(default), default=default, args=list(argv), config=(tyro.conf.OmitArgPrefixes,))


def _expand_paths(args: ArgsT) -> ArgsT:
    """Returns the flags with `~` expanded in `--run`, `--out`, `--plugin`; paths of data are part of a run's config."""
    from aejax.data.registry import expand_path

    changed: dict[str, Any] = {}
    for field in dataclasses.fields(args):  # type: ignore[arg-type]
        value = getattr(args, field.name)
        paths = value if isinstance(value, tuple) else (value,)
        if not any(isinstance(path, Path) for path in paths):
            continue
        expanded = tuple(expand_path(str(path)) for path in paths)
        for path in expanded:
            require(
                escape_unprintable(str(path.absolute())) == str(path.absolute()),
                f"--{field.name} {path}: its path has bytes that are no UTF-8 or cannot be printed; checkpoints could "
                "not be written there; give another folder",
            )
        changed[field.name] = expanded if isinstance(value, tuple) else expanded[0]
    return dataclasses.replace(args, **changed)  # type: ignore[type-var]


def required_path(name: str, argv: Sequence[str], what: str) -> Path:
    """Returns the path that `--name` gives, with `~` expanded, before the whole command line is parsed.

    Raises:
        InputError: it is missing, and no help is asked for.
    """
    value = flag_value(name, argv, "")
    if asks_help(argv):
        return Path(value)
    require(value, f"--{name}: missing; give {what}")
    from aejax.data.registry import expand_path

    return expand_path(value)


def starting_config(default: ConfigT, argv: Sequence[str]) -> ConfigT:
    """Returns the settings in the file of `--config`, or the default without it.

    Raises:
        InputError: the file cannot be read, or holds the settings of another command.
    """
    name = flag_value("config", argv, "")
    if not name:
        return default
    from aejax.data.registry import expand_path
    from aejax.storage.atomic_io import read_json

    path = expand_path(name)
    path = path / "config.json" if path.is_dir() else path
    return from_dict(type(default), read_json(path), str(path))


def name_source(message: str, argv: Sequence[str]) -> str:
    """Adds to a message about a setting that no flag gives that it is from the file of `--config`, if it is."""
    from aejax.config import CompareConfig, PretrainConfig, SweepConfig
    from aejax.config.settings import setting_names

    flag, source = message.partition(" ")[0].rstrip(":"), flag_value("config", argv, "")
    given = not source or _flag_name(flag) in map(_flag_name, argv)
    settings = {name for config in (CompareConfig(), PretrainConfig(), SweepConfig()) for name in setting_names(config)}
    if given or not flag.startswith("--") or _flag_name(flag).replace("-", "_") not in settings:
        return message
    return f"{message}; {flag} is from --config {source}"


def unwrap_error(boxed_error: str) -> str:
    """Returns the message inside tyro's boxed, wrapped error."""
    rows = [row.strip(BOX_CHARACTERS) for row in boxed_error.splitlines()[1:]]
    message = " ".join(row for row in rows if row)
    return message.split(" For full helptext")[0] + "; see --help"
