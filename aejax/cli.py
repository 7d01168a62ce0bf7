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

from aejax.config import PlanConfig, ProcessesConfig
from aejax.config.numbers import require_representable
from aejax.data.sources import expanded
from aejax.errors import InputError, PeerLost, Stopped, printable, require
from aejax.run.environment import usable_cores
from aejax.run.processes import ending_for_all, is_first, join, noticing_losses
from aejax.run.signals import GONE, listening

# Without a home that can be written, Matplotlib keeps its fonts in a temporary folder, and says so in two lines.
logging.getLogger("matplotlib").setLevel(logging.ERROR)

Args = TypeVar("Args")
BOX = "╭╮╰╯│─ "
OUT_OF_MEMORY = re.compile("out of memory|RESOURCE_EXHAUSTED", re.IGNORECASE)


def flag_value(name: str, argv: Sequence[str], default: str) -> str:
    """The value of `--name` in a command line, before it is parsed as a whole."""
    for index, word in enumerate(argv):
        if word == f"--{name}" and index + 1 < len(argv):
            return argv[index + 1]
        if word.startswith(f"--{name}="):
            return word.partition("=")[2]
    return default


def gathered(name: str, argv: Sequence[str]) -> list[str]:
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


def parse(default: Args, argv: Sequence[str], description: str) -> Args:
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
        raise InputError(one_line(heard.getvalue())) from None
    require_representable(args)
    for flag in ("run", "out"):
        place = getattr(args, flag, None)
        require(
            place is None or printable(str(place.absolute())) == str(place.absolute()),
            f"--{flag} {place}: its path has bytes that are no UTF-8 or cannot be printed; checkpoints could not "
            "be written there; give another folder",
        )
    return args


def make_console() -> Console:
    """Where a script writes: as wide as the terminal, 100 columns and plain where there is none.

    Of several processes only the first writes.
    """
    if not is_first():
        return Console(quiet=True)
    console = Console()
    return console if console.is_terminal else Console(width=100)


def one_line(boxed: str) -> str:
    """The message inside a boxed, wrapped error."""
    rows = [row.strip(BOX) for row in boxed.splitlines()[1:]]
    message = " ".join(row for row in rows if row)
    return message.split(" For full helptext")[0] + "; see --help"


def dataset_word(dataset: str) -> str:
    """What a run's folder is called after: `digits`, `photos` for a path to photos/, `tfds-fashion_mnist`.

    >>> dataset_word("tfds:mnist_corrupted/zigzag"), dataset_word("data/table.csv")
    ('tfds-mnist_corrupted-zigzag', 'table')
    """
    scheme, colon, name = dataset.partition(":")
    if colon and "/" not in scheme:
        return f"{scheme}-{name}".replace("/", "-").replace(":", "-")
    stem = expanded(dataset).resolve().stem
    return "".join(mark if mark.isprintable() else "_" for mark in stem) or "data"


def use_cores(seeds: int) -> None:
    """One CPU device per core, as far as there are seeds for them; to be called before JAX starts."""
    jax.config.update("jax_num_cpu_devices", max(1, min(usable_cores(), seeds)))


def use_devices(processes: ProcessesConfig, plan: PlanConfig, seeds: int) -> None:
    """What a script calls before JAX starts: CPU devices as `use_cores` has them, and the other processes joined.

    Raises:
        InputError: the other processes cannot be joined.
    """
    use_cores(plan.devices or seeds * plan.batch_devices)
    join(processes)


def main(script: Callable[[Sequence[str]], None]) -> None:
    """Run a script's body: 0 when done, 2 and one line for what cannot be done, 75 when a signal came.

    What the machine refuses while a script runs (a full disk, memory that is used up) ends in the same way as what is
    refused at the door; so does the end of another process of the run, with 75.
    """
    with ending_for_all():
        _run(script)


def _run(script: Callable[[Sequence[str]], None]) -> None:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name may hold what the terminal's encoding has not
            stream.reconfigure(errors="backslashreplace")
    hear_failures_once()
    try:
        with listening(), noticing_losses():
            script(sys.argv[1:])
    except PeerLost as lost:
        print(
            f"error: another process of this run has ended or cannot be reached ({lost.why}); what was saved is whole: "
            "run the same command in every process to go on",
            file=sys.stderr,
        )
        raise
    except Stopped:
        print(GONE, file=sys.stderr)
        raise
    except InputError as error:
        refuse(str(error))
    except BrokenPipeError:  # the reader of our output has left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        if error.errno is None:
            raise
        refuse(f"{error.filename or 'this run'}: {error.strerror}; see to that and run the same command again")
    except (MemoryError, jax.errors.JaxRuntimeError) as error:
        if not isinstance(error, MemoryError) and not OUT_OF_MEMORY.search(str(error)):
            raise
        refuse(f"out of memory ({str(error)[:200]}); take fewer seeds, smaller layers or fewer examples")


def hear_failures_once() -> None:
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


def refuse(message: str) -> NoReturn:
    """End with status 2 and one line on standard error."""
    print(f"error: {printable(' '.join(message.split()))}", file=sys.stderr)
    sys.exit(2)
