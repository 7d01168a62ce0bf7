"""Numbers that a device can hold."""

import dataclasses
from collections.abc import Iterator
from typing import Any

from aejax.errors import require

MAX_INT32 = 2**31 - 1  # JAX counts in int32
MAX_FLOAT32 = 3.4028235e38  # float32's


def is_representable(number: int | float) -> bool:
    """Whether a device has this number: whole ones as int32, others as finite float32.

    >>> representable(2**31), representable(1e308), representable(float("nan")), representable(-7)
    (False, False, False, True)
    """
    return abs(number) <= (MAX_INT32 if isinstance(number, int) else MAX_FLOAT32)


def require_representable(config: Any) -> None:
    """Refuse a number in a config, or in one inside it, that would overflow where it is used.

    Raises:
        InputError: naming the field as a flag.
    """
    for name, number in _numeric_fields(config):
        require(
            is_representable(number),
            f"--{name.replace('_', '-')} {number}: expected "
            + (f"at most {MAX_INT32}" if isinstance(number, int) else f"a finite number, at most {MAX_FLOAT32:.2e}"),
        )


def _numeric_fields(config: Any) -> Iterator[tuple[str, int | float]]:
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            yield from _numeric_fields(value)
        for item in value if isinstance(value, tuple) else (value,):
            if isinstance(item, int | float):
                yield field.name, item
