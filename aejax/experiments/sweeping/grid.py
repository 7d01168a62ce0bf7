"""The grid of a sweep: a point for each combination of the axes' values, in groups that one program can train."""

import dataclasses
import itertools
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array

from aejax.autoencoders.registry import IMAGE_KINDS, KINDS
from aejax.config import SweepConfig
from aejax.config.sweep_axes import SWEEPABLE_CONFIGS, SweepAxis, format_axis_value
from aejax.data.batching import Batch
from aejax.data.dataset import Dataset
from aejax.data.shuffling import steps_per_epoch
from aejax.errors import InputError, require
from aejax.experiments.experiment import problem_spec_for
from aejax.experiments.resolve import check_methods, resolve_config
from aejax.experiments.schedule import epoch_budget
from aejax.methods import autoencoder_method
from aejax.train.epoch import make_train_step
from aejax.train.optimizers import make_optimizer
from aejax.train.state import TrainState, init_state

MEMORY_ADDRESS = re.compile(r"0x[0-9a-f]+")  # of functions, in the text of a program


class GridPoint(NamedTuple):
    """One setting."""

    values: dict[str, Any]  # of each axis, by field
    config: SweepConfig  # resolved

    @property
    def name(self) -> str:
        """Such as `latent_dim=2 noise_std=0.1`."""
        return " ".join(f"{field}={format_axis_value(value)}" for field, value in self.values.items())


class PointGroup(NamedTuple):
    """Points that differ only in what their runs carry."""

    points: tuple[GridPoint, ...]
    traced: tuple[str, ...]  # fields

    @property
    def name(self) -> str:
        """What the points have in common, and how many they are."""
        shared = {field: value for field, value in self.points[0].values.items() if field not in self.traced}
        name = " ".join(f"{field}={format_axis_value(value)}" for field, value in shared.items())
        return name if len(self.points) == 1 else f"{name} {len(self.points)} settings together".strip()


def make_point(config: SweepConfig, axes: Sequence[SweepAxis], values: Sequence[Any], dataset: Dataset) -> GridPoint:
    """The config with these values, resolved.

    Raises:
        InputError: a value out of its range, or choices that do not go together.
    """
    for axis, value in zip(axes, values, strict=True):
        changed = dataclasses.replace(getattr(config, axis.section), **{axis.field: value})
        config = dataclasses.replace(config, **{axis.section: changed})
    return GridPoint(
        {axis.field: value for axis, value in zip(axes, values, strict=True)}, resolve_config(config, dataset)
    )


def make_grid(config: SweepConfig, axes: Sequence[SweepAxis], dataset: Dataset) -> tuple[GridPoint, ...]:
    """The Cartesian product, the first axis slowest. Raises as `point_at`."""
    combinations = itertools.product(*(axis.values for axis in axes))
    return tuple(make_point(config, axes, values, dataset) for values in combinations)


def derived_fields(points: Sequence[GridPoint]) -> dict[str, dict[str, Any]]:
    """For each point by name, what was decided for it that was not decided for all: k, where it follows sparse_dim."""
    decided = {
        point.name: {
            field: value
            for group in SWEEPABLE_CONFIGS
            for field, value in vars(getattr(point.config, group)).items()
            if field not in point.values
        }
        for point in points
    }
    first = decided[points[0].name]
    differ = [field for field, value in first.items() if any(own[field] != value for own in decided.values())]
    return {name: {field: own[field] for field in differ} for name, own in decided.items()}


def group_points(points: Sequence[GridPoint], axes: Sequence[SweepAxis]) -> tuple[PointGroup, ...]:
    """Points that one program can train together, in the order of the first of each."""
    grouped: dict[Any, list[GridPoint]] = {}
    for point in points:
        own = [(axis, point.values[axis.field]) for axis in axes]
        carried = tuple(axis.field for axis, value in own if axis.is_traceable(value))
        fixed = tuple(value for axis, value in own if not axis.is_traceable(value))
        grouped.setdefault((carried, fixed), []).append(point)
    return tuple(PointGroup(tuple(own), carried) for (carried, _), own in grouped.items())


def training_signature(kind: str, config: SweepConfig, dataset: Dataset) -> tuple[Any, ...]:
    """Everything that a config has to say in the training of a kind: equal where the trainings are.

    The model, the text of every step's program with its constants, and how many there are of which size.
    """
    setting = problem_spec_for(config, dataset)
    method = autoencoder_method(kind, setting)
    epochs = epoch_budget(config, method)
    batch = min(config.train.batch_size, len(dataset.labels))
    optimizer = make_optimizer(config.optimizer, steps_per_epoch(len(dataset.labels), batch), epochs.end_to_end)
    assert method.objective is not None
    objectives = [*(stage.objective for stage in method.stages), method.objective]
    key = jax.random.key(0)
    state = jax.eval_shape(lambda: init_state(KINDS[kind](setting).model.init(key), optimizer))
    inputs = jax.ShapeDtypeStruct((batch, setting.n_features), np.float32)
    labels = jax.ShapeDtypeStruct((batch,), np.int32)
    texts = []
    for objective in objectives:
        step = make_train_step(objective, optimizer)

        def program(state: TrainState, inputs: Array, labels: Array, step: Any = step) -> Any:
            return step(state, Batch(inputs, labels), key)

        texts.append(MEMORY_ADDRESS.sub("", str(jax.make_jaxpr(program)(state, inputs, labels))))
    return KINDS[kind](setting).model, epochs, batch, texts


def find_unused_axis(kind: str, config: SweepConfig, axes: Sequence[SweepAxis], dataset: Dataset) -> SweepAxis | None:
    """The first axis along which the training of a kind stays the same; of an axis of one value, nothing is known."""
    firsts = [axis.values[0] for axis in axes]
    here = None
    for index, axis in enumerate(axes):
        if len(axis.values) == 1:
            continue
        here = here or training_signature(kind, make_point(config, axes, firsts, dataset).config, dataset)
        moved = [*firsts[:index], axis.values[1], *firsts[index + 1 :]]
        if training_signature(kind, make_point(config, axes, moved, dataset).config, dataset) == here:
            return axis
    return None


def choose_kind(config: SweepConfig, axes: Sequence[SweepAxis], dataset: Dataset) -> str:
    """The kind that was asked for, or the first that uses every axis.

    Raises:
        InputError: there is no such kind, or it does not use an axis.
    """
    if config.method is None:
        user = _first_kind_using(config, axes, dataset)
        fields = " and ".join(axis.field for axis in axes)
        require(user, f"--axis {fields}: no kind of autoencoder uses this with these data and flags; see README.md")
        return str(user)
    check_methods((config.method,))
    require(config.method in KINDS, f"--method {config.method}: is no autoencoder; there are {', '.join(KINDS)}")
    if unused := find_unused_axis(config.method, config, axes, dataset):
        user = _first_kind_using(config, (unused,), dataset)
        mend = f"--method {user} does" if user else "no kind does with these data and flags"
        raise InputError(f"--axis {unused.field}: {config.method} does not use it; {mend}")
    return config.method


def _first_kind_using(config: SweepConfig, axes: Sequence[SweepAxis], dataset: Dataset) -> str | None:
    """The first kind whose training changes along all of these axes.

    Raises:
        InputError: the settings suit no kind at all.
    """
    refusals = []
    kinds = [kind for kind in KINDS if kind not in IMAGE_KINDS or len(dataset.example_shape) == 3]
    for kind in kinds:
        try:
            if find_unused_axis(kind, config, axes, dataset) is None:
                return kind
        except InputError as refusal:  # they may still suit another kind
            refusals.append(refusal)
    if len(refusals) == len(kinds):
        raise refusals[0]
    return None
