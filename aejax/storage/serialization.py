"""Converts records to JSON and arrays, and back. Only classes in a given table are ever constructed.

A record is None, a bool, an int, a float, a string, an array; a list, a tuple or a dict (with string keys) of records;
or a NamedTuple of records whose class is in the table.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import jax
import numpy as np

from aejax.storage.manifest import CorruptedFileError
from aejax.storage.pytree_io import SavedTree

RecordClasses = Mapping[str, type]


def classes_by_name(*classes: type) -> dict[str, type]:
    """Returns the table of the given NamedTuple classes."""
    return {record_class.__name__: record_class for record_class in classes}


def serialize(value: Any, classes: RecordClasses) -> SavedTree:
    """Converts a record to arrays and JSON. Raises `TypeError` if a part of it has another class."""
    arrays: dict[str, np.ndarray] = {}
    return SavedTree(arrays, {"record": _serialize_value(value, classes, arrays)})


def deserialize(saved: SavedTree, classes: RecordClasses) -> Any:
    """Inverts `serialize`. Raises `CorruptedFileError` if the content is not a record."""
    try:
        return _deserialize_value(saved.meta["record"], classes, saved.tree)
    except (KeyError, TypeError, ValueError, AttributeError, StopIteration, RecursionError) as error:
        raise CorruptedFileError(f"this is not a record ({type(error).__name__}: {error})") from None


def _serialize_value(value: Any, classes: RecordClasses, arrays: dict[str, np.ndarray]) -> Any:
    def each(items: Iterable[Any]) -> list[Any]:
        return [_serialize_value(item, classes, arrays) for item in items]

    def by_name(items: Mapping[str, Any]) -> dict[str, Any]:
        return dict(zip(items, each(items.values()), strict=True))

    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float) and not isinstance(value, np.floating):
        return value if math.isfinite(value) else {"float": str(value)}
    if isinstance(value, np.ndarray | np.generic | jax.Array):
        name = f"a{len(arrays)}"
        # Only arrays with memory of their own are not copied: others may be views of a device's.
        arrays[name] = value if isinstance(value, np.ndarray) and value.flags.owndata else np.array(value)
        return {"array": name}
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {"dict": by_name(value)}
    kind = type(value)
    if classes.get(kind.__name__) is kind:
        return {kind.__name__: by_name(value._asdict()), "record": True}
    if kind in (list, tuple):
        return {kind.__name__: each(value)}
    raise TypeError(f"{kind.__name__}: cannot be part of a record")


def _deserialize_value(value: Any, classes: RecordClasses, arrays: Mapping[str, Any]) -> Any:
    if value is None or isinstance(value, bool | int | str | float):
        return value
    kind, content = next(iter(value.items()))
    if kind == "float":
        return float(content)
    if kind == "array":
        return arrays[content]
    if kind in ("list", "tuple"):
        return (list if kind == "list" else tuple)(_deserialize_value(item, classes, arrays) for item in content)
    fields = {name: _deserialize_value(item, classes, arrays) for name, item in content.items()}
    if kind == "dict":
        return fields
    return classes[kind](**fields)
