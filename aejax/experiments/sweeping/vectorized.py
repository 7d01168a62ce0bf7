"""Training of a group of points: their settings and the seeds on one axis, by one program."""

import dataclasses
import functools
from collections.abc import Iterator

import jax
import numpy as np

from aejax.autoencoders.registry import KINDS
from aejax.autoencoders.spec import ProblemSpec
from aejax.autoencoders.traced import make_traced_spec
from aejax.data.scalers import Scaler
from aejax.data.splits import Split
from aejax.experiments.checkpointing import TrainingHistory
from aejax.experiments.compilation import Stopwatch
from aejax.experiments.experiment import Experiment, problem_spec_for
from aejax.experiments.method_result import MethodResult, load_or_score, score_method
from aejax.experiments.schedule import optimizer_for
from aejax.experiments.sweeping.grid import GridPoint, PointGroup
from aejax.experiments.training import TrainingResult, init_variables, train_method
from aejax.methods import Method, autoencoder_method, method_from_spec
from aejax.models.submodules import HYPERPARAMETERS

SEED_AXIS_FIELDS = ("train", "valid", "labelled_train", "labelled_valid")  # fields of a split with an axis of seeds


def experiment_for_group(experiment: Experiment, group: PointGroup) -> Experiment:
    """The same data, split and plan with a group's config; of what its runs carry, the first point's."""
    config = group.points[0].config
    return dataclasses.replace(experiment, config=config, problem=problem_spec_for(config, experiment.dataset))


def method_for_group(kind: str, group: PointGroup, setting: ProblemSpec) -> Method:
    """How a group's points are trained: one method for all of them."""
    if not group.traced:
        return autoencoder_method(kind, setting)
    return dataclasses.replace(method_from_spec(make_traced_spec(KINDS[kind], setting)), traced=True)


def tile_experiment(experiment: Experiment, n_points: int) -> Experiment:
    """The experiment with every seed once for each of so many settings: row r is of seed r % seeds, setting r // seeds.

    Keys, rows, order and scaler are the seed's, so that points are paired and each is what its own run would be. The
    examples stay where they are: both plans have the same devices.
    """
    plan = dataclasses.replace(experiment.plan, seeds=n_points * experiment.config.seeds)
    wide = dataclasses.replace(experiment, plan=plan)
    split: Split = dataclasses.replace(
        experiment.split, **{name: wide.tile_seeds(getattr(experiment.split, name)) for name in SEED_AXIS_FIELDS}
    )
    scaler: Scaler = wide.tile_seeds(experiment.scaler)
    return dataclasses.replace(wide, split=split, scaler=scaler, device_scaler=plan.shard(scaler))


def train_group(experiment: Experiment, name: str, group: PointGroup, method: Method) -> TrainingResult:
    """Every seed of every point, in the order of `laid_out`; `experiment` is the group's own, `name` its training's."""
    seeds = experiment.config.seeds
    wide = tile_experiment(experiment, len(group.points))
    variables = init_variables(wide, method)
    if group.traced:
        values = {
            field: np.repeat([np.float32(point.values[field]) for point in group.points], seeds)
            for field in group.traced
        }
        variables = {**variables, HYPERPARAMETERS: wide.plan.shard(values)}
    trained = train_method(wide, name, method, optimizer_for(wide, method), variables)
    return trained._replace(progress=wide.plan.to_host(trained.progress))


def slice_point(trained: TrainingResult, index: int, seeds: int) -> TrainingResult:
    """One point's share of its group's training, on the host."""
    rows = slice(index * seeds, (index + 1) * seeds)
    course = trained.history
    return TrainingResult(
        progress=jax.tree.map(lambda leaf: leaf[rows], trained.progress),
        history=TrainingHistory(
            metrics={name: values[rows] for name, values in course.metrics.items()},
            diverged_epoch=course.diverged_epoch[rows],
            seconds=course.seconds / (len(course.diverged_epoch) // seeds),
        ),
    )


def score_points(
    experiment: Experiment, name: str, group: PointGroup, method: Method
) -> Iterator[tuple[GridPoint, MethodResult]]:
    """Trains a group's points together, then scores each by the program that a single run would use.

    Points whose result an earlier attempt at the run saved are not trained again. `name` is the group's within the run.
    """
    group_experiment = experiment_for_group(experiment, group)

    @functools.cache
    def train_once() -> tuple[TrainingResult, float]:
        experiment.reporter.start_method(group.name)
        watch = Stopwatch()
        return train_group(group_experiment, name, group, method), watch.compile_seconds / len(group.points)

    def score_point(index: int, point: GridPoint) -> MethodResult:
        trained, compile_seconds = train_once()
        experiment.reporter.start_method(point.name)
        progress, history = slice_point(trained, index, group_experiment.config.seeds)
        variables = experiment.plan.shard(progress.state.variables)
        seconds = {"compile": compile_seconds, "pretrain": history.seconds}
        result = score_method(group_experiment, point.name, method, variables, history, seconds)
        return result._replace(variables={})

    for index, point in enumerate(group.points):
        score = functools.partial(score_point, index, point)
        yield point, load_or_score(group_experiment, f"{name}-point-{index}", method, point.name, score)
