"""The one exception for what a user can mend."""


class InputError(Exception):
    """What was asked for cannot be done.

    The message is one line that names the thing (which file, row, value or flag) and the mend. Scripts print it as
    ``error: ...`` and exit with status 2; code that calls the library catches it like any exception.
    """


def require(condition: object, message: str) -> None:
    """Raise `InputError(message)` unless `condition` holds."""
    if not condition:
        raise InputError(message)
