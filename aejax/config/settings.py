"""Settings by the names of their flags: keyword arguments in place of nested dataclasses."""

import dataclasses
import os
import re
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np

from aejax.config.serialization import from_dict, to_dict
from aejax.config.validation import require_representable
from aejax.errors import InputError, suggest_names

ConfigT = TypeVar("ConfigT")
WRONG_TYPE = re.compile(r"(?:\w+\.)*(\w+)(?:\[\d+\])*: expected (.*), found .*", re.DOTALL)
SECTION = re.compile(r"\A\w+(\.\w+)*: ")


def setting_names(config: Any) -> dict[str, tuple[str, ...]]:
    """Returns the path to every field of a config and of the configs inside it, by the field's name."""
    paths: dict[str, tuple[str, ...]] = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            paths |= {name: (field.name, *path) for name, path in setting_names(value).items()}
        else:
            paths[field.name] = (field.name,)
    return paths


def replace_settings(config: ConfigT, settings: Mapping[str, Any]) -> ConfigT:
    """Returns the config with settings that are given by the names of their flags, such as `latent_dim=16`.

    Lists may stand for tuples, and NumPy numbers and paths for plain ones.

    Raises:
        InputError: there is no such setting, or a value has the wrong type or is out of range.
    """
    paths, values = setting_names(config), to_dict(config)
    for name, value in settings.items():
        if name not in paths:
            raise InputError(f"{name}: no such setting; {suggest_names(name, paths, 'see aejax.config')}")
        *sections, field = paths[name]
        target = values
        for section in sections:
            target = target[section]
        target[field] = _plain(value)
    try:
        replaced = from_dict(type(config), values, "settings")
    except InputError as error:
        raise InputError(_describe_error(str(error), settings)) from None
    require_representable(replaced)
    return replaced


def _describe_error(message: str, settings: Mapping[str, Any]) -> str:
    """Returns a message of `from_dict` in terms of one setting.

    >>> message = "settings: train.epochs: expected an integer, found 5; written by another version of aejax?"
    >>> _describe_error(message, {"epochs": "5"})
    "epochs='5': expected an integer"
    """
    message = message.removeprefix("settings: ").removesuffix("; written by another version of aejax?")
    wrong_type = WRONG_TYPE.fullmatch(message)
    if wrong_type is None:
        return SECTION.sub("", message)
    name, expected = wrong_type.groups()
    return f"{name}={settings[name]!r}: expected {expected}"


def _plain(value: Any) -> Any:
    """Returns a value as JSON has it."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return [_plain(item) for item in value] if isinstance(value, tuple | list | np.ndarray) else value
