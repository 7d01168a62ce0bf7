"""Values of known classes as JSON beside arrays, and back. Nothing but the classes that are named is ever built.

A record is None, a bool, an int, a float, text, an array, a list, a tuple, a dict of records by text, or a NamedTuple
of records whose class is in the table that both directions are given.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import jax
import numpy as np

from aejax.storage.manifest import CorruptedFileError
from aejax.storage.pytree_io import SavedTree

# What version 0.1.0 called record classes and their fields, by today's class name: kept results stay readable.
OLD_CLASS_NAMES = {
    "Outcome": "MethodResult",
    "Course": "TrainingHistory",
    "Diagnosis": "RepresentationMetrics",
    "Reports": "ClassifierReport",
    "NeighboursReport": "KNNReport",
}
OLD_FIELD_NAMES = {
    "MethodResult": {
        "features": "width",
        "reports": "classifier_report",
        "course": "history",
        "borrowed": "shared_training",
        "diagnosis": "representation",
    },
    "TrainingHistory": {"history": "metrics"},
    "RepresentationMetrics": {"rows": "n_rows", "paired": "paired_features"},
}

RecordClasses = Mapping[str, type]


def classes_by_name(*classes: type) -> dict[str, type]:
    """A table of NamedTuples."""
    return {made.__name__: made for made in classes}


def serialize(value: Any, classes: RecordClasses) -> SavedTree:
    """A record as a tree of arrays and JSON.

    Raises:
        TypeError: something in it is of another class.
    """
    arrays: dict[str, np.ndarray] = {}
    return SavedTree(arrays, {"record": _serialize_value(value, classes, arrays)})


def deserialize(saved: SavedTree, classes: RecordClasses) -> Any:
    """The record that `take_apart` took apart.

    Raises:
        DamagedError: it is none.
    """
    try:
        return _deserialize_value(saved.meta["record"], classes, saved.tree)
    except (KeyError, TypeError, ValueError, AttributeError, StopIteration, RecursionError) as error:
        raise CorruptedFileError(f"this is no record ({type(error).__name__}: {error})") from None


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


def _deserialize_value(said: Any, classes: RecordClasses, arrays: Mapping[str, Any]) -> Any:
    if said is None or isinstance(said, bool | int | str | float):
        return said
    kind, content = next(iter(said.items()))
    if kind == "float":
        return float(content)
    if kind == "array":
        return arrays[content]
    if kind in ("list", "tuple"):
        return (list if kind == "list" else tuple)(_deserialize_value(item, classes, arrays) for item in content)
    fields = {name: _deserialize_value(item, classes, arrays) for name, item in content.items()}
    if kind == "dict":
        return fields
    name = OLD_CLASS_NAMES.get(kind, kind)
    renamed = OLD_FIELD_NAMES[name] if kind in OLD_CLASS_NAMES and name in OLD_FIELD_NAMES else {}
    return classes[name](**{renamed.get(field, field): value for field, value in fields.items()})
