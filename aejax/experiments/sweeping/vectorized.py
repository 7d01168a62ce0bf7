"""Training of a group of points by one program: their settings and the seeds share one axis."""

import dataclasses
import functools
from collections.abc import Container, Iterator

import jax
import numpy as np

from aejax.autoencoders.registry import find_kind
from aejax.autoencoders.spec import ProblemSpec, make_traced_spec
from aejax.config import ExperimentConfig
from aejax.config.sweep_axes import LABELS_FIELD
from aejax.data.selection_folds import make_selection_folds
from aejax.data.splits import make_split
from aejax.experiments.checkpointing import TrainingHistory
from aejax.experiments.compilation import Stopwatch
from aejax.experiments.experiment import Experiment
from aejax.experiments.method_result import MethodResult, load_or_score, score_method
from aejax.experiments.schedule import optimizer_for
from aejax.experiments.sweeping.grid import GridPoint, PointGroup
from aejax.experiments.training import TrainingResult, init_variables, tile_experiment, train_method
from aejax.methods.autoencoders import autoencoder_method, method_from_spec
from aejax.methods.method import Method
from aejax.models.submodules import HYPERPARAMETERS


def experiment_for_group(experiment: Experiment, group: PointGroup) -> Experiment:
    """Returns the experiment with a group's config; traced fields have the values of the first point."""
    return dataclasses.replace(experiment, config=group.points[0].config)


def with_labels_of(experiment: Experiment, config: ExperimentConfig) -> Experiment:
    """Returns the experiment with the labelled rows of a config; all other rows are the same."""
    split = make_split(experiment.dataset, config.split, config.seeds)
    folds = make_selection_folds(experiment.dataset, split)
    return dataclasses.replace(experiment, split=split, selection_folds=folds)


def method_for_group(kind: str, group: PointGroup, problem: ProblemSpec) -> Method:
    """Returns the method that trains all points of a group."""
    if not group.traced:
        return autoencoder_method(kind, problem)
    return dataclasses.replace(method_from_spec(make_traced_spec(find_kind(kind), problem)), traced=True)


def train_group(experiment: Experiment, name: str, group: PointGroup, method: Method) -> TrainingResult:
    """Trains every seed of every point, in the order of `tile_experiment`; `name` is the training's within the run."""
    seeds = experiment.config.seeds
    tiled = tile_experiment(experiment, len(group.trainings))
    variables = init_variables(tiled, method)
    if group.traced:
        values = {
            field: np.repeat([np.float32(point.values[field]) for point in group.trainings], seeds)
            for field in group.traced
        }
        variables = {**variables, HYPERPARAMETERS: tiled.plan.shard(values)}
    trained = train_method(tiled, name, method, optimizer_for(tiled, method), variables)
    return trained._replace(progress=tiled.plan.to_host(trained.progress))


def slice_point(trained: TrainingResult, index: int, seeds: int) -> TrainingResult:
    """Returns the training of one point from that of its group, on the host."""
    rows = slice(index * seeds, (index + 1) * seeds)
    history = trained.history
    return TrainingResult(
        progress=jax.tree.map(lambda leaf: leaf[rows], trained.progress),
        history=TrainingHistory(
            metrics={name: values[rows] for name, values in history.metrics.items()},
            diverged_epoch=history.diverged_epoch[rows],
            seconds=history.seconds / (len(history.diverged_epoch) // seeds),
        ),
    )


def score_points(
    experiment: Experiment, name: str, group: PointGroup, method: Method, names: Container[str]
) -> Iterator[tuple[GridPoint, MethodResult]]:
    """Trains a group's points of these names together, then scores each by the program that a single run would use.

    Points whose result an earlier attempt at the run saved are not trained again. `name` is the group's within the run.
    """
    part = group.restrict(names)
    if not part.points:
        return
    part_experiment = experiment_for_group(experiment, part)

    @functools.cache
    def train_once() -> tuple[TrainingResult, float]:
        experiment.reporter.start_method(part.name)
        watch = Stopwatch()
        return train_group(part_experiment, name, part, method), watch.compile_seconds / len(part.points)

    def score_point(point: GridPoint) -> MethodResult:
        trained, compile_seconds = train_once()
        index = [training.training_name for training in part.trainings].index(point.training_name)
        experiment.reporter.start_method(point.name)
        progress, history = slice_point(trained, index, part_experiment.config.seeds)
        variables = experiment.plan.shard(progress.state.variables)
        seconds = {"compile": compile_seconds, "pretrain": history.seconds}
        own = with_labels_of(part_experiment, point.config) if LABELS_FIELD in point.values else part_experiment
        return score_method(own, point.name, method, variables, history, seconds)._replace(variables={})

    for position, point in enumerate(group.points):  # shards save a point under the same name as the whole sweep
        if point.name in names:
            key, score = f"{name}-point-{position}", functools.partial(score_point, point)
            yield point, load_or_score(part_experiment, key, method, point.name, score)
