"""The grid of a sweep: one point per combination of the axes' values, in groups that one program can train."""

import dataclasses
import itertools
import math
import re
from collections.abc import Container, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from aejax.autoencoders.registry import IMAGE_KINDS, KINDS
from aejax.config import ExperimentConfig, SweepConfig
from aejax.config.sweep_axes import LABELS_FIELD, SWEEPABLE_CONFIGS, SweepAxis, format_axis_value
from aejax.data.batching import Batch
from aejax.data.dataset import Dataset
from aejax.data.memory import require_host_memory
from aejax.data.shuffling import steps_per_epoch
from aejax.errors import InputError, require
from aejax.experiments.experiment import problem_spec_for
from aejax.experiments.resolve import check_kind, resolve_config
from aejax.experiments.schedule import epoch_budget
from aejax.methods.autoencoders import autoencoder_method
from aejax.objectives.objective import Objective
from aejax.train.epoch import make_train_step
from aejax.train.optimizers import make_optimizer
from aejax.train.state import init_state

POINT_BYTES = 10_000  # that a setting leaves in memory for each seed, at least
MEMORY_ADDRESS = re.compile(r"0x[0-9a-f]+")  # of functions, in the text of a jaxpr


class GridPoint(NamedTuple):
    """One combination of the axes' values."""

    values: dict[str, Any]  # by field of the axis
    config: ExperimentConfig  # resolved

    @property
    def name(self) -> str:
        """For example `latent_dim=2 noise_std=0.1`."""
        return _join_values(self.values)

    @property
    def training_name(self) -> str:
        """The same without the number of labels: points of equal names are trained once."""
        return _join_values({field: value for field, value in self.values.items() if field != LABELS_FIELD})


def _join_values(values: Mapping[str, Any]) -> str:
    return " ".join(f"{field}={format_axis_value(value)}" for field, value in values.items())


class PointGroup(NamedTuple):
    """Points that differ only in traced hyperparameters, and in the number of labels."""

    points: tuple[GridPoint, ...]
    traced: tuple[str, ...]  # fields that differ

    @property
    def name(self) -> str:
        """The values that all points share, and the number of points."""
        if len(self.points) == 1:
            return self.points[0].name
        varied = (*self.traced, LABELS_FIELD)
        name = _join_values({field: value for field, value in self.points[0].values.items() if field not in varied})
        together = f"{len(self.trainings)} settings together" if len(self.trainings) > 1 else ""
        return f"{name} {together}".strip() or "training"

    @property
    def trainings(self) -> list[GridPoint]:
        """The points without those that differ from an earlier one in the number of labels alone."""
        return list({point.training_name: point for point in reversed(self.points)}.values())[::-1]

    def restrict(self, names: Container[str]) -> "PointGroup":
        """Returns the part with the points of these names, in the same order."""
        return self._replace(points=tuple(point for point in self.points if point.name in names))


def make_point(config: SweepConfig, axes: Sequence[SweepAxis], values: Sequence[Any], dataset: Dataset) -> GridPoint:
    """Returns the resolved config with these values.

    Raises:
        InputError: a value is out of range, or choices are incompatible.
    """
    for axis, value in zip(axes, values, strict=True):
        changed = dataclasses.replace(getattr(config, axis.section), **{axis.field: value})
        config = dataclasses.replace(config, **{axis.section: changed})
    return GridPoint(
        {axis.field: value for axis, value in zip(axes, values, strict=True)}, resolve_config(config, dataset)
    )


def make_grid(config: SweepConfig, axes: Sequence[SweepAxis], dataset: Dataset) -> tuple[GridPoint, ...]:
    """Returns the Cartesian product of the axes, the first axis slowest.

    Raises:
        InputError: as `make_point`, or memory cannot hold so many points.
    """
    count = math.prod(len(axis.values) for axis in axes)
    require_host_memory(POINT_BYTES * config.seeds * count, f"--axis: {count} combinations, {config.seeds} seeds each,")
    combinations = itertools.product(*(axis.values for axis in axes))
    return tuple(make_point(config, axes, values, dataset) for values in combinations)


def derived_fields(points: Sequence[GridPoint]) -> dict[str, dict[str, Any]]:
    """Returns, by point name, fields outside the axes that differ between points, such as k derived from sparse_dim."""
    values = {
        point.name: {
            field: value
            for group in SWEEPABLE_CONFIGS
            for field, value in vars(getattr(point.config, group)).items()
            if field not in point.values
        }
        for point in points
    }
    first = values[points[0].name]
    differ = [field for field, value in first.items() if any(other[field] != value for other in values.values())]
    return {name: {field: point[field] for field in differ} for name, point in values.items()}


def group_points(points: Sequence[GridPoint], axes: Sequence[SweepAxis]) -> tuple[PointGroup, ...]:
    """Groups points that one program can train together, in the order of each group's first point."""
    grouped: dict[Any, list[GridPoint]] = {}
    for point in points:
        values = [(axis, point.values[axis.field]) for axis in axes]
        traced = tuple(axis.field for axis, value in values if axis.is_traceable(value))
        fixed = tuple(value for axis, value in values if not axis.is_traceable(value) and not axis.is_label_budget)
        grouped.setdefault((traced, fixed), []).append(point)
    return tuple(PointGroup(tuple(members), traced) for (traced, _), members in grouped.items())


def training_signature(kind: str, config: ExperimentConfig, dataset: Dataset) -> tuple[Any, ...]:
    """Returns a value that is equal for two configs exactly if they train a kind in the same way.

    It holds the model, the number of epochs, the batch size, and the jaxpr of every training step with its constants.
    """
    problem = problem_spec_for(config, dataset)
    model, method = KINDS[kind](problem).model, autoencoder_method(kind, problem)
    epochs = epoch_budget(config, method)
    size = min(config.train.batch_size, len(dataset.labels))
    optimizer = make_optimizer(config.optimizer, steps_per_epoch(len(dataset.labels), size), epochs.end_to_end)
    assert method.objective is not None
    key = jax.random.key(0)
    state = jax.eval_shape(lambda: init_state(model.init(key), optimizer))
    shape = (size, problem.n_features)
    batch = jax.eval_shape(lambda: Batch(jnp.zeros(shape, np.float32), jnp.zeros(size, np.int32)))

    def text(objective: Objective) -> str:
        program = jax.make_jaxpr(make_train_step(objective, optimizer))(state, batch, key)
        return MEMORY_ADDRESS.sub("", str(program))

    return model, epochs, size, [text(stage.objective) for stage in method.stages], text(method.objective)


def find_unused_axis(kind: str, config: SweepConfig, axes: Sequence[SweepAxis], dataset: Dataset) -> SweepAxis | None:
    """Returns the first axis that does not change the training of a kind; axes of one value are not tested."""
    firsts = [axis.values[0] for axis in axes]
    base = None
    for index, axis in enumerate(axes):
        if len(axis.values) == 1 or axis.is_label_budget:
            continue
        base = base or training_signature(kind, make_point(config, axes, firsts, dataset).config, dataset)
        changed = [*firsts[:index], axis.values[1], *firsts[index + 1 :]]
        if training_signature(kind, make_point(config, axes, changed, dataset).config, dataset) == base:
            return axis
    return None


def choose_kind(config: SweepConfig, axes: Sequence[SweepAxis], dataset: Dataset) -> str:
    """Returns the requested kind, or the first kind whose training every axis changes.

    Raises:
        InputError: there is no such kind, or an axis does not change its training.
    """
    if config.method is None:
        kind = _first_kind_using(config, axes, dataset)
        fields = " and ".join(axis.field for axis in axes)
        require(kind, f"--axis {fields}: no kind of autoencoder uses this with these data and flags; see README.md")
        return str(kind)
    check_kind(config.method)
    if unused := find_unused_axis(config.method, config, axes, dataset):
        kind = _first_kind_using(config, (unused,), dataset)
        fix = f"--method {kind} does" if kind else "no kind does with these data and flags"
        raise InputError(f"--axis {unused.field}: {config.method} does not use it; {fix}")
    return config.method


def _first_kind_using(config: SweepConfig, axes: Sequence[SweepAxis], dataset: Dataset) -> str | None:
    """Returns the first kind whose training all of these axes change.

    Raises:
        InputError: the settings are invalid for every kind.
    """
    errors = []
    kinds = [kind for kind in KINDS if kind not in IMAGE_KINDS or len(dataset.example_shape) == 3]
    for kind in kinds:
        try:
            if find_unused_axis(kind, config, axes, dataset) is None:
                return kind
        except InputError as error:  # another kind may accept the settings
            errors.append(error)
    if len(errors) == len(kinds):
        raise errors[0]
    return None
