"""Settings by the names of their flags: keyword arguments in place of nested dataclasses."""

import dataclasses
import os
from collections.abc import Mapping
from typing import Any, TypeVar, get_type_hints

import numpy as np

from aejax.config.serialization import convert
from aejax.config.validation import require_representable
from aejax.errors import require, suggest_names

ConfigT = TypeVar("ConfigT")


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
    known = setting_names(config)
    for name in settings:
        require(name in known, f"{name}: no such setting; {suggest_names(name, known, 'see aejax.config')}")
    replaced = _replace(config, settings)
    require_representable(replaced)
    return replaced


def _replace(config: ConfigT, settings: Mapping[str, Any]) -> ConfigT:
    hints, changed = get_type_hints(type(config)), {}
    for field in dataclasses.fields(config):  # type: ignore[arg-type]
        name, value = field.name, getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            changed[name] = _replace(value, settings)
        elif name in settings:
            changed[name] = convert(hints[name], _plain(settings[name]), f"{name}={settings[name]!r}")
    return dataclasses.replace(config, **changed)  # type: ignore[type-var]


def _plain(value: Any) -> Any:
    """Returns a value as JSON has it."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return [_plain(item) for item in value] if isinstance(value, tuple | list | np.ndarray) else value
