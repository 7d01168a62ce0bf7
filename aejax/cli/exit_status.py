"""The exit status of a command, and the one line that explains it."""

import io
import logging
import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from aejax.errors import InputError, Preempted, ProcessLost, escape_unprintable

OUT_OF_MEMORY = re.compile("out of memory|RESOURCE_EXHAUSTED", re.IGNORECASE)


def run_main(script: Callable[[Sequence[str]], None]) -> None:
    """Runs a script's `main` and sets the exit status.

    0: done. 2, with one line on standard error: an invalid input, a full disk, or too little memory. 75: a signal came,
    or another process of the run ended; the same command continues the run.
    """
    from aejax.experiments.multihost import abort_all

    # Without a writable home, Matplotlib warns that it caches fonts in a temporary folder.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    with abort_all():
        _run_main(script)


def _run_main(script: Callable[[Sequence[str]], None]) -> None:
    import jax

    from aejax.experiments.multihost import raise_on_lost_process
    from aejax.experiments.preemption import PREEMPTED_MESSAGE, handle_signals, report_loss

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # names may have characters that the terminal's encoding lacks
            stream.reconfigure(errors="backslashreplace")
    hide_closed_event_loops()
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
