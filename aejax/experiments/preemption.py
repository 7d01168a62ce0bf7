"""SIGTERM, SIGINT and SIGHUP: save and exit with 75. A second signal exits at once.

Python runs signal handlers between two bytecodes of the main thread, which a compiled program may block for minutes. So
a thread receives signals through a pipe. During a training it requests a stop, and the training saves and ends; at any
other time everything is saved already, and the process exits at once.
"""

import contextlib
import os
import signal
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from typing import NoReturn

from aejax.errors import Preempted, ProcessLost
from aejax.experiments.multihost import any_process

SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGHUP") if hasattr(signal, name))
SHOW_CURSOR = b"\x1b[?25h\n"  # a live display hides it
PREEMPTED_MESSAGE = "stopped by a signal; everything is saved, run the same command to go on"
SECOND_SIGNAL_MESSAGE = "stopped by a second signal; run the same command to go on"


class _SignalHandler:
    """State that the main thread and the signal thread share."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.stop_requested = False
        self.open_deferrals = 0  # blocks of `defer_signals` that are open
        self.exit_callbacks: list[Callable[[], None]] = []

    def handle(self, number: int) -> None:
        with self.lock:
            second, self.stop_requested = self.stop_requested, True
            if second or not self.open_deferrals:
                saved = not self.open_deferrals
                self.exit(PREEMPTED_MESSAGE if saved else SECOND_SIGNAL_MESSAGE, saved=saved)

    def exit(self, message: str, *, saved: bool) -> NoReturn:
        for callback in self.exit_callbacks if saved else ():
            with contextlib.suppress(Exception):
                callback()
        if sys.stdout.isatty():
            os.write(sys.stdout.fileno(), SHOW_CURSOR)
        print(message, end="\n" if message else "", file=sys.stderr, flush=True)
        os._exit(75)


_handler = _SignalHandler()
_loss_reported = threading.Lock()


def exit_as_lost(reason: str) -> NoReturn:
    """Ends this process at once, from any thread, because another one of its run is lost."""
    report_loss(ProcessLost(reason))
    _handler.exit("", saved=True)


def report_loss(lost: ProcessLost) -> None:
    """Prints once in a process, whichever thread notices first, that another one is lost."""
    if _loss_reported.acquire(blocking=False):
        print(lost.message, file=sys.stderr, flush=True)


@contextlib.contextmanager
def handle_signals() -> Iterator[None]:
    """Handles signals while a script runs. Library code does without and keeps Python's own behaviour."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)

    def listen() -> None:
        while numbers := os.read(reader, 16):
            for number in numbers:
                if number in before:
                    _leave_terminal(number)
                    _handler.handle(number)

    ignored = {number for number in SIGNALS if signal.getsignal(number) is signal.SIG_IGN}  # as by nohup
    before = {number: signal.signal(number, lambda *_: None) for number in SIGNALS if number not in ignored}
    old = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    thread = threading.Thread(target=listen, name="signals", daemon=True)
    thread.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(old)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(writer)
        thread.join()
        os.close(reader)
        _handler.stop_requested = False


def _leave_terminal(number: int) -> None:
    """Redirects the output to nowhere if the signal says that its terminal has gone, where writing would fail."""
    if number == getattr(signal, "SIGHUP", None):
        for descriptor in (1, 2):
            if stat.S_ISCHR(os.fstat(descriptor).st_mode):
                os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)


@contextlib.contextmanager
def defer_signals() -> Iterator[Callable[[], bool]]:
    """Yields a function that returns whether to stop; the block then saves and ends.

    All processes of a run stop when one has received a signal, so all have to call the function equally often.

    Raises:
        Preempted: a signal came, and the block has ended.
    """
    with _handler.lock:
        _handler.open_deferrals += 1
    try:
        yield lambda: any_process(_handler.stop_requested)
    finally:
        with _handler.lock:
            _handler.open_deferrals -= 1
    if any_process(_handler.stop_requested):
        raise Preempted


@contextlib.contextmanager
def call_before_exit(callback: Callable[[], None]) -> Iterator[None]:
    """Calls `callback` before a signal ends the process, while the block runs."""
    _handler.exit_callbacks.append(callback)
    try:
        yield
    finally:
        _handler.exit_callbacks.remove(callback)
