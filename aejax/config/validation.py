"""Checks of config fields, whose messages name a field by its flag."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

from aejax.errors import require

MAX_INT32 = 2**31 - 1  # JAX counts in int32
MAX_FLOAT32 = 3.4028235e38


def flag_name(field: str) -> str:
    """Returns the command-line flag of a config field.

    >>> flag_name("latent_dim")
    '--latent-dim'
    """
    return f"--{field.replace('_', '-')}"


def require_fields(config: Any, is_valid: Callable[[Any], bool], expected: str, *names: str) -> None:
    """Raises `InputError` for the first of the named fields that is neither None nor valid."""
    for name in names:
        value = getattr(config, name)
        require(value is None or is_valid(value), f"{flag_name(name)} {value}: expected {expected}")


def require_at_least(minimum: float, config: Any, *names: str) -> None:
    """Raises `InputError` for a named field below `minimum`; None is valid."""
    require_fields(config, lambda value: value >= minimum, f"at least {minimum}", *names)


def require_positive(config: Any, *names: str) -> None:
    """Raises `InputError` for a named field that is not above 0; None is valid."""
    require_fields(config, lambda value: value > 0, "above 0", *names)


def is_representable(number: int | float) -> bool:
    """Returns whether JAX can represent a number: integers as int32, others as finite float32.

    >>> is_representable(2**31), is_representable(1e308), is_representable(float("nan")), is_representable(-7)
    (False, False, False, True)
    """
    return abs(number) <= (MAX_INT32 if isinstance(number, int) else MAX_FLOAT32)


def require_representable(config: Any) -> None:
    """Raises `InputError` if a number in a config, or in a config inside it, would overflow on the device."""
    for name, number in _numeric_fields(config):
        limit = f"at most {MAX_INT32}" if isinstance(number, int) else f"a finite number, at most {MAX_FLOAT32:.2e}"
        require(is_representable(number), f"{flag_name(name)} {number}: expected {limit}")


def _numeric_fields(config: Any) -> Iterator[tuple[str, int | float]]:
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            yield from _numeric_fields(value)
        for item in value if isinstance(value, tuple) else (value,):
            if isinstance(item, int | float):
                yield field.name, item
