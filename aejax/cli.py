"""What scripts share: flags, devices, one-line errors, exit status."""

import contextlib
import io
import logging
import os
import re
import runpy
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import jax
from rich.console import Console

from aejax.config import DistributedConfig, PlanConfig
from aejax.config.validation import require_representable
from aejax.errors import InputError, Preempted, ProcessLost, escape_unprintable, require, summarize_error
from aejax.experiments.environment import usable_cores
from aejax.experiments.multihost import abort_all, initialize_distributed, is_primary, raise_on_lost_process
from aejax.experiments.preemption import PREEMPTED_MESSAGE, handle_signals
from aejax.methods.registry import register_kind

# Without a writable home, Matplotlib warns that it caches fonts in a temporary folder.
logging.getLogger("matplotlib").setLevel(logging.ERROR)

ArgsT = TypeVar("ArgsT")
BOX_CHARACTERS = "╭╮╰╯│─ "
OUT_OF_MEMORY = re.compile("out of memory|RESOURCE_EXHAUSTED", re.IGNORECASE)


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


def make_console() -> Console:
    """Returns the console of a script: as wide as `COLUMNS` or the terminal, or plain and 100 wide without either.

    Only the primary process prints.
    """
    if not is_primary():
        return Console(quiet=True)
    console = Console()
    return console if console.is_terminal or "COLUMNS" in os.environ else Console(width=100)


def unwrap_error(boxed_error: str) -> str:
    """Returns the message inside tyro's boxed, wrapped error."""
    rows = [row.strip(BOX_CHARACTERS) for row in boxed_error.splitlines()[1:]]
    message = " ".join(row for row in rows if row)
    return message.split(" For full helptext")[0] + "; see --help"


def configure_cpu_devices(seeds: int) -> None:
    """Configures one CPU device per core, at most one per seed; called before JAX starts."""
    jax.config.update("jax_num_cpu_devices", max(1, min(usable_cores(), seeds)))


def configure_devices(processes: DistributedConfig, plan: PlanConfig, seeds: int) -> None:
    """Configures CPU devices and joins the other processes of a run; called before JAX starts.

    Raises:
        InputError: the other processes cannot be joined.
    """
    configure_cpu_devices(plan.devices or seeds * plan.batch_devices)
    initialize_distributed(processes)


def run_main(script: Callable[[Sequence[str]], None]) -> None:
    """Runs a script's `main` and sets the exit status.

    0: done. 2, with one line on standard error: an invalid input, a full disk, or too little memory. 75: a signal came,
    or another process of the run ended; the same command continues the run.
    """
    with abort_all():
        _run_main(script)


def _run_main(script: Callable[[Sequence[str]], None]) -> None:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # names may have characters that the terminal's encoding lacks
            stream.reconfigure(errors="backslashreplace")
    hide_closed_event_loops()
    try:
        with handle_signals(), raise_on_lost_process():
            script(sys.argv[1:])
    except ProcessLost as lost:
        print(
            f"error: another process of this run has ended or cannot be reached ({lost.reason}); "
            "everything saved is intact; run the same command in every process to continue",
            file=sys.stderr,
        )
        raise
    except Preempted:
        print(PREEMPTED_MESSAGE, file=sys.stderr)
        raise
    except InputError as error:
        exit_with_error(str(error))
    except BrokenPipeError:  # the reader of the output has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        if error.errno is None:
            raise
        exit_with_error(f"{error.filename or 'this run'}: {error.strerror}; fix this, then run the same command again")
    except (MemoryError, jax.errors.JaxRuntimeError) as error:
        if not isinstance(error, MemoryError) and not OUT_OF_MEMORY.search(str(error)):
            raise
        exit_with_error(f"out of memory ({str(error)[:200]}); take fewer seeds, smaller layers or fewer examples")


def hide_closed_event_loops() -> None:
    """Hides the tracebacks of array writes that end after a failed save has raised its error and closed its event loop.

    For scripts only: the hook belongs to the interpreter.
    """
    previous_hook = sys.unraisablehook

    def hook(unraisable: Any) -> None:
        error = unraisable.exc_value
        if not (isinstance(error, RuntimeError) and str(error) == "Event loop is closed"):
            previous_hook(unraisable)

    sys.unraisablehook = hook


def exit_with_error(message: str) -> NoReturn:
    """Ends the process with status 2 and one line on standard error."""
    print(f"error: {escape_unprintable(' '.join(message.split()))}", file=sys.stderr)
    sys.exit(2)
