"""`compare.py --tune`: a kind of autoencoder at several settings, of which each training chooses one by validation."""

import dataclasses

import jax
import numpy as np

from aejax.autoencoders.tuning_space import draw_settings, tuned_kind
from aejax.config import CompareConfig
from aejax.config.traced_hyperparameters import TRACEABLE_FIELDS
from aejax.errors import require
from aejax.evaluate.metrics import metric_values
from aejax.evaluate.tuning import TuningReport, choose_settings, expected_of_best
from aejax.experiments.checkpointing import TrainingHistory
from aejax.experiments.compilation import Stopwatch, clear_compiled
from aejax.experiments.experiment import Experiment
from aejax.experiments.method_result import MethodResult, score_method
from aejax.experiments.sweeping.grid import GridPoint, PointGroup
from aejax.experiments.sweeping.vectorized import experiment_for_group, method_for_group, slice_point, train_group
from aejax.experiments.training import TrainingResult
from aejax.methods.method import Method
from aejax.models.submodules import HYPERPARAMETERS, Variables


def require_tunable(config: CompareConfig) -> None:
    """Raises `InputError` if `--tune` is given with a probe that has no validation loss to choose by."""
    require(
        config.tune is None
        or (config.probe.probe in ("logistic", "ridge", "top-units") and config.probe.probe_c is None),
        "--tune: chooses by the validation loss of a linear probe; leave out --probe knn or finetune, and --probe-c",
    )


def tune_and_score(experiment: Experiment, name: str, method: Method, count: int) -> MethodResult:
    """Trains `count` settings of a kind together, chooses one for each seed, and scores the chosen trainings.

    Args:
        experiment: the data and the config.
        name: of the kind, or of a frozen control of it.
        method: with the config's own settings.
        count: of the settings.
    """
    watch, kind = Stopwatch(), tuned_kind(name)
    assert kind is not None
    points = [_make_point(experiment, values) for values in draw_settings(kind, experiment.config, count)]
    group = PointGroup(tuple(points), tuple(points[0].values))
    group_experiment = experiment_for_group(experiment, group)
    traced = _like(method, method_for_group(kind, group, group_experiment.problem))
    trained = train_group(group_experiment, f"{name}-settings", group, traced)
    slices = [slice_point(trained, index, experiment.config.seeds) for index in range(count)]
    seconds = {"compile": watch.compile_seconds, "pretrain": trained.history.seconds}
    report = _score_settings(group_experiment, name, traced, points, slices)
    variables, history = _choose(slices, report)
    chosen = score_method(experiment, name, method, experiment.plan.shard(variables), history, seconds)
    clear_compiled((experiment.examples, chosen.variables))
    return chosen._replace(settings=[report.settings[index] for index in report.chosen], tuning=report)


def _like(method: Method, traced: Method) -> Method:
    """Returns the method of a kind with traced hyperparameters, with the same half frozen as in `method`."""
    stages = zip(traced.stages, method.stages, strict=True)
    return dataclasses.replace(
        traced,
        role=method.role,
        architecture_of=method.architecture_of,
        frozen_part=method.frozen_part,
        stages=tuple(stage._replace(trainable_paths=own.trainable_paths) for stage, own in stages),
    )


def _make_point(experiment: Experiment, values: dict[str, float]) -> GridPoint:
    config = experiment.config
    for section, fields in TRACEABLE_FIELDS.items():
        of_section = {field: value for field, value in values.items() if field in fields}
        config = dataclasses.replace(config, **{section: dataclasses.replace(getattr(config, section), **of_section)})
    return GridPoint(values, config)


def _score_settings(
    experiment: Experiment, name: str, method: Method, points: list[GridPoint], slices: list[TrainingResult]
) -> TuningReport:
    """Classifies with every setting and chooses one for each seed."""
    valid_nll, test_metric = [], []
    for point, trained in zip(points, slices, strict=True):
        experiment.reporter.set_status(f"with {point.name}")
        variables = experiment.plan.shard(trained.progress.state.variables)
        result = score_method(experiment, name, method, variables, None, {"compile": 0.0, "pretrain": 0.0})
        assert result.classifier_report.probe is not None
        valid_nll.append(result.classifier_report.probe.valid_nll)
        values = metric_values(experiment.evaluation.metric, result.scores, experiment.test_labels)
        test_metric.append(values.mean(axis=1, dtype=np.float64))
    losses, metrics = np.array(valid_nll, np.float64), np.array(test_metric)
    return TuningReport(
        settings=[point.values for point in points],
        valid_nll=losses,
        test_metric=metrics,
        chosen=choose_settings(losses),
        expected=expected_of_best(losses, metrics),
    )


def _choose(slices: list[TrainingResult], report: TuningReport) -> tuple[Variables, TrainingHistory]:
    """Returns the variables and the history of the chosen training of every seed."""
    seeds = np.arange(len(report.chosen))
    variables, metrics, diverged = jax.tree.map(
        lambda *leaves: np.stack([leaves[report.chosen[seed]][seed] for seed in seeds]),
        *((one.progress.state.variables, one.history.metrics, one.history.diverged_epoch) for one in slices),
    )
    seconds = sum(one.history.seconds for one in slices)
    without = {collection: leaves for collection, leaves in variables.items() if collection != HYPERPARAMETERS}
    return without, TrainingHistory(metrics, diverged, seconds)
