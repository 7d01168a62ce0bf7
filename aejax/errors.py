"""What ends a run early: something a user can mend, a signal, or the end of another process of the run."""

import difflib
from collections.abc import Collection, Sequence


class InputError(Exception):
    """What was asked for cannot be done.

    The message is one line that names the thing (which file, row, value or flag) and the mend. Scripts print it as
    ``error: ...`` and exit with status 2; code that calls the library catches it like any exception. What a message
    quotes may hold line ends, terminal codes or bytes that are no UTF-8; they are shown as `printable` has them.
    """

    def __init__(self, message: str) -> None:
        super().__init__(escape_unprintable(message))


def require(condition: object, message: str) -> None:
    """Raise `InputError(message)` unless `condition` holds."""
    if not condition:
        raise InputError(message)


def require_known_names(flag: str, noun: str, names: Sequence[str], known: Collection[str]) -> None:
    """Refuse names that are unknown, with the near ones, or given twice.

    Raises:
        InputError: in one line.
    """
    for name in names:
        near = difflib.get_close_matches(name, known, n=3)
        hint = f"did you mean {' or '.join(near)}" if near else f"there are {', '.join(known)}"
        require(name in known, f"{flag} {name}: no such {noun}; {hint}")
    require(len(set(names)) == len(names), f"{flag} {' '.join(names)}: each {noun} once")


def escape_unprintable(text: str) -> str:
    r"""`text` on one line that any file and any terminal takes: what cannot be printed stands as its escape.

    >>> print(printable("café"), printable("two\nlines"), printable("caf\udce9"))
    café two\nlines caf\udce9
    """
    if text.isprintable():
        return text
    return "".join(mark if mark.isprintable() else mark.encode("unicode_escape").decode() for mark in text)


class Preempted(SystemExit):
    """A signal asked the run to end, and everything is saved: the same command goes on.

    No `Exception`, so that nothing that survives a failure takes it for one; uncaught, it ends the process with 75.
    """

    def __init__(self) -> None:
        super().__init__(75)


class ProcessLost(Preempted):
    """Another process of this run has ended. What was saved is whole; the same command, in all of them, goes on."""

    def __init__(self, why: str) -> None:
        super().__init__()
        self.reason = escape_unprintable(why)
