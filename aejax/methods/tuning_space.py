"""The settings that `compare.py --tune` tries: of kinds of autoencoder and rivals, of controls, of supervised networks.

Widths and epochs are not tuned: they are the budget that all methods share. Every field of a kind is one that a
compiled program takes as an argument, so that all its settings are trained together.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from aejax.autoencoders.registry import KINDS, RIVALS
from aejax.autoencoders.spec import ProblemSpec
from aejax.config import ExperimentConfig
from aejax.config.train import TRACEABLE_FIELDS
from aejax.data.shuffling import make_generator
from aejax.methods.controls import random_fourier
from aejax.methods.kmeans import CONTRAST_OFFSET, WHITENING_OFFSET, kmeans
from aejax.methods.method import Method


class Interval(NamedTuple):
    """The range of a hyperparameter, from which values are drawn uniformly, or uniformly in the logarithm."""

    low: float
    high: float
    log: bool = True
    relative: bool = False  # to the value in the config

    def draw(self, generator: np.random.Generator, configured: float) -> float:
        """Returns a random value."""
        if self.log:
            value = float(np.exp(generator.uniform(np.log(self.low), np.log(self.high))))
        else:
            value = float(generator.uniform(self.low, self.high))
        return value * configured if self.relative else value


LEARNING_RATE = Interval(0.2, 5, relative=True)
_PENALTY = Interval(0.03, 30, relative=True)
_NOISE = {"noise_std": Interval(0.05, 1.0), "noise_share": Interval(0.05, 0.8, log=False)}
# By kind, what is tuned besides the learning rate.
SPACES: dict[str, dict[str, Interval]] = {
    "denoising": _NOISE,
    "conv-denoising": _NOISE,
    "sparse-l1": {"l1": _PENALTY},
    "sparse-kl": {"kl_weight": _PENALTY, "target_activity": Interval(0.02, 0.3)},
    "contractive": {"contraction": _PENALTY},
    "beta-vae": {"beta": Interval(0.25, 4, relative=True)},
    "gated": {"gate_l1": _PENALTY},
    "jump-relu": {"l0_weight": _PENALTY},
    "vq": {"commitment": _PENALTY},
    "vicreg": {**_NOISE, "covariance_weight": _PENALTY},
}


class TunedControl(NamedTuple):
    """A control whose settings are arguments of the function that makes it."""

    make: Callable[..., Method]  # from the problem and the settings
    space: Mapping[str, tuple[float, Interval]]  # default and range of each setting
    table_fields: tuple[str, ...]  # settings that matter for tables


CONTROLS = {
    "random-fourier": TunedControl(random_fourier, {"bandwidth": (1.0, Interval(0.1, 5))}, ("bandwidth",)),
    "kmeans": TunedControl(
        kmeans,
        {
            "threshold": (1.0, Interval(0.7, 1.2, log=False)),
            "contrast_offset": (CONTRAST_OFFSET, Interval(0.001, 1)),
            "whitening_offset": (WHITENING_OFFSET, Interval(0.001, 10)),
        },
        ("threshold",),
    ),
}


def tuned_kind(name: str) -> str | None:
    """Returns the kind whose settings a method tries, or None: kinds, their frozen controls and their rivals do."""
    kind = name.removeprefix("frozen-encoder-").removeprefix("frozen-decoder-")
    return kind if kind in KINDS or name in RIVALS else None


def draw_settings(kind: str, config: ExperimentConfig, count: int) -> list[dict[str, float]]:
    """Returns `count` settings of a kind: the config's own, then random ones, which do not depend on `count`.

    Args:
        kind: of autoencoder.
        config: resolved.
        count: at least 1.
    """
    configured: dict[str, Any] = {**vars(config.objective), **vars(config.optimizer)}
    unused = "noise_share" if config.objective.corruption == "gaussian" else "noise_std"
    intervals = {"learning_rate": LEARNING_RATE, **SPACES.get(kind, {})}
    space = {field: (configured[field], interval) for field, interval in intervals.items() if field != unused}
    assert all(any(field in traceable for traceable in TRACEABLE_FIELDS.values()) for field in space)
    return draw_from_space(kind, space, count)


def draw_from_space(name: str, space: Mapping[str, tuple[float, Interval]], count: int) -> list[dict[str, float]]:
    """Returns the defaults of a space, then random settings; a method of another name draws others."""
    settings = [{field: float(default) for field, (default, _) in space.items()}]
    for index in range(1, count):
        generator = make_generator(0, f"tune {name}", index)
        settings.append({field: interval.draw(generator, default) for field, (default, interval) in space.items()})
    return settings


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
