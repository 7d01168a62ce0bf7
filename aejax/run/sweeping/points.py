"""The grid of a sweep: a point for each combination of the axes' values, in groups that one program can train."""

import dataclasses
import itertools
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array

from aejax.config import SweepConfig
from aejax.config.axes import SWEPT, Axis, shown
from aejax.data.dataset import Dataset
from aejax.data.examples import Batch
from aejax.data.order import steps_per_epoch
from aejax.errors import InputError, require
from aejax.kinds.registry import IMAGE_KINDS, KINDS
from aejax.methods import autoencoder_method
from aejax.run.experiment import setting_of
from aejax.run.resolve import check_methods, resolve
from aejax.run.training import epochs_of
from aejax.train.epoch import make_step
from aejax.train.optimizers import make_optimizer
from aejax.train.state import TrainState, init_state

ADDRESS = re.compile(r"0x[0-9a-f]+")  # of functions, in the text of a program


class Point(NamedTuple):
    """One setting."""

    values: dict[str, Any]  # of each axis, by field
    config: SweepConfig  # resolved

    @property
    def name(self) -> str:
        """Such as `latent_dim=2 noise_std=0.1`."""
        return " ".join(f"{field}={shown(value)}" for field, value in self.values.items())


class Group(NamedTuple):
    """Points that differ only in what their runs carry."""

    points: tuple[Point, ...]
    carried: tuple[str, ...]  # fields

    @property
    def name(self) -> str:
        """What the points have in common, and how many they are."""
        shared = {field: value for field, value in self.points[0].values.items() if field not in self.carried}
        name = " ".join(f"{field}={shown(value)}" for field, value in shared.items())
        return name if len(self.points) == 1 else f"{name} {len(self.points)} settings together".strip()


def point_at(config: SweepConfig, axes: Sequence[Axis], values: Sequence[Any], dataset: Dataset) -> Point:
    """The config with these values, resolved.

    Raises:
        InputError: a value out of its range, or choices that do not go together.
    """
    for axis, value in zip(axes, values, strict=True):
        changed = dataclasses.replace(getattr(config, axis.group), **{axis.field: value})
        config = dataclasses.replace(config, **{axis.group: changed})
    return Point({axis.field: value for axis, value in zip(axes, values, strict=True)}, resolve(config, dataset))


def points_of(config: SweepConfig, axes: Sequence[Axis], dataset: Dataset) -> tuple[Point, ...]:
    """The Cartesian product, the first axis slowest. Raises as `point_at`."""
    combinations = itertools.product(*(axis.values for axis in axes))
    return tuple(point_at(config, axes, values, dataset) for values in combinations)


def followers(points: Sequence[Point]) -> dict[str, dict[str, Any]]:
    """For each point by name, what was decided for it that was not decided for all: k, where it follows sparse_dim."""
    decided = {
        point.name: {
            field: value
            for group in SWEPT
            for field, value in vars(getattr(point.config, group)).items()
            if field not in point.values
        }
        for point in points
    }
    first = decided[points[0].name]
    differ = [field for field, value in first.items() if any(own[field] != value for own in decided.values())]
    return {name: {field: own[field] for field in differ} for name, own in decided.items()}


def groups_of(points: Sequence[Point], axes: Sequence[Axis]) -> tuple[Group, ...]:
    """Points that one program can train together, in the order of the first of each."""
    grouped: dict[Any, list[Point]] = {}
    for point in points:
        own = [(axis, point.values[axis.field]) for axis in axes]
        carried = tuple(axis.field for axis, value in own if axis.carries(value))
        fixed = tuple(value for axis, value in own if not axis.carries(value))
        grouped.setdefault((carried, fixed), []).append(point)
    return tuple(Group(tuple(own), carried) for (carried, _), own in grouped.items())


def training_of(kind: str, config: SweepConfig, dataset: Dataset) -> tuple[Any, ...]:
    """Everything that a config has to say in the training of a kind: equal where the trainings are.

    The model, the text of every step's program with its constants, and how many there are of which size.
    """
    setting = setting_of(config, dataset)
    method = autoencoder_method(kind, setting)
    epochs = epochs_of(config, method)
    batch = min(config.train.batch_size, len(dataset.labels))
    optimizer = make_optimizer(config.optimizer, steps_per_epoch(len(dataset.labels), batch), epochs.whole)
    assert method.objective is not None
    objectives = [*(stage.objective for stage in method.stages), method.objective]
    key = jax.random.key(0)
    state = jax.eval_shape(lambda: init_state(KINDS[kind](setting).model.init(key), optimizer))
    inputs = jax.ShapeDtypeStruct((batch, setting.features), np.float32)
    labels = jax.ShapeDtypeStruct((batch,), np.int32)
    texts = []
    for objective in objectives:
        step = make_step(objective, optimizer)

        def program(state: TrainState, inputs: Array, labels: Array, step: Any = step) -> Any:
            return step(state, Batch(inputs, labels), key)

        texts.append(ADDRESS.sub("", str(jax.make_jaxpr(program)(state, inputs, labels))))
    return KINDS[kind](setting).model, epochs, batch, texts


def unused_axis(kind: str, config: SweepConfig, axes: Sequence[Axis], dataset: Dataset) -> Axis | None:
    """The first axis along which the training of a kind stays the same; of an axis of one value, nothing is known."""
    firsts = [axis.values[0] for axis in axes]
    here = None
    for index, axis in enumerate(axes):
        if len(axis.values) == 1:
            continue
        here = here or training_of(kind, point_at(config, axes, firsts, dataset).config, dataset)
        moved = [*firsts[:index], axis.values[1], *firsts[index + 1 :]]
        if training_of(kind, point_at(config, axes, moved, dataset).config, dataset) == here:
            return axis
    return None


def choose_kind(config: SweepConfig, axes: Sequence[Axis], dataset: Dataset) -> str:
    """The kind that was asked for, or the first that uses every axis.

    Raises:
        InputError: there is no such kind, or it does not use an axis.
    """
    if config.method is None:
        user = _first_user(config, axes, dataset)
        fields = " and ".join(axis.field for axis in axes)
        require(user, f"--axis {fields}: no kind of autoencoder uses this with these data and flags; see README.md")
        return str(user)
    check_methods((config.method,))
    require(config.method in KINDS, f"--method {config.method}: is no autoencoder; there are {', '.join(KINDS)}")
    if unused := unused_axis(config.method, config, axes, dataset):
        user = _first_user(config, (unused,), dataset)
        mend = f"--method {user} does" if user else "no kind does with these data and flags"
        raise InputError(f"--axis {unused.field}: {config.method} does not use it; {mend}")
    return config.method


def _first_user(config: SweepConfig, axes: Sequence[Axis], dataset: Dataset) -> str | None:
    """The first kind whose training changes along all of these axes.

    Raises:
        InputError: the settings suit no kind at all.
    """
    refusals = []
    kinds = [kind for kind in KINDS if kind not in IMAGE_KINDS or len(dataset.shape) == 3]
    for kind in kinds:
        try:
            if unused_axis(kind, config, axes, dataset) is None:
                return kind
        except InputError as refusal:  # they may still suit another kind
            refusals.append(refusal)
    if len(refusals) == len(kinds):
        raise refusals[0]
    return None
