"""What the points of a sweep are held against: the raw inputs, as many principal components, the same untrained."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np

from aejax.config.axes import Axis, shown
from aejax.data.dataset import Dataset
from aejax.kinds.registry import KINDS
from aejax.methods import METHODS, Method, untrained
from aejax.models.autoencoder import Autoencoder
from aejax.run.experiment import setting_of
from aejax.run.sweeping.points import Group


class References(NamedTuple):
    """Methods by name, and for each point by name those that it is held against."""

    methods: dict[str, Method]
    of_point: dict[str, dict[str, str]]  # role ("raw", "pca", "random") to name


def code_width(model: Autoencoder, features: int) -> int:
    """Units of a code, as the probe sees it."""
    variables = jax.eval_shape(model.init, jax.random.key(0))
    inputs = jax.ShapeDtypeStruct((1, features), np.float32)
    return jax.eval_shape(model.encode, variables, inputs).shape[1]


def references_of(kind: str, axes: Sequence[Axis], groups: Sequence[Group], dataset: Dataset) -> References:
    """One of each that is needed: PCA by width, at most as wide as the inputs; untrained by architecture."""
    settings = [setting_of(group.points[0].config, dataset) for group in groups]
    raw = {"raw": METHODS["raw"](settings[0])}
    components: dict[str, Method] = {}
    architectures: dict[str, Method] = {}
    names: dict[Autoencoder, str] = {}
    of_point: dict[str, dict[str, str]] = {}
    for group, setting in zip(groups, settings, strict=True):
        model = KINDS[kind](setting).model
        width = min(code_width(model, setting.features), setting.features)
        config = dataclasses.replace(setting.model, latent_dim=width)
        components.setdefault(f"pca-{width}", METHODS["pca"](dataclasses.replace(setting, model=config)))
        name = names.setdefault(model, _untrained_name(axes, group))
        architectures.setdefault(name, untrained(model))
        of_point |= {point.name: {"raw": "raw", "pca": f"pca-{width}", "random": name} for point in group.points}
    by_width = dict(sorted(components.items(), key=lambda item: int(item[0].removeprefix("pca-"))))
    return References(raw | by_width | architectures, of_point)


def _untrained_name(axes: Sequence[Axis], group: Group) -> str:
    """`random`, with those of the group's values that may shape the architecture."""
    fields = [axis.field for axis in axes if axis.group in ("model", "objective") and axis.field not in group.carried]
    values = group.points[0].values
    return " ".join(["random", *(f"{field}={shown(values[field])}" for field in fields)])
