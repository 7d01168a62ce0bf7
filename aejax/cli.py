"""The door of the scripts: flags, devices, one-line errors, exit status."""

import contextlib
import io
import logging
import os
import re
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeVar

import jax
from rich.console import Console

from aejax.config import DistributedConfig, PlanConfig
from aejax.config.validation import require_representable
from aejax.data.registry import expand_path
from aejax.errors import InputError, Preempted, ProcessLost, escape_unprintable, require
from aejax.experiments.environment import usable_cores
from aejax.experiments.multihost import abort_all, initialize_distributed, is_primary, raise_on_lost_process
from aejax.experiments.preemption import PREEMPTED_MESSAGE, handle_signals

# Without a home that can be written, Matplotlib keeps its fonts in a temporary folder, and says so in two lines.
logging.getLogger("matplotlib").setLevel(logging.ERROR)

ArgsT = TypeVar("ArgsT")
BOX_CHARACTERS = "╭╮╰╯│─ "
OUT_OF_MEMORY = re.compile("out of memory|RESOURCE_EXHAUSTED", re.IGNORECASE)


def flag_value(name: str, argv: Sequence[str], default: str) -> str:
    """The value of `--name` in a command line, before it is parsed as a whole."""
    for index, word in enumerate(argv):
        if word == f"--{name}" and index + 1 < len(argv):
            return argv[index + 1]
        if word.startswith(f"--{name}="):
            return word.partition("=")[2]
    return default


def merge_repeated_flag(name: str, argv: Sequence[str]) -> list[str]:
    """A command line in which a flag that was given several times stands once, with all of its values.

    >>> gathered("axis", ["--axis", "l1=0,1", "--seeds", "3", "--axis=k=2,4"])
    ['--seeds', '3', '--axis', 'l1=0,1', 'k=2,4']
    """
    others: list[str] = []
    values: list[str] = []
    heard = others
    for word in argv:
        flag, equals, value = word.partition("=")
        if flag == f"--{name}":
            heard = values
            values += [value] if equals else []
            continue
        heard = others if word.startswith("--") else heard
        heard.append(word)
    return [*others, f"--{name}", *values] if len(others) < len(argv) else others


def parse_args(default: ArgsT, argv: Sequence[str], description: str) -> ArgsT:
    """Flags over defaults. Every field of a nested dataclass is a flag of its own name.

    Raises:
        InputError: in one line: unknown flags or values, numbers that no device can hold, folders no file can lie in.
    """
    import tyro

    heard = io.StringIO()
    try:
        with contextlib.redirect_stderr(heard):
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
        raise InputError(unwrap_error(heard.getvalue())) from None
    require_representable(args)
    for flag in ("run", "out"):
        place = getattr(args, flag, None)
        require(
            place is None or escape_unprintable(str(place.absolute())) == str(place.absolute()),
            f"--{flag} {place}: its path has bytes that are no UTF-8 or cannot be printed; checkpoints could not "
            "be written there; give another folder",
        )
    return args


def make_console() -> Console:
    """Where a script writes: as wide as the terminal, 100 columns and plain where there is none.

    Of several processes only the first writes.
    """
    if not is_primary():
        return Console(quiet=True)
    console = Console()
    return console if console.is_terminal else Console(width=100)


def unwrap_error(boxed_error: str) -> str:
    """The message inside a boxed, wrapped error."""
    rows = [row.strip(BOX_CHARACTERS) for row in boxed_error.splitlines()[1:]]
    message = " ".join(row for row in rows if row)
    return message.split(" For full helptext")[0] + "; see --help"


def dataset_slug(dataset: str) -> str:
    """What a run's folder is called after: `digits`, `photos` for a path to photos/, `tfds-fashion_mnist`.

    >>> dataset_word("tfds:mnist_corrupted/zigzag"), dataset_word("data/table.csv")
    ('tfds-mnist_corrupted-zigzag', 'table')
    """
    scheme, colon, name = dataset.partition(":")
    if colon and "/" not in scheme:
        return f"{scheme}-{name}".replace("/", "-").replace(":", "-")
    stem = expand_path(dataset).resolve().stem
    return "".join(mark if mark.isprintable() else "_" for mark in stem) or "data"


def configure_cpu_devices(seeds: int) -> None:
    """One CPU device per core, as far as there are seeds for them; to be called before JAX starts."""
    jax.config.update("jax_num_cpu_devices", max(1, min(usable_cores(), seeds)))


def configure_devices(processes: DistributedConfig, plan: PlanConfig, seeds: int) -> None:
    """What a script calls before JAX starts: CPU devices as `use_cores` has them, and the other processes joined.

    Raises:
        InputError: the other processes cannot be joined.
    """
    configure_cpu_devices(plan.devices or seeds * plan.batch_devices)
    initialize_distributed(processes)


def run_main(script: Callable[[Sequence[str]], None]) -> None:
    """Run a script's body: 0 when done, 2 and one line for what cannot be done, 75 when a signal came.

    What the machine refuses while a script runs (a full disk, memory that is used up) ends in the same way as what is
    refused at the door; so does the end of another process of the run, with 75.
    """
    with abort_all():
        _run_main(script)


def _run_main(script: Callable[[Sequence[str]], None]) -> None:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name may hold what the terminal's encoding has not
            stream.reconfigure(errors="backslashreplace")
    silence_orbax_threads()
    try:
        with handle_signals(), raise_on_lost_process():
            script(sys.argv[1:])
    except ProcessLost as lost:
        print(
            f"error: another process of this run has ended or cannot be reached ({lost.reason}); what was saved is whole: "
            "run the same command in every process to go on",
            file=sys.stderr,
        )
        raise
    except Preempted:
        print(PREEMPTED_MESSAGE, file=sys.stderr)
        raise
    except InputError as error:
        exit_with_error(str(error))
    except BrokenPipeError:  # the reader of our output has left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        if error.errno is None:
            raise
        exit_with_error(f"{error.filename or 'this run'}: {error.strerror}; see to that and run the same command again")
    except (MemoryError, jax.errors.JaxRuntimeError) as error:
        if not isinstance(error, MemoryError) and not OUT_OF_MEMORY.search(str(error)):
            raise
        exit_with_error(f"out of memory ({str(error)[:200]}); take fewer seeds, smaller layers or fewer examples")


def silence_orbax_threads() -> None:
    """Orbax raises what failed in a save, and its threads say the same again, in pages; the first is enough.

    For a script's own process: the hooks are the whole interpreter's.
    """
    unraisable, uncaught = sys.unraisablehook, threading.excepthook

    def without_closed_loops(fault: Any) -> None:
        if not (isinstance(fault.exc_value, RuntimeError) and str(fault.exc_value) == "Event loop is closed"):
            unraisable(fault)

    def without_orbax(fault: threading.ExceptHookArgs) -> None:
        if type(fault.thread).__name__ != "_SignalingThread":
            uncaught(fault)

    sys.unraisablehook, threading.excepthook = without_closed_loops, without_orbax


def exit_with_error(message: str) -> NoReturn:
    """End with status 2 and one line on standard error."""
    print(f"error: {escape_unprintable(' '.join(message.split()))}", file=sys.stderr)
    sys.exit(2)
