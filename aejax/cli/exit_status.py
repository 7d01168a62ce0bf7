"""The exit status of a command, and the one line that explains it."""

import contextlib
import gc
import io
import logging
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

from aejax.cli.arguments import asks_help, name_source
from aejax.errors import InputError, Preempted, ProcessLost, escape_unprintable, require

OUT_OF_MEMORY = re.compile("out of memory|RESOURCE_EXHAUSTED", re.IGNORECASE)
OUT_OF_DESCRIPTORS = re.compile("Too many open files")
USUAL_OPEN_FILES, MIN_OPEN_FILES = 1024, 64
COLLECT_AFTER = 200_000  # new objects: traces of programs are many small ones, and Python's default looks too often
STARTUP_SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGHUP") if hasattr(signal, name)]


def run_main(script: Callable[[Sequence[str]], None]) -> None:
    """Runs a script's `main` and sets the exit status.

    0: done. 2, with one line on standard error: an invalid input, a full disk, or too little memory. 75: a signal came,
    or another process of the run ended; the same command continues the run.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # names may have characters that the terminal's encoding lacks
            stream.reconfigure(errors="backslashreplace")
    with _exit_at_signals():
        try:
            if asks_help(sys.argv[1:]):
                script(sys.argv[1:])  # in tenths of a second, without JAX
                return
            _configure_libraries()
            from aejax.experiments.multihost import abort_all
        except InputError as error:
            exit_with_error(str(error))
        except (ImportError, OSError, RuntimeError, ValueError) as error:
            _exit_with_machine_error(error)
        with abort_all():
            _run_main(script)


@contextlib.contextmanager
def _exit_at_signals() -> Iterator[None]:
    """Ends the process with 75 at a signal before and after the script's body; the imports alone take seconds."""

    def exit_at_once(*_: object) -> NoReturn:
        with contextlib.suppress(OSError):  # the terminal is gone
            os.write(2, b"stopped by a signal; run the same command to go on\n")
        os._exit(75)

    ignored = [number for number in STARTUP_SIGNALS if signal.getsignal(number) == signal.SIG_IGN]  # by nohup
    before = {number: signal.signal(number, exit_at_once) for number in STARTUP_SIGNALS if number not in ignored}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _configure_libraries() -> None:
    """Overrides what the environment sets of libraries and commands cannot work with."""
    _require_open_files()
    os.environ["MPLBACKEND"] = "agg"  # figures are files; another backend may need a display or not exist
    import jax

    jax.config.update("jax_numpy_dtype_promotion", "standard")
    # Without a writable home, Matplotlib warns that it caches fonts in a temporary folder.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)


def _require_open_files() -> None:
    """Raises the process's limit of open files as far as it may. Raises `InputError` where that is not enough."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    possible = USUAL_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, USUAL_OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < possible:
        resource.setrlimit(resource.RLIMIT_NOFILE, (possible, hard))
    require(possible >= MIN_OPEN_FILES, f"at most {possible} open files are allowed here; raise this: ulimit -n 1024")


def _run_main(script: Callable[[Sequence[str]], None]) -> None:
    from aejax.experiments.multihost import raise_on_lost_process
    from aejax.experiments.preemption import PREEMPTED_MESSAGE, handle_signals, report_loss

    hide_closed_event_loops()
    gc.set_threshold(COLLECT_AFTER, *gc.get_threshold()[1:])
    try:
        with handle_signals(), raise_on_lost_process():
            script(sys.argv[1:])
    except ProcessLost as lost:
        report_loss(lost)
        raise
    except Preempted:
        print(PREEMPTED_MESSAGE, file=sys.stderr)
        raise
    except InputError as error:
        exit_with_error(name_source(str(error), sys.argv[1:]))
    except (ImportError, MemoryError, OSError, RuntimeError, ValueError) as error:
        _exit_with_machine_error(error)


def _exit_with_machine_error(error: Exception) -> NoReturn:
    """Ends the process with one line if the machine or its settings are to blame; raises anything else again."""
    text = str(error)
    if isinstance(error, BrokenPipeError):  # the reader of the output has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    if OUT_OF_DESCRIPTORS.search(text):
        exit_with_error("too many open files; raise the limit (ulimit -n 1024), then run the same command again")
    if isinstance(error, OSError) and error.errno is not None:
        place = error.filename or "this run"
        exit_with_error(f"{place}: {error.strerror}; fix this, then run the same command again")
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and OUT_OF_MEMORY.search(text)):
        exit_with_error(f"out of memory ({text[:200]}); take fewer seeds, smaller layers or fewer examples")
    raise error


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
