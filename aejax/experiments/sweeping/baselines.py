"""What the points of a sweep are held against: the raw inputs, as many principal components, the same untrained."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np

from aejax.autoencoders.registry import KINDS
from aejax.config.sweep_axes import SweepAxis, format_axis_value
from aejax.data.dataset import Dataset
from aejax.experiments.experiment import problem_spec_for
from aejax.experiments.sweeping.grid import PointGroup
from aejax.methods import METHODS, Method, untrained
from aejax.models.autoencoder import Autoencoder


class Baselines(NamedTuple):
    """Methods by name, and for each point by name those that it is held against."""

    methods: dict[str, Method]
    by_point: dict[str, dict[str, str]]  # role ("raw", "pca", "random") to name


def code_width(model: Autoencoder, features: int) -> int:
    """Units of a code, as the probe sees it."""
    variables = jax.eval_shape(model.init, jax.random.key(0))
    inputs = jax.ShapeDtypeStruct((1, features), np.float32)
    return jax.eval_shape(model.encode, variables, inputs).shape[1]


def make_baselines(kind: str, axes: Sequence[SweepAxis], groups: Sequence[PointGroup], dataset: Dataset) -> Baselines:
    """One of each that is needed: PCA by width, at most as wide as the inputs; untrained by architecture."""
    settings = [problem_spec_for(group.points[0].config, dataset) for group in groups]
    raw = {"raw": METHODS["raw"](settings[0])}
    components: dict[str, Method] = {}
    architectures: dict[str, Method] = {}
    names: dict[Autoencoder, str] = {}
    of_point: dict[str, dict[str, str]] = {}
    for group, setting in zip(groups, settings, strict=True):
        model = KINDS[kind](setting).model
        width = min(code_width(model, setting.n_features), setting.n_features)
        config = dataclasses.replace(setting.model, latent_dim=width)
        components.setdefault(f"pca-{width}", METHODS["pca"](dataclasses.replace(setting, model=config)))
        name = names.setdefault(model, _random_name(axes, group))
        architectures.setdefault(name, untrained(model))
        of_point |= {point.name: {"raw": "raw", "pca": f"pca-{width}", "random": name} for point in group.points}
    by_width = dict(sorted(components.items(), key=lambda item: int(item[0].removeprefix("pca-"))))
    return Baselines(raw | by_width | architectures, of_point)


def _random_name(axes: Sequence[SweepAxis], group: PointGroup) -> str:
    """`random`, with those of the group's values that may shape the architecture."""
    fields = [axis.field for axis in axes if axis.section in ("model", "objective") and axis.field not in group.traced]
    values = group.points[0].values
    return " ".join(["random", *(f"{field}={format_axis_value(values[field])}" for field in fields)])
