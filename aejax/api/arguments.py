"""Errors about flags, in terms of Python's arguments."""

import contextlib
import re
from collections.abc import Iterator

from aejax.errors import InputError

LEADING_FLAG = re.compile(r"\A--([a-z][a-z0-9-]*)(?: ([^:]*))?: ")
FLAG = re.compile(r"--([a-z][a-z0-9-]*)")


def as_arguments(message: str) -> str:
    """Returns an error message with arguments in place of flags.

    >>> as_arguments("--valid-fraction 1.5: expected below 1; or fix the strength with --probe-c")
    'valid_fraction=1.5: expected below 1; or fix the strength with probe_c'
    """

    def name(match: re.Match[str]) -> str:
        return match[1].replace("-", "_")

    def with_value(match: re.Match[str]) -> str:
        return f"{name(match)}={match[2]}: " if match[2] else f"{name(match)}: "

    return FLAG.sub(name, LEADING_FLAG.sub(with_value, message))


@contextlib.contextmanager
def argument_errors() -> Iterator[None]:
    """Turns messages about flags into messages about arguments."""
    try:
        yield
    except InputError as error:
        message = as_arguments(str(error))
        if message == str(error):
            raise
        raise type(error)(message) from None
