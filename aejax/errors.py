"""Exceptions that end a run early: an error that the user can fix, a signal, or the loss of another process."""

import difflib
from collections.abc import Collection, Sequence


class InputError(ValueError):
    """An error that the user can fix.

    The message is one line that names the problem (which file, row, value or flag) and the fix. Scripts print it as
    ``error: ...`` and exit with status 2; in Python it is a `ValueError`. Line ends,
    terminal codes and undecodable bytes in the message are escaped.
    """

    def __init__(self, message: str) -> None:
        super().__init__(escape_unprintable(message))


def require(condition: object, message: str) -> None:
    """Raises `InputError(message)` unless `condition` is true."""
    if not condition:
        raise InputError(message)


def suggest_names(name: str, known: Collection[str], otherwise: str | None = None) -> str:
    """Returns a hint with the known names that resemble `name`.

    If none does, the hint is `otherwise`, or by default a list of all known names.

    >>> suggest_names("digit", ["digits", "mnist"]), suggest_names("x", ["digits", "mnist"])
    ('did you mean digits', 'there are digits, mnist')
    """
    near = difflib.get_close_matches(name, known, n=3)
    if near:
        return f"did you mean {' or '.join(near)}"
    return f"there are {', '.join(known)}" if otherwise is None else otherwise


def require_known_names(flag: str, noun: str, names: Sequence[str], known: Collection[str]) -> None:
    """Raises `InputError` if a name is unknown or given twice."""
    for name in names:
        require(name in known, f"{flag} {name}: no such {noun}; {suggest_names(name, known)}")
    require(len(set(names)) == len(names), f"{flag} {' '.join(names)}: each {noun} once")


def list_names(names: Sequence[str]) -> str:
    """Returns the first ten names, each truncated to 40 characters, separated by commas."""
    return ", ".join(name[:40] for name in names[:10]) + (", ..." if len(names) > 10 else "")


def summarize_error(error: BaseException, max_length: int = 200) -> str:
    """Returns an error's message on one line, truncated, or the name of its class if the message is empty.

    >>> summarize_error(ValueError("first\\n  second")), summarize_error(KeyError())
    ('first second', 'KeyError')
    """
    return " ".join(str(error).split())[:max_length] or type(error).__name__


def escape_unprintable(text: str) -> str:
    r"""Returns `text` on one line, with unprintable characters escaped.

    >>> print(escape_unprintable("café"), escape_unprintable("two\nlines"), escape_unprintable("caf\udce9"))
    café two\nlines caf\udce9
    """
    if text.isprintable():
        return text
    return "".join(mark if mark.isprintable() else mark.encode("unicode_escape").decode() for mark in text)


class Preempted(SystemExit):
    """A signal ended the run after everything was saved; the same command continues it.

    It is not an `Exception`, so that code that handles failures does not catch it. Uncaught, it exits with status 75.
    """

    def __init__(self) -> None:
        super().__init__(75)


class ProcessLost(Preempted):
    """Another process of this run has ended. The same command, in every process, continues from what was saved."""

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = escape_unprintable(reason)

    @property
    def message(self) -> str:
        """What a script prints."""
        return (
            f"error: another process of this run has ended or cannot be reached ({self.reason}); everything saved is "
            "intact; run the same command in every process to continue"
        )
