"""The axes of a sweep: a config field and its values."""

import math
import types
import typing
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from aejax.config.data import SplitConfig
from aejax.config.experiment import ExperimentConfig, SweepConfig
from aejax.config.model import ModelConfig
from aejax.config.settings import setting_names
from aejax.config.train import TRACEABLE_FIELDS, ObjectiveConfig, OptimizerConfig, TrainConfig
from aejax.config.validation import MAX_INT32, flag_name, is_representable
from aejax.errors import InputError, require, suggest_names

SWEEPABLE_CONFIGS: dict[str, type] = {
    "model": ModelConfig,
    "objective": ObjectiveConfig,
    "optimizer": OptimizerConfig,
    "train": TrainConfig,
}
NONE_WORD = "none"
TYPE_NAMES: dict[Any, str] = {
    bool: "true or false",
    int: f"a whole number, at most {MAX_INT32},",
    float: "a number",
    tuple: "widths joined by x, such as 128x64, or none",
    type(None): NONE_WORD,
}
LABELS_FIELD = "labels_per_class"  # the one setting of the split that can be swept: training does not depend on it


class SweepAxis(NamedTuple):
    """A config field and its values."""

    section: str  # key of SWEEPABLE_CONFIGS, or split
    field: str
    values: tuple[Any, ...]

    @property
    def is_label_budget(self) -> bool:
        """Whether only classifiers see the values."""
        return self.field == LABELS_FIELD

    def is_traceable(self, value: Any) -> bool:
        """Whether this value can be an argument of a compiled program; other values need another program."""
        return self.field in TRACEABLE_FIELDS.get(self.section, ()) and isinstance(value, int | float)


def parse_axes(words: Sequence[str]) -> tuple[SweepAxis, ...]:
    """Parses axes given as `FIELD=VALUE,VALUE,...`, in which `-` and `_` in a field's name are equivalent.

    Raises:
        InputError: there is no axis, a field is unknown or cannot be swept, a value has another type, or a field or a
            value is given twice.
    """
    require(words, "--axis: name at least one, such as --axis latent_dim=2,4,8")
    axes = tuple(_parse_axis(word) for word in words)
    for index, axis in enumerate(axes):
        require(
            axis.field not in [before.field for before in axes[:index]],
            f"--axis {axis.field}: is given twice; join the values in one, separated by commas",
        )
    return axes


def _parse_axis(word: str) -> SweepAxis:
    name, equals, listed = word.partition("=")
    require(equals and listed, f"--axis {word}: expected FIELD=VALUE,VALUE,..., such as latent_dim=2,4,8")
    field = name.strip().lstrip("-").replace("-", "_")
    section, hint = _find_field(name, field)
    values = tuple(_parse_value(hint, text.strip(), f"--axis {field}") for text in listed.split(","))
    for index, value in enumerate(values):
        require(
            value not in values[:index], f"--axis {field}: {format_axis_value(value)} is given twice; each value once"
        )
    return SweepAxis(section, field, values)


def _find_field(name: str, field: str) -> tuple[str, Any]:
    """Returns the section and the type annotation of a field."""
    known = {
        other: (section, hint)
        for section, config_class in SWEEPABLE_CONFIGS.items()
        for other, hint in typing.get_type_hints(config_class).items()
    }
    if field == LABELS_FIELD:
        return "split", typing.get_type_hints(SplitConfig)[field]
    if field in known:
        return known[field]
    if field in setting_names(ExperimentConfig()):
        raise InputError(
            f"--axis {field}: is the same for all points of a sweep, so that they can be compared; give it as "
            f"{flag_name(field)}, one sweep for each value"
        )
    raise InputError(f"--axis {name.strip()}: no such field; {suggest_names(field, known)}")


def _parse_value(hint: Any, text: str, where: str) -> Any:
    """Returns the text converted to the annotated type."""
    union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    options = typing.get_args(hint) if union else (hint,)
    if type(None) in options and text.lower() == NONE_WORD:
        return None
    for option in options:
        try:
            return _convert(option, text)
        except ValueError:
            continue
    raise InputError(f"{where}: {text!r} is not {' or '.join(map(_describe_type, options))}")


def _convert(option: Any, text: str) -> Any:
    if typing.get_origin(option) is Literal and text in typing.get_args(option):
        return text
    if typing.get_origin(option) is tuple:
        return () if text.lower() == NONE_WORD else tuple(int(width) for width in text.split("x"))
    if option is bool and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if option in (int, float):
        number = option(text)
        if is_representable(number):
            return number
    raise ValueError(text)


def _describe_type(option: Any) -> str:
    if typing.get_origin(option) is Literal:
        return " or ".join(typing.get_args(option))
    return TYPE_NAMES[typing.get_origin(option) or option]


def format_axis_value(value: Any) -> str:
    """Formats a value as on the command line; lists from JSON are treated as tuples.

    >>> format_axis_value(0.10), format_axis_value((128, 64)), format_axis_value(())
    ('0.1', '128x64', 'none')
    """
    if isinstance(value, tuple | list):
        return "x".join(map(str, value)) or NONE_WORD
    if value is None:
        return NONE_WORD
    return f"{value:g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)


def max_runs_per_program(config: SweepConfig) -> int:
    """Returns how many trainings one program can run: seeds times combinations of traceable values.

    Raises `InputError` as `parse_axes`.
    """
    traceable = [sum(axis.is_traceable(value) for value in axis.values) for axis in parse_axes(config.axis)]
    return config.seeds * math.prod(max(1, count) for count in traceable)
