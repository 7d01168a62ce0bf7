"""Converts configs to JSON values and back."""

import dataclasses
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from aejax.errors import InputError, require

ConfigT = TypeVar("ConfigT")

# By class: fields that configs of older versions lack, and what those versions did, as JSON, where it is not the
# default of today. Runs and encoders on disk keep their meaning.
VALUES_OF_ABSENT_FIELDS: dict[str, dict[str, Any]] = {
    "ModelConfig": {"contractive_code": "narrow"},
    "ObjectiveConfig": {"penalty_scale": "mean", "k_decay_steps": 0},
    "SplitConfig": {"design": "holdout"},
}


def to_dict(config: Any) -> dict[str, Any]:
    """Returns a nested dict of JSON values, with paths as strings and tuples as lists."""

    return _to_json(dataclasses.asdict(config))


def _to_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _to_json(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_to_json(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def absent_values(config: Any) -> dict[str, Any]:
    """Returns `to_dict(config)` with the values of `VALUES_OF_ABSENT_FIELDS`.

    From a config of today's defaults, these are the settings of a run whose saved config lacks fields.
    """
    old = VALUES_OF_ABSENT_FIELDS.get(type(config).__name__, {})
    fields = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    return {
        name: absent_values(value) if dataclasses.is_dataclass(value) else old.get(name, _to_json(value))
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
    hints = get_type_hints(config_class)
    require(isinstance(values, dict), f"{where}: expected an object of fields")
    unknown = sorted(values.keys() - hints.keys())
    require(
        not unknown, f"{where}: unknown field {unknown[0] if unknown else ''}; written by another version of aejax?"
    )
    for field in dataclasses.fields(config_class):  # type: ignore[arg-type]
        optional = field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
        require(optional or field.name in values, f"{where}: field {field.name} is missing")
    values = {**VALUES_OF_ABSENT_FIELDS.get(config_class.__name__, {}), **values}
    typed = {name: _convert(hints[name], value, f"{where}.{name}") for name, value in values.items()}
    try:
        return config_class(**typed)
    except InputError as error:  # names a flag; the value comes from a file
        raise InputError(f"{where}: {error}") from None


def _convert(hint: Any, value: Any, where: str) -> Any:
    """Returns a JSON value converted to the annotated type."""
    options = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    for option in options:
        if option is type(None):
            matched = value is None
        elif dataclasses.is_dataclass(option) and isinstance(option, type):
            if value is not None:
                return from_dict(option, value, where)
            matched = False
        elif get_origin(option) is Literal:
            matched = value in get_args(option)
        elif get_origin(option) is tuple:
            if isinstance(value, list):
                return tuple(_convert(get_args(option)[0], item, where) for item in value)
            matched = False
        elif option is Path:
            if isinstance(value, str):
                return Path(value)
            matched = False
        elif option is float:
            matched = isinstance(value, int | float) and not isinstance(value, bool)
        else:
            matched = type(value) is option
        if matched:
            return value
    raise InputError(f"{where}: {value!r} is not {hint}; written by another version of aejax?")
