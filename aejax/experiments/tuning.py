"""`compare.py --tune`: a method at several settings, of which each training chooses one by validation."""

import dataclasses
from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import Float, Int

from aejax.config import CompareConfig
from aejax.config.train import TRACEABLE_FIELDS
from aejax.errors import require
from aejax.experiments.checkpointing import TrainingHistory
from aejax.experiments.compilation import Stopwatch, clear_compiled
from aejax.experiments.experiment import Experiment
from aejax.experiments.feature_evaluation import report_settings
from aejax.experiments.method_result import MethodResult, fit_and_score, score_method
from aejax.experiments.sweeping.grid import GridPoint, PointGroup
from aejax.experiments.sweeping.vectorized import experiment_for_group, method_for_group, slice_point, train_group
from aejax.methods.method import Method
from aejax.methods.tuning_space import CONTROLS, draw_control_settings, draw_settings, tuned_kind
from aejax.models.submodules import HYPERPARAMETERS, Variables


def require_tunable(config: CompareConfig) -> None:
    """Raises `InputError` if `--tune` is given with a probe that has no validation loss to choose by."""
    require(
        config.tune is None
        or (config.probe.probe in ("logistic", "ridge", "top-units") and config.probe.probe_c is None),
        "--tune: chooses by the validation loss of a linear probe; leave out --probe knn or finetune, and --probe-c",
    )


Trial = tuple[dict[str, float], MethodResult]  # settings of a method, and its result with them


def tune_and_score(experiment: Experiment, name: str, method: Method, count: int) -> MethodResult:
    """Fits `count` settings of a method that has some, chooses one for each seed, and scores the chosen fits."""
    watch = Stopwatch()
    fit = _fit_controls if tuned_kind(name) is None else _fit_kinds
    tried, results = zip(*fit(experiment, name, method, count), strict=True)
    losses = np.array([_validation_loss(result) for result in results], np.float64)
    report = report_settings(experiment, list(tried), losses, [result.scores for result in results])
    variables, history = _choose(results, report.chosen)
    pretrain = sum(result.seconds["pretrain"] for result in results)
    seconds = {"compile": watch.compile_seconds, "pretrain": pretrain}
    chosen = score_method(experiment, name, method, experiment.plan.shard(variables), history, seconds)
    clear_compiled((experiment.examples, chosen.variables))
    by_labels = [results[index].settings for index in report.chosen]  # as without `--tune`
    settings = [
        {**tried[index], **(by_seed[seed] if by_seed else {})}
        for seed, (index, by_seed) in enumerate(zip(report.chosen, by_labels, strict=True))
    ]
    return chosen._replace(settings=settings, tuning=report)


def _fit_kinds(experiment: Experiment, name: str, method: Method, count: int) -> list[Trial]:
    """Trains the settings of a kind of autoencoder, or of a frozen control of it, by one program."""
    kind = tuned_kind(name)
    assert kind is not None
    points = [_make_point(experiment, values) for values in draw_settings(kind, experiment.config, count)]
    group = PointGroup(tuple(points), tuple(points[0].values))
    group_experiment = experiment_for_group(experiment, group)
    traced = _like(method, method_for_group(kind, group, group_experiment.problem))
    trained, trials = train_group(group_experiment, f".{name}-settings", group, traced), []
    for index, point in enumerate(points):
        experiment.reporter.set_status(f"with {point.name}")
        progress, history = slice_point(trained, index, experiment.config.seeds)
        variables = experiment.plan.shard(progress.state.variables)
        seconds = {"compile": 0.0, "pretrain": history.seconds}
        result = score_method(group_experiment, name, traced, variables, history, seconds)
        untraced = {part: leaves for part, leaves in result.variables.items() if part != HYPERPARAMETERS}
        trials.append((point.values, result._replace(variables=untraced)))
    return trials


def _fit_controls(experiment: Experiment, name: str, method: Method, count: int) -> list[Trial]:
    """Fits the settings of a control one after the other; a run that continues takes those that it has finished.

    Networks that learn from labels have other learning rates, and choose weight decay and epochs with each.
    """
    if method.supervised:
        drawn = draw_settings(name, experiment.config, count)
        candidates = [
            (values, dataclasses.replace(experiment, config=_make_point(experiment, values).config), method)
            for values in drawn
        ]
    else:
        drawn = draw_control_settings(name, experiment.problem, count)
        make = CONTROLS[name].make
        candidates = [(values, experiment, make(experiment.problem, **values)) for values in drawn]
    trials, cache = [], experiment.result_cache
    for index, (values, with_values, of_values) in enumerate(candidates):
        key = f".{name}-setting-{index}"  # no method has a name with a dot before it
        experiment.reporter.set_status(f"setting {index + 1} of {count}")
        result: MethodResult | None = cache.load_result(key)
        if result is None:
            result = fit_and_score(with_values, key, of_values)
            cache.save_result(key, result)
        trials.append((values, result))
    return trials


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
    for section, fields in TRACEABLE_FIELDS.items():  # unchecked: a penalty beyond float32 diverges and is not chosen
        of_section = {field: value for field, value in values.items() if field in fields}
        config = dataclasses.replace(config, **{section: dataclasses.replace(getattr(config, section), **of_section)})
    return GridPoint(values, config)


def _validation_loss(result: MethodResult) -> Float[np.ndarray, " seeds"]:
    """Returns the loss of the probe, or of a network of its own at the epoch that was chosen; NaN: no validation."""
    if result.classifier_report.probe is not None:
        return result.classifier_report.probe.valid_nll
    assert result.history is not None
    assert result.settings is not None
    losses = result.history.metrics.get("valid_loss")
    if losses is None:
        return np.full(len(result.settings), np.nan)
    return losses[np.arange(len(losses)), [chosen["epochs"] - 1 for chosen in result.settings]]


def _choose(
    results: Sequence[MethodResult], chosen: Int[np.ndarray, " seeds"]
) -> tuple[Variables, TrainingHistory | None]:
    """Returns the variables and the history of the chosen result of every seed."""

    def by_seed(*leaves: np.ndarray) -> np.ndarray:
        return np.stack([leaves[index][seed] for seed, index in enumerate(chosen)])

    variables = jax.tree.map(by_seed, *(result.variables for result in results))
    histories = [result.history for result in results if result.history is not None]
    if not histories:
        return variables, None
    longest = max(history.epochs for history in histories)
    padded = [{name: _pad_epochs(values, longest) for name, values in one.metrics.items()} for one in histories]
    diverged = by_seed(*(history.diverged_epoch for history in histories))
    seconds = sum(history.seconds for history in histories)
    return variables, TrainingHistory(jax.tree.map(by_seed, *padded), diverged, seconds)


def _pad_epochs(values: Float[np.ndarray, "seeds epochs"], epochs: int) -> Float[np.ndarray, "seeds longest"]:
    """Returns values with NaN for epochs that a selection did not need."""
    return np.pad(values, [(0, 0), (0, epochs - values.shape[1])], constant_values=np.nan)
