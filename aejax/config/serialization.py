"""Converts configs to JSON values and back, and checks JSON values by type annotations."""

import dataclasses
import json
import math
import sys
from collections.abc import Mapping
from pathlib import Path
from types import UnionType
from typing import Any, Literal, NoReturn, TypeVar, Union, get_args, get_origin, get_type_hints, is_typeddict

from aejax.errors import InputError, require

ConfigT = TypeVar("ConfigT")

MAX_SHOWN = 60  # characters of a wrong value in a message
TYPE_NAMES: dict[Any, str] = {
    int: "an integer",
    float: "a number",
    str: "a text",
    bool: "true or false",
    list: "a list",
    tuple: "a list",
    Path: "a path",
    type(None): "null",
}

# By class: fields that configs of older versions lack, and what those versions did, as JSON, where it is not the
# default of today. Runs and encoders on disk keep their meaning.
VALUES_OF_ABSENT_FIELDS: dict[str, dict[str, Any]] = {
    "ModelConfig": {"contractive_code": "narrow"},
    "ObjectiveConfig": {"penalty_scale": "mean", "k_decay_steps": 0},
    "SplitConfig": {"design": "holdout"},
}


def parse_json(content: str | bytes) -> Any:
    """Parses JSON. Raises ValueError for anything else, NaN and infinities, and what is nested too deeply."""
    try:
        return json.loads(content, parse_constant=_reject_constant, parse_float=_parse_finite)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _reject_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _parse_finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):  # such as 1e999
        raise ValueError(f"{text[:20]} is beyond the numbers of 64 bits")
    return value


def to_jsonable(value: Any) -> Any:
    """Converts to JSON values: arrays and tuples to lists, paths to strings, NaN and infinity to null."""
    if isinstance(value, Mapping):
        return {str(key): to_jsonable(item) for key, item in value.items()}
    if hasattr(value, "tolist"):  # of NumPy, which is not imported for a command's help
        return to_jsonable(value.tolist())
    if isinstance(value, list | tuple):
        return [to_jsonable(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value


def to_dict(config: Any) -> dict[str, Any]:
    """Returns a nested dict of JSON values, with paths as strings and tuples as lists."""
    converted: dict[str, Any] = to_jsonable(dataclasses.asdict(config))
    return converted


def absent_values(config: Any) -> dict[str, Any]:
    """Returns `to_dict(config)` with the values of `VALUES_OF_ABSENT_FIELDS`.

    From a config of today's defaults, these are the settings of a run whose saved config lacks fields.
    """
    old = VALUES_OF_ABSENT_FIELDS.get(type(config).__name__, {})
    fields = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    return {
        name: absent_values(value) if dataclasses.is_dataclass(value) else old.get(name, to_jsonable(value))
        for name, value in fields.items()
    }


def from_dict(config_class: type[ConfigT], values: Any, where: str = "config") -> ConfigT:
    """Inverts `to_dict`; absent fields have the value of `VALUES_OF_ABSENT_FIELDS`, else today's default.

    Args:
        config_class: a dataclass.
        values: parsed JSON.
        where: the file or field, for messages.

    Raises:
        InputError: a field is unknown, has another type, or is missing and has no default.
    """
    config: ConfigT = check_type(config_class, values, where, "written by another version of aejax?")
    return config


def check_type(hint: Any, value: Any, where: str, fix: str) -> Any:
    """Returns a JSON value converted to a type; raises `InputError`, which names the file and the field, for another.

    Args:
        hint: a `TypedDict`, whose further fields are not looked into, or anything else that fields of configs may be.
        value: parsed JSON.
        where: the file.
        fix: what to do about it.
    """
    try:
        return convert(hint, value, "")
    except InputError as error:
        raise InputError(f"{where}: {str(error).removeprefix(': ')}; {fix}") from None


def _join(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _to_dataclass(config_class: type[ConfigT], values: Any, where: str) -> ConfigT:
    hints = get_type_hints(config_class)
    require(isinstance(values, dict), f"{where}: expected an object of fields")
    unknown = sorted(values.keys() - hints.keys())
    require(not unknown, f"{where}: unknown field {unknown[0][:MAX_SHOWN] if unknown else ''}")
    for field in dataclasses.fields(config_class):  # type: ignore[arg-type]
        optional = field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
        require(optional or field.name in values, f"{where}: field {field.name} is missing")
    values = {**VALUES_OF_ABSENT_FIELDS.get(config_class.__name__, {}), **values}
    typed = {name: convert(hints[name], value, _join(where, name)) for name, value in values.items()}
    try:
        return config_class(**typed)
    except InputError as error:  # names a flag; the value comes from a file
        raise InputError(f"{where}: {error}") from None


def convert(hint: Any, value: Any, where: str) -> Any:
    """Returns a JSON value converted to the annotated type; raises `InputError`, which names `where` it is."""
    options = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    if hint is Any or (value is None and type(None) in options):
        return value
    for option in options:
        kind, parts = get_origin(option), get_args(option)
        if is_typeddict(option) and isinstance(value, dict):
            hints = get_type_hints(option)
            typed = {k: convert(hints.get(k, Any), item, _join(where, k)) for k, item in value.items()}
            missing = sorted(option.__required_keys__ - value.keys())
            field, verb = ("fields", "are") if len(missing) > 1 else ("field", "is")
            require(not missing, f"{where}: {field} {', '.join(missing)} {verb} missing")
            return typed
        if dataclasses.is_dataclass(option) and isinstance(option, type):
            return _to_dataclass(option, value, where)
        if kind is dict and isinstance(value, dict):
            return {k: convert(parts[1], item, _join(where, k)) for k, item in value.items()}
        if kind in (list, tuple) and isinstance(value, list):
            is_pair = kind is tuple and parts[-1] is not Ellipsis
            require(not is_pair or len(value) == len(parts), f"{where}: expected {len(parts)} values")
            items = [convert(parts[k if is_pair else 0], item, f"{where}[{k}]") for k, item in enumerate(value)]
            return tuple(items) if kind is tuple else items
        if option is Path and isinstance(value, str):
            return Path(value)
        if kind is Literal and any(type(value) is type(known) and value == known for known in parts):
            return value
        if option is float and type(value) in (int, float) and abs(value) <= sys.float_info.max:
            return value
        if type(value) is option:
            return value
    shown = f"a {type(value).__name__}" if isinstance(value, dict | list) else str(value)[:MAX_SHOWN]
    raise InputError(f"{where}: expected {' or '.join(map(_describe_type, options))}, found {shown}")


def _describe_type(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return " or ".join(map(str, get_args(hint)))
    return TYPE_NAMES.get(get_origin(hint) or hint, "an object of fields")
