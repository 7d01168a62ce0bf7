"""A process beside this one that knows of no others, for work that would wait for them.

Orbax looks at how many processes JAX has joined, and waits in every save and load until all of them have come. What is
saved here is one process's business, from a thread of its own, so there Orbax runs in a child that JAX has not joined.
"""

import atexit
import contextlib
import functools
import multiprocessing
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import jax

from aejax.errors import InputError


class _WorkerProcess:
    """A process that calls what it is told, one call after the other, until this end of the pipe closes."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._lock = threading.Lock()
        context.Process(target=_worker_loop, args=(theirs,), daemon=True).start()
        theirs.close()
        atexit.register(self._pipe.close)  # before multiprocessing, at its own exit, waits for the child

    def call(self, function: Callable[..., Any], *args: Any, **settings: Any) -> Any:
        """`function(*args, **settings)` there; what it raises is raised here."""
        with self._lock:
            try:
                self._pipe.send((function, args, settings))
                result, error = self._pipe.recv()
            except (EOFError, OSError):
                raise InputError(f"{args[0]}: the process that saves and loads has ended; run the same again") from None
        if error is not None:
            raise error
        return result


def _worker_loop(pipe: Connection) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):  # the run decides when it ends, and with it this pipe
        signal.signal(number, signal.SIG_IGN)
    jax.config.update("jax_platforms", "cpu")
    with contextlib.suppress(EOFError, OSError):
        while True:
            function, args, settings = pipe.recv()
            try:
                pipe.send((function(*args, **settings), None))
            except Exception as error:  # whatever it is, it is the caller's
                pipe.send((None, error))


@functools.cache
def _get_worker() -> _WorkerProcess:
    return _WorkerProcess()


def in_local_process(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` of a module, run where JAX has joined no other processes: here, if it has joined none here."""

    @functools.wraps(function)
    def called(*args: Any, **settings: Any) -> Any:
        if not jax.distributed.is_initialized():
            return function(*args, **settings)
        return _get_worker().call(called, *args, **settings)

    return called
