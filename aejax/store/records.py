"""Values of known classes as JSON beside arrays, and back. Nothing but the classes that are named is ever built.

A record is None, a bool, an int, a float, text, an array, a list, a tuple, a dict of records by text, or a NamedTuple
of records whose class is in the table that both directions are given.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import jax
import numpy as np

from aejax.store.manifest import DamagedError
from aejax.store.trees import Saved

Classes = Mapping[str, type]


def classes_by_name(*classes: type) -> dict[str, type]:
    """A table of NamedTuples."""
    return {made.__name__: made for made in classes}


def take_apart(value: Any, classes: Classes) -> Saved:
    """A record as a tree of arrays and JSON.

    Raises:
        TypeError: something in it is of another class.
    """
    arrays: dict[str, np.ndarray] = {}
    return Saved(arrays, {"record": _taken_apart(value, classes, arrays)})


def put_together(saved: Saved, classes: Classes) -> Any:
    """The record that `take_apart` took apart.

    Raises:
        DamagedError: it is none.
    """
    try:
        return _put_together(saved.meta["record"], classes, saved.tree)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise DamagedError(f"this is no record ({type(error).__name__}: {error})") from None


def _taken_apart(value: Any, classes: Classes, arrays: dict[str, np.ndarray]) -> Any:
    def each(items: Iterable[Any]) -> list[Any]:
        return [_taken_apart(item, classes, arrays) for item in items]

    def by_name(items: Mapping[str, Any]) -> dict[str, Any]:
        return dict(zip(items, each(items.values()), strict=True))

    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float) and not isinstance(value, np.floating):
        return value if math.isfinite(value) else {"float": str(value)}
    if isinstance(value, np.ndarray | np.generic | jax.Array):
        name = f"a{len(arrays)}"
        arrays[name] = np.array(value)
        return {"array": name}
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {"dict": by_name(value)}
    kind = type(value)
    if classes.get(kind.__name__) is kind:
        return {kind.__name__: by_name(value._asdict()), "record": True}
    if kind in (list, tuple):
        return {kind.__name__: each(value)}
    raise TypeError(f"{kind.__name__}: cannot be part of a record")


def _put_together(said: Any, classes: Classes, arrays: Mapping[str, Any]) -> Any:
    if said is None or isinstance(said, bool | int | str | float):
        return said
    kind, content = next(iter(said.items()))
    if kind == "float":
        return float(content)
    if kind == "array":
        return arrays[content]
    if kind in ("list", "tuple"):
        return (list if kind == "list" else tuple)(_put_together(item, classes, arrays) for item in content)
    fields = {name: _put_together(item, classes, arrays) for name, item in content.items()}
    return fields if kind == "dict" else classes[kind](**fields)
