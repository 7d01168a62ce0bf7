"""Training of a group of points: their settings and the seeds on one axis, by one program."""

import dataclasses
from collections.abc import Iterator

import jax
import numpy as np

from aejax.data.scalers import Scaler
from aejax.data.splits import Split
from aejax.kinds.carried import carried_kind
from aejax.kinds.kind import Setting
from aejax.kinds.registry import KINDS
from aejax.methods import Method, autoencoder_method, method_of
from aejax.models.parts import HYPER
from aejax.run.experiment import Experiment, setting_of
from aejax.run.keeping import Course
from aejax.run.scoring import Outcome, report_found, score_method, summary_line
from aejax.run.sweeping.points import Group, Point
from aejax.run.training import Trained, optimizer_for, start, train_method

SEEDED = ("train", "valid", "labelled_train", "labelled_valid")  # fields of a split with an axis of seeds


def at_group(experiment: Experiment, group: Group) -> Experiment:
    """The same data, split and plan with a group's config; of what its runs carry, the first point's."""
    config = group.points[0].config
    return dataclasses.replace(experiment, config=config, setting=setting_of(config, experiment.dataset))


def method_at(kind: str, group: Group, setting: Setting) -> Method:
    """How a group's points are trained: one method for all of them."""
    if not group.carried:
        return autoencoder_method(kind, setting)
    return dataclasses.replace(method_of(carried_kind(KINDS[kind], setting)), carries=True)


def laid_out(experiment: Experiment, settings: int) -> Experiment:
    """The experiment with every seed once for each of so many settings: row r is of seed r % seeds, setting r // seeds.

    Keys, rows, order and scaler are the seed's, so that points are paired and each is what its own run would be. The
    examples stay where they are: both plans have the same devices.
    """
    plan = dataclasses.replace(experiment.plan, seeds=settings * experiment.config.seeds)
    wide = dataclasses.replace(experiment, plan=plan)
    split: Split = dataclasses.replace(
        experiment.split, **{name: wide.laid(getattr(experiment.split, name)) for name in SEEDED}
    )
    scaler: Scaler = wide.laid(experiment.scaler)
    return dataclasses.replace(wide, split=split, scaler=scaler, seed_scaler=plan.put_seeded(scaler))


def train_group(experiment: Experiment, name: str, group: Group, method: Method) -> Trained:
    """Every seed of every point, in the order of `laid_out`; `experiment` is the group's own, `name` its training's."""
    seeds = experiment.config.seeds
    wide = laid_out(experiment, len(group.points))
    variables = start(wide, method)
    if group.carried:
        values = {
            field: np.repeat([np.float32(point.values[field]) for point in group.points], seeds)
            for field in group.carried
        }
        variables = {**variables, HYPER: wide.plan.put_seeded(values)}
    trained = train_method(wide, name, method, optimizer_for(wide, method), variables)
    return trained._replace(fit=wide.plan.fetch(trained.fit))


def of_point(trained: Trained, index: int, seeds: int) -> Trained:
    """One point's share of its group's training, on the host."""
    rows = slice(index * seeds, (index + 1) * seeds)
    course = trained.course
    return Trained(
        fit=jax.tree.map(lambda leaf: leaf[rows], trained.fit),
        course=Course(
            history={name: values[rows] for name, values in course.history.items()},
            diverged_epoch=course.diverged_epoch[rows],
            seconds=course.seconds / (len(course.diverged_epoch) // seeds),
        ),
    )


def outcomes_of(experiment: Experiment, name: str, group: Group, method: Method) -> Iterator[tuple[Point, Outcome]]:
    """Train a group's points together, then classify with each, by the program that a single run would use.

    Of points that an earlier attempt at the run has ended nothing is done again. `name` is the group's within the run.
    """
    own, reporter, keeper = at_group(experiment, group), experiment.reporter, experiment.keeper
    known = [keeper.found(f"{name}-point-{index}") for index in range(len(group.points))]
    trained = None
    if None in known:
        reporter.begin(group.name)
        trained = train_group(own, name, group, method)
    for index, (point, outcome) in enumerate(zip(group.points, known, strict=True)):
        if outcome is None:
            assert trained is not None
            outcome = _scored(own, point, method, of_point(trained, index, own.config.seeds))
            keeper.keep(f"{name}-point-{index}", outcome._replace(variables={}))
        else:
            report_found(own, outcome)
        yield point, outcome


def _scored(experiment: Experiment, point: Point, method: Method, trained: Trained) -> Outcome:
    experiment.reporter.begin(point.name)
    variables = experiment.plan.put_seeded(trained.fit.state.variables)
    outcome = score_method(experiment, point.name, method, variables, trained.course, trained.course.seconds)
    experiment.reporter.end(summary_line(outcome))
    return outcome
