"""Baselines of a sweep: the raw inputs, PCA of each point's width, and each architecture untrained."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np

from aejax.autoencoders.registry import KINDS
from aejax.config import ExperimentConfig
from aejax.config.sweep_axes import LABELS_FIELD, SweepAxis, format_axis_value
from aejax.data.dataset import Dataset
from aejax.experiments.experiment import problem_spec_for
from aejax.experiments.sweeping.grid import GridPoint, PointGroup
from aejax.methods.controls import untrained
from aejax.methods.method import Method
from aejax.methods.registry import METHODS
from aejax.models.autoencoder import Autoencoder


class Baselines(NamedTuple):
    """Baseline methods by name, and the names of each point's baselines.

    Where points differ in their labels, each number of labels has baselines of its own.
    """

    methods: dict[str, tuple[Method, ExperimentConfig]]  # with the config of points that have the same labels
    by_point: dict[str, dict[str, str]]  # point name -> "raw", "pca", "random" -> method name


class SweepDesign(NamedTuple):
    """What a sweep trains: groups of grid points, each with its method, and baselines."""

    axes: Sequence[SweepAxis]
    points: Sequence[GridPoint]  # in the order of the axes' values
    groups: Sequence[tuple[PointGroup, Method]]  # with the method that trains each
    baselines: Baselines


def code_width(model: Autoencoder, features: int) -> int:
    """Returns the width of the code that the probe reads."""
    variables = jax.eval_shape(model.init, jax.random.key(0))
    inputs = jax.ShapeDtypeStruct((1, features), np.float32)
    return jax.eval_shape(model.encode, variables, inputs).shape[1]


def make_baselines(kind: str, axes: Sequence[SweepAxis], groups: Sequence[PointGroup], dataset: Dataset) -> Baselines:
    """Returns the distinct baselines of all points.

    One PCA per width, at most that of the inputs, and one untrained model per architecture; these for each number of
    labels, if it is an axis.
    """
    problems = [problem_spec_for(group.points[0].config, dataset) for group in groups]
    raw = {"raw": METHODS["raw"](problems[0])}
    pca: dict[str, Method] = {}
    random: dict[str, Method] = {}
    names: dict[Autoencoder, str] = {}
    by_point: dict[str, dict[str, str]] = {}
    for group, problem in zip(groups, problems, strict=True):
        model = KINDS[kind](problem).model
        width = min(code_width(model, problem.n_features), problem.n_features)
        config = dataclasses.replace(problem.model, latent_dim=width)
        pca.setdefault(f"pca-{width}", METHODS["pca"](dataclasses.replace(problem, model=config)))
        name = names.setdefault(model, _random_name(axes, group))
        random.setdefault(name, untrained(model))
        by_point |= {point.name: {"raw": "raw", "pca": f"pca-{width}", "random": name} for point in group.points}
    pca_by_width = dict(sorted(pca.items(), key=lambda item: int(item[0].removeprefix("pca-"))))
    methods, points = raw | pca_by_width | random, [point for group in groups for point in group.points]
    budgets = {_label_suffix(point): point.config for point in points}
    return Baselines(
        {name + suffix: (method, config) for suffix, config in budgets.items() for name, method in methods.items()},
        {
            point.name: {use: name + _label_suffix(point) for use, name in by_point[point.name].items()}
            for point in points
        },
    )


def _label_suffix(point: GridPoint) -> str:
    """Returns what follows the names of a point's baselines if the number of labels is an axis."""
    return f" {LABELS_FIELD}={format_axis_value(point.values[LABELS_FIELD])}" if LABELS_FIELD in point.values else ""


def _random_name(axes: Sequence[SweepAxis], group: PointGroup) -> str:
    """Returns `random` with the values of the group that may change the architecture."""
    fields = [axis.field for axis in axes if axis.section in ("model", "objective") and axis.field not in group.traced]
    values = group.points[0].values
    return " ".join(["random", *(f"{field}={format_axis_value(values[field])}" for field in fields)])
