"""The settings that `compare.py --tune` tries for features that are not trained and for networks trained on labels."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from aejax.autoencoders.spec import ProblemSpec
from aejax.autoencoders.tuning_space import Interval, draw_from_space, tuned_kind
from aejax.methods import kmeans, random_fourier
from aejax.methods.method import Method


class TunedControl(NamedTuple):
    """A control whose settings are arguments of the function that makes it."""

    make: Callable[..., Method]  # from the problem and the settings
    space: Mapping[str, tuple[float, Interval]]
    table_fields: tuple[str, ...]  # settings that matter for tables


CONTROLS = {
    "random-fourier": TunedControl(random_fourier.random_fourier, random_fourier.SPACE, ("bandwidth",)),
    "kmeans": TunedControl(kmeans.kmeans, kmeans.SPACE, ("threshold",)),
}


def is_tuned_by_probe(name: str) -> bool:
    """Returns whether a method chooses its settings by the validation loss of the probe."""
    return name in CONTROLS or tuned_kind(name) is not None


def has_settings(name: str, method: Method) -> bool:
    """Returns whether a method has settings of its own that are tried one after the other or together."""
    return method.supervised or is_tuned_by_probe(name)


def draw_control_settings(name: str, problem: ProblemSpec, count: int) -> list[dict[str, float]]:
    """Returns `count` settings of one of `CONTROLS`: its defaults, then random ones that do not depend on `count`."""
    control, is_image = CONTROLS[name], len(problem.example_shape) == 3
    fields = control.space if is_image else control.table_fields
    return draw_from_space(name, {field: control.space[field] for field in fields}, count)
