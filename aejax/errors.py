"""The one exception for what a user can mend."""


class InputError(Exception):
    """What was asked for cannot be done.

    The message is one line that names the thing (which file, row, value or flag) and the mend. Scripts print it as
    ``error: ...`` and exit with status 2; code that calls the library catches it like any exception. What a message
    quotes may hold line ends, terminal codes or bytes that are no UTF-8; they are shown as `printable` has them.
    """

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


def require(condition: object, message: str) -> None:
    """Raise `InputError(message)` unless `condition` holds."""
    if not condition:
        raise InputError(message)


def printable(text: str) -> str:
    r"""`text` on one line that any file and any terminal takes: what cannot be printed stands as its escape.

    >>> print(printable("café"), printable("two\nlines"), printable("caf\udce9"))
    café two\nlines caf\udce9
    """
    if text.isprintable():
        return text
    return "".join(mark if mark.isprintable() else mark.encode("unicode_escape").decode() for mark in text)
