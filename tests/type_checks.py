"""Checks of types and shapes at every call, compiled when a function is first called."""

import functools
from collections.abc import Callable
from pathlib import Path

import beartype

# The numeric tower: an int may stand for a float, as it may for mypy.
_check = beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))
_nested: dict[tuple, Callable] = {}


def modules_with_shapes(*packages: Path) -> list[str]:
    """Returns the names of those modules whose annotations have shapes.

    All others have types only, which mypy checks. Checking them at every call, too, takes a fifth of the tests' time.
    """
    return [
        ".".join(path.relative_to(package.parent).with_suffix("").parts).removesuffix(".__init__")
        for package in packages
        for path in sorted(package.rglob("*.py"))
        if "from jaxtyping import" in path.read_text(encoding="utf-8")
    ]


def check(function: Callable) -> Callable:
    """Returns a function that checks its arguments and its result.

    Beartype compiles a function for every one that it decorates, most of which a test never calls. A nested function is
    decorated whenever the one around it runs; jaxtyping's hook passes its signature only, with an empty body, so that
    functions of the same name and annotations can share their checks.
    """
    checked = None

    @functools.wraps(function)
    def call(*args, **kwargs):
        nonlocal checked
        if checked is None:
            checked = _shared(function) if "<locals>" in function.__qualname__ else _check(function)
        return checked(*args, **kwargs)

    return call


check_everywhere = check  # jaxtyping caches the modules that it compiles by this name, so that none is left unchecked


def _shared(function: Callable) -> Callable:
    key = function.__module__, function.__qualname__, function.__code__, repr(function.__annotations__)
    if key not in _nested:
        _nested[key] = _check(function)
    return _nested[key]
