"""Checks of types and shapes at every call, compiled when a function is first called."""

import functools
from collections.abc import Callable

import beartype

# The numeric tower: an int may stand for a float, as it may for mypy.
_check = beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))


def check(function: Callable) -> Callable:
    """Returns a function that checks its arguments and its result.

    Beartype compiles a function for every one that it decorates, most of which a test never calls: the first call does.
    """
    checked = None

    @functools.wraps(function)
    def call(*args, **kwargs):
        nonlocal checked
        checked = checked or _check(function)
        return checked(*args, **kwargs)

    return call
