"""Everything computed from a method's features, or by a method with a classifier of its own, for every seed."""

import functools
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Int

from aejax.config import CompareConfig
from aejax.data.label_budget import make_seed_labels
from aejax.data.leakage import LeakageError
from aejax.errors import InputError, require
from aejax.evaluate.metrics import Scores, metric_values, score_predictions
from aejax.evaluate.tuning import TuningReport, choose_settings, expected_of_best
from aejax.experiments.compilation import malloc_trim
from aejax.experiments.experiment import Experiment, explain_no_validation
from aejax.experiments.feature_extraction import (
    ExtractedFeatures,
    apply_to_test_rows,
    extract_features,
    gather_features,
    scaled_inputs,
)
from aejax.experiments.probes import ClassifierFit, fit_classifier
from aejax.experiments.representation_metrics import chunk_code_metrics, has_own_codes, select_diagnostic_rows
from aejax.methods.external import DatasetRows
from aejax.methods.method import HostProblem, Method, TriedSettings
from aejax.methods.tuning import MAX_SELECTION_ROWS
from aejax.models.submodules import Variables
from aejax.train.plan import to_numpy

CHECK_BATCH_SIZE = 8  # test examples that are encoded in one batch
RELATIVE_TOLERANCE = 0.01  # of the largest value: smaller differences are rounding errors
MAX_MISMATCH_SHARE = 0.25  # of the examples: a tie between two units may be resolved either way


class FeatureEvaluation(NamedTuple):
    """What a method's features of every seed give, on the host."""

    width: int  # numbers in one example's features
    classifier: ClassifierFit | None
    metrics: dict[str, Float[np.ndarray, " seeds"]]  # of codes
    diagnostic_features: Float[np.ndarray, "copies m d"] | None  # of the diagnosed rows; one copy if seeds share them


def evaluate_features(
    experiment: Experiment, name: str, method: Method, variables: Variables, classifier: str | None
) -> FeatureEvaluation:
    """Extracts and classifies features, one chunk of seeds after the other, so that few are in memory at a time.

    Variables are those of every seed, on the host. The classifier is a key in `CLASSIFIERS`, or None.

    Raises:
        LeakageError: the features of an example depend on the other examples of its batch.
        InputError: the features are too large for float32.
    """
    plan, split = experiment.plan, experiment.split
    labels = make_seed_labels(experiment.training_labels, split.labelled, permuted=method.permute_labels)
    fitted = experiment.scaler.shift.shape[1] > 1 or experiment.scaler.fill is not None
    external = make_external_features(experiment, name, method)
    unfitted = (method.is_identity and not fitted) or (external is not None and external.ndim == 2)
    same_for_all = unfitted and split.shared_test  # no seed changes the features of the diagnosed rows
    one_classifier = same_for_all and _have_many_labels_in_common(labels, split.labelled)
    fits: list[ClassifierFit] = []
    metrics, width = [], 0
    diagnosed: list[Float[np.ndarray, "rows m d"]] = []
    for number, chunk in enumerate(plan.chunks()):
        features = extract_features(experiment, chunk, method, variables, external)
        width = features.width
        if number == 0 and not features.shared and external is None:
            first = to_numpy(features.values[0, split.test[0, :CHECK_BATCH_SIZE]])
            require_evaluation_mode(experiment, name, method.encode, variables, first)
        if classifier is not None and not (one_classifier and fits):
            fit = functools.partial(fit_classifier, experiment, chunk, classifier, labels=labels)
            widths = method.candidate_widths
            fits.append(fit_best_width(fit, features, widths) if widths else fit(features))
        if has_own_codes(method):
            metrics.append(chunk_code_metrics(experiment, chunk, method, features))
        if method.features_of is None and not (same_for_all and diagnosed):
            diagnosed.append(gather_features(experiment, chunk, features, select_diagnostic_rows(experiment)))
        malloc_trim(features)
        del features  # otherwise it stays in memory until the next chunk's features exist
    return FeatureEvaluation(
        width=width,
        classifier=_join(fits, plan.seeds if one_classifier else None) if fits else None,
        metrics=plan.concatenate(metrics) if metrics else {},
        diagnostic_features=(diagnosed[0][:1] if same_for_all else plan.concatenate(diagnosed)) if diagnosed else None,
    )


def _have_many_labels_in_common(labels: Int[np.ndarray, "seeds n"], labelled: Int[np.ndarray, "seeds m"]) -> bool:
    """Returns whether all seeds have the same labels on the same rows, and more than classifiers on the host need.

    Seeds with the same features are then classified alike but for the rows that choose the strength: the first seed's
    choice and fit serve all of them, as with `methods.tuning.tuned`.
    """
    rows = np.sort(labelled, axis=1)
    return rows.shape[1] > sum(MAX_SELECTION_ROWS) and bool((rows == rows[0]).all() and (labels == labels[0]).all())


def _join(fits: list[ClassifierFit], seeds: int | None) -> ClassifierFit:
    """Joins the classifiers of all chunks, or repeats that of the first seed for all seeds."""
    joined: ClassifierFit = jax.tree.map(lambda *parts: np.concatenate(parts), *fits)
    if seeds is not None:
        joined = jax.tree.map(lambda leaf: np.repeat(leaf[:1], seeds, axis=0), joined)
    settings = None if joined.width is None else [{"width": width} for width in joined.width.tolist()]
    return joined._replace(settings=settings)


def make_external_features(
    experiment: Experiment, name: str, method: Method
) -> Float[np.ndarray, "n d"] | Float[np.ndarray, "seeds n d"] | None:
    """Returns the features of a method that makes them on the host; None for every other method.

    Raises:
        InputError: they do not fit the data; the message names the method.
        LeakageError: those of an example depend on other examples.
    """
    if method.make_features is None:
        return None
    rows = experiment.split.check_training_rows(experiment.split.train, "a representation")
    try:
        return method.make_features(DatasetRows(experiment.dataset.inputs, rows, experiment.dataset.offsets))
    except (InputError, LeakageError) as error:
        raise type(error)(f"{name}: {error}") from None


def evaluate_own_classifier(
    experiment: Experiment, name: str, method: Method, variables: Variables, host_variables: Variables
) -> FeatureEvaluation:
    """Returns the predictions of a method's own classifier, `log_probs`, and its features of the diagnosed rows.

    Raises:
        LeakageError: the prediction of an example depends on the other examples of its batch.
    """
    assert method.log_probs is not None
    log_probs = apply_to_test_rows(experiment, method.log_probs, variables)
    require_evaluation_mode(experiment, name, method.log_probs, host_variables, log_probs[0, :CHECK_BATCH_SIZE])
    features = apply_to_test_rows(experiment, method.encode, variables, select_diagnostic_rows(experiment))
    return FeatureEvaluation(features.shape[-1], ClassifierFit(log_probs), {}, features)


def fit_host_classifier(experiment: Experiment, method: Method) -> ClassifierFit:
    """Calls `Method.fit_predict` for one seed after the other; each of several processes computes all seeds."""
    assert method.fit_predict is not None
    config, split, predictions, ratings = experiment.config, experiment.split, [], dict[str, Any]()
    tune = config.tune if isinstance(config, CompareConfig) else None
    labels = make_seed_labels(experiment.training_labels, split.labelled, permuted=method.permute_labels)
    for seed in range(experiment.plan.seeds):
        experiment.reporter.set_status(f"seed {seed + 1} of {experiment.plan.seeds}")
        problem = host_problem(experiment, seed, labels[seed])
        with warnings.catch_warnings():  # scikit-learn takes few labels of many classes for numbers to be predicted
            warnings.filterwarnings("ignore", "The number of unique classes is greater than 50%", UserWarning)
            predictions.append(method.fit_predict(problem._replace(tune=tune, ratings=ratings)))
    tried = [prediction.tried for prediction in predictions if prediction.tried is not None]
    return ClassifierFit(
        np.stack([prediction.log_probs for prediction in predictions]),
        settings=[dict(prediction.settings) for prediction in predictions],
        tuning=_report_tuning(experiment, tried) if tried else None,
    )


def _report_tuning(experiment: Experiment, tried: list[TriedSettings]) -> TuningReport:
    """Returns what the settings give that all seeds tried; values that depend on the data are those of seed 0."""
    count = min(len(one.settings) for one in tried)
    metric, labels = experiment.evaluation.metric, experiment.test_labels
    predictions = [np.stack([one.log_probs[index] for one in tried]) for index in range(count)]
    scores = [score_predictions(log_probs, labels, metric) for log_probs in predictions]
    losses = np.stack([one.valid_nll[:count] for one in tried], axis=1)
    return report_settings(experiment, tried[0].settings[:count], losses, scores)


def report_settings(
    experiment: Experiment,
    settings: list[dict[str, Any]],
    valid_nll: Float[np.ndarray, "settings seeds"],
    scores: Sequence[Scores],
) -> TuningReport:
    """Returns what settings with these validation losses and scores give, and the choice of each seed."""
    metric, labels = experiment.evaluation.metric, experiment.test_labels
    metrics = np.stack([metric_values(metric, one, labels).mean(axis=1, dtype=np.float64) for one in scores])
    chosen, expected = choose_settings(valid_nll), expected_of_best(valid_nll, metrics)
    return TuningReport(settings, valid_nll, metrics, chosen, expected)


def host_problem(experiment: Experiment, seed: int, labels: Int[np.ndarray, " n"]) -> HostProblem:
    """Returns what a classifier of one seed may see; labels are those of all rows, as it sees them."""
    split, folds = experiment.split, experiment.selection_folds
    rows = np.union1d(split.train[seed], split.labelled[seed])
    labelled_rows = np.sort(split.labelled[seed])
    return HostProblem(
        inputs=scaled_inputs(experiment, seed, rows),
        labelled=np.searchsorted(rows, labelled_rows),
        labels=labels[labelled_rows],
        fold_train=np.searchsorted(labelled_rows, folds.train[seed]),
        fold_valid=np.searchsorted(labelled_rows, folds.valid[seed]),
        test_inputs=scaled_inputs(experiment, seed, split.test[seed]),
        n_classes=experiment.dataset.n_classes,
        seed=seed,
        example_shape=experiment.dataset.example_shape,
    )


def fit_best_width(
    fit: Callable[[ExtractedFeatures], ClassifierFit], features: ExtractedFeatures, widths: Sequence[int]
) -> ClassifierFit:
    """Fits a probe of each width and returns, for every seed, the one of lowest validation loss; the first of equals.

    The features are ordered, such as principal components, and widths are numbers of leading ones; all features are
    always tried.
    """
    tried = [*(width for width in sorted(widths) if width < features.width), features.width]
    fits = [fit(features._replace(values=features.values[..., :width])) for width in tried]
    reports = [one.report.probe or one.report.neighbours for one in fits]
    losses = np.stack([report.valid_nll for report in reports if report is not None and report.valid_nll is not None])
    best = np.argmin(losses, axis=0)
    chosen: ClassifierFit = jax.tree.map(lambda *leaves: np.stack(leaves)[best, np.arange(len(best))], *fits)
    return chosen._replace(width=np.array(tried)[best])


def require_selection(experiment: Experiment, methods: Mapping[str, Method]) -> None:
    """Raises InputError if a method has no rows or no loss to choose its settings or its width by."""
    choosing = [name for name, method in methods.items() if method.fit_predict is not None]
    cause, fix = explain_no_validation(experiment.config.split)
    require(
        not choosing or experiment.selection_folds.can_select,
        f"{cause}: leaves no validation rows to choose settings by; {fix}, or leave {' and '.join(choosing)} out of "
        "--methods",
    )
    by_loss = [name for name, method in methods.items() if method.candidate_widths]
    c = experiment.config.probe.probe_c
    require(
        not by_loss or c is None,
        f"--probe-c {c}: leaves no validation loss to choose a width by; leave it out, or {' and '.join(by_loss)} out "
        "of --methods",
    )


def require_evaluation_mode(
    experiment: Experiment,
    name: str,
    apply: Callable[..., Any],
    variables: Variables,
    single_outputs: Float[np.ndarray, "n ..."],
) -> None:
    """Raises LeakageError if the output for an example depends on its batch or on chance.

    Features are extracted from one example at a time. Here some examples are encoded in one batch: batch normalisation
    in training mode, dropout, or units that the batch selects give other outputs.

    Args:
        experiment: the first seed and the first test examples are checked.
        name: of the method.
        apply: from variables and inputs `(batch, d)` to outputs `(batch, ...)`.
        variables: of every seed, on the host.
        single_outputs: outputs for the first seed's first test examples, at most `CHECK_BATCH_SIZE`.
    """
    rows = experiment.split.test[0, : len(single_outputs)]
    inputs = scaled_inputs(experiment, 0, rows)
    first_seed = jax.tree.map(lambda leaf: leaf[0], variables)
    batch_outputs = np.asarray(jax.jit(apply)(first_seed, inputs)).reshape(len(rows), -1)
    single_outputs = single_outputs.reshape(len(rows), -1)
    finite = np.isfinite(single_outputs).all(axis=1)  # a seed that diverged may have left infinities
    difference = np.abs(batch_outputs[finite] - single_outputs[finite]).max(axis=1)
    differs = ~(difference <= RELATIVE_TOLERANCE * np.abs(single_outputs[finite]).max(initial=0.0))
    if np.count_nonzero(differs) > MAX_MISMATCH_SHARE * len(rows):
        raise LeakageError(
            f"{name}: the result of an example changes by up to {np.max(difference):.3g} with the other examples of "
            "its batch; encode in evaluation mode (train=False), from the example alone"
        )
