"""From a method to its scores of the test rows: train, extract features, classify, score once."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from aejax.evaluate.metrics import Scores, metric_values, score_predictions
from aejax.evaluate.tuning import TuningReport
from aejax.evaluate.verdict_metrics import VERDICT_METRICS
from aejax.experiments.checkpointing import TrainingHistory
from aejax.experiments.classifier_training import finetune, supervised_spec, train_classifier
from aejax.experiments.compilation import Stopwatch, clear_compiled
from aejax.experiments.experiment import Experiment
from aejax.experiments.feature_evaluation import (
    FeatureEvaluation,
    evaluate_features,
    evaluate_own_classifier,
    fit_host_classifier,
)
from aejax.experiments.probes import ClassifierReport, classifier_name
from aejax.experiments.representation_metrics import (
    RepresentationMetrics,
    evaluate_autoencoder,
    evaluate_representation,
)
from aejax.experiments.schedule import is_finetuned, optimizer_for
from aejax.experiments.training import init_variables, train_method
from aejax.methods.method import Method, Role
from aejax.models.submodules import Variables


class MethodResult(NamedTuple):
    """One method of a run, on the host. Runs save it, so its fields keep their names."""

    name: str
    width: int  # of the features that are classified
    scores: Scores
    measures: dict[str, Float[np.ndarray, " seeds"]]  # further metrics of an autoencoder, by name
    variables: Variables  # of every seed
    seconds: dict[str, float]  # compile, pretrain, probe
    reconstruction_mse: Float[np.ndarray, " seeds"] | None = None
    classifier_report: ClassifierReport = ClassifierReport()
    features_of: str | None = None  # the method that has the same features, if another one has
    history: TrainingHistory | None = None  # None: not trained
    shared_training: bool = False  # the training is that of `features_of`
    representation: RepresentationMetrics | None = None  # None: the features are another method's
    role: Role = "control"  # results that version 0.1.0 saved have none
    settings: list[dict[str, Any]] | None = None  # chosen for each seed; None: the method has none to choose
    tuning: TuningReport | None = None  # what `--tune` tried


def fit_and_score(
    experiment: Experiment, name: str, method: Method, shared_from: MethodResult | None = None
) -> MethodResult:
    """Initializes, trains and scores one method for every seed.

    If another result has the same features, `shared_from`, its variables are used instead of training again.
    """
    watch, settings = Stopwatch(), None
    if shared_from is None:
        variables, history, settings = _fit(experiment, name, method)
        seconds = {"compile": watch.compile_seconds, "pretrain": watch.run_seconds}
    else:
        variables, history = experiment.plan.shard(shared_from.variables), shared_from.history
        seconds = {"compile": 0.0, "pretrain": 0.0}
    result = score_method(experiment, name, method, variables, history, seconds)
    clear_compiled((experiment.examples, result.variables))
    return result._replace(shared_training=shared_from is not None, settings=settings or result.settings)


def _fit(
    experiment: Experiment, name: str, method: Method
) -> tuple[Variables, TrainingHistory | None, list[dict[str, Any]] | None]:
    """Returns variables, history, and the settings that were chosen by the labels."""
    if method.fit_predict is not None:  # a classifier of the scaled inputs, which has no variables
        return {}, None, None
    variables = init_variables(experiment, method)
    if method.supervised:
        fitted = train_classifier(experiment, name, variables, supervised_spec(experiment, method))
        return jax.block_until_ready(fitted.variables), fitted.history, fitted.selection.settings
    if method.objective is None:
        return variables, None, None
    trained = train_method(experiment, name, method, optimizer_for(experiment, method), variables)
    return jax.block_until_ready(trained.progress.state.variables), trained.history, None


def score_method(
    experiment: Experiment,
    name: str,
    method: Method,
    variables: Variables,
    history: TrainingHistory | None,
    training_seconds: dict[str, float],
) -> MethodResult:
    """Classifies with fitted variables and scores the test rows, once.

    A seed that diverged is scored with its last finite weights; the history marks it.

    Args:
        experiment: the data and the config.
        name: of the method.
        method: how features are made.
        variables: of every seed, on the devices.
        history: of the training, if there was one.
        training_seconds: `compile` and `pretrain`.

    Raises:
        LeakageError: the features of an example depend on the other examples of its batch.
    """
    experiment.reporter.start_stage("probe")
    watch = Stopwatch()
    host_variables = experiment.plan.to_host(variables)
    features = _evaluate_features(experiment, name, method, variables, host_variables)
    classifier = features.classifier
    assert classifier is not None
    mse, metrics = evaluate_autoencoder(experiment, method, variables, features.metrics)
    compile_seconds = training_seconds["compile"] + watch.compile_seconds
    seconds = {**training_seconds, "compile": compile_seconds, "probe": watch.run_seconds}
    diagnosed = features.diagnostic_features
    experiment.reporter.start_stage("diagnose")
    return MethodResult(
        name=name,
        width=features.width,
        scores=score_predictions(classifier.log_probs, experiment.test_labels, experiment.evaluation.metric),
        measures=metrics,
        variables=host_variables,
        seconds=seconds,
        reconstruction_mse=mse,
        classifier_report=classifier.report,
        features_of=method.features_of,
        history=history,
        representation=None if diagnosed is None else evaluate_representation(experiment, diagnosed),
        role=method.role,
        settings=classifier.settings,
        tuning=classifier.tuning,
    )


def _evaluate_features(
    experiment: Experiment, name: str, method: Method, variables: Variables, host_variables: Variables
) -> FeatureEvaluation:
    """Classifies by the method itself, by its fine-tuned encoder (`--probe finetune`), or by a probe of features."""
    if method.fit_predict is not None:
        return FeatureEvaluation(experiment.problem.n_features, fit_host_classifier(experiment, method), {}, None)
    if method.log_probs is not None:
        return evaluate_own_classifier(experiment, name, method, variables, host_variables)
    if is_finetuned(experiment.config, method):
        assert method.model is not None
        classifier = finetune(experiment, f"{name}-finetune", method.model, variables)
        return evaluate_features(experiment, name, method, host_variables, None)._replace(classifier=classifier)
    key = classifier_name(experiment.config.probe, method)
    return evaluate_features(experiment, name, method, host_variables, key)


def load_or_score(
    experiment: Experiment, key: str, method: Method, name: str, score: Callable[[], MethodResult]
) -> MethodResult:
    """Returns the result that an earlier attempt at this run saved under `key`, or else `score()`, and saves it."""
    reporter = experiment.reporter
    reporter.start_method(name)
    saved: MethodResult | None = experiment.result_cache.load_result(key)
    if saved is None:
        result = score()
        experiment.result_cache.save_result(key, result)
        reporter.finish_method(summary_line(experiment, result))
        return result
    result = saved._replace(role=method.role)
    reporter.finish_method(f"{summary_line(experiment, result)}, from before")
    return result


def summary_line(experiment: Experiment, result: MethodResult) -> str:
    """Returns the line that the progress display shows of a finished method, with the metric of the verdicts."""
    metric = VERDICT_METRICS[experiment.evaluation.metric]
    value = float(metric_values(metric.name, result.scores, experiment.test_labels).mean())
    parts = [f"{result.width} features", f"test {metric.format_value(value)}"]
    if result.history is not None and not result.shared_training:
        diverged = int(np.count_nonzero(result.history.diverged_epoch))
        parts.append(f"{result.history.epochs} epochs")
        parts += [f"{diverged} seed(s) diverged"] if diverged else []
    return ", ".join([*parts, f"{sum(result.seconds.values()):.1f} s"])
