"""From method results to `results.json`, `scores.npz`, and the metrics of every epoch."""

import io
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped

from aejax.config import to_dict
from aejax.evaluate.comparisons import compare_pairs
from aejax.evaluate.estimates import EvaluationDesign
from aejax.evaluate.intervals import mean_interval, summarize_seeds
from aejax.evaluate.metrics import metric_values
from aejax.evaluate.representation import PURITY_NEIGHBORS
from aejax.evaluate.verdict_metrics import VERDICT_METRICS, VerdictMetric, estimate_metric
from aejax.experiments.checkpointing import TrainingHistory
from aejax.experiments.environment import describe_environment
from aejax.experiments.experiment import Experiment
from aejax.experiments.method_result import MethodResult
from aejax.experiments.probes import ClassifierReport
from aejax.experiments.representation_metrics import cka_matrix
from aejax.storage.atomic_io import write_atomically
from aejax.storage.saved_scores import CORRECT_FILE, SCORES_FILE, serialize_correct

INTERVAL_DESCRIPTIONS = {  # by field, what each interval covers
    "ci95": "accuracy, NLL and their differences: the mean under other draws of seeds and of test examples, with the "
    "same training data (crossed analysis of variance); everything else: the mean over other seeds (Student t)",
    "ci95_seeds": "the mean difference under another draw of seeds, on these test examples (Student t)",
}
CROSS_VALIDATION_INTERVAL = (
    "accuracy, NLL and their differences: the mean under other draws of trainings and of test examples (corrected for "
    "trainings that share data, after Nadeau and Bengio 2003); everything else: the mean over trainings (Student t)"
)
SINGLE_SEED_INTERVAL = (
    "accuracy, NLL and their differences: the mean of this one model under another draw of test examples"
)


def summarize_scores(
    values: Shaped[np.ndarray, "trainings n_test"], design: EvaluationDesign, metric: VerdictMetric
) -> dict[str, Any]:
    """Returns the mean over test examples of each training, the mean over trainings, and its interval."""
    per_seed = values.mean(axis=1, dtype=np.float64)
    interval = mean_interval(estimate_metric(values, design, metric), metric.interval_scale)
    return {"per_seed": per_seed, "mean": per_seed.mean(), "ci95": interval}


def method_entry(experiment: Experiment, result: MethodResult) -> dict[str, Any]:
    """Returns an entry of `methods`."""
    mse, history, scores = result.reconstruction_mse, result.history, result.scores
    judged = [VERDICT_METRICS[name] for name in dict.fromkeys(("accuracy", "nll", experiment.evaluation.metric))]
    values = {metric: metric_values(metric.name, scores, experiment.test_labels) for metric in judged}
    diverged = None if history is None else [int(epoch) or None for epoch in history.diverged_epoch]
    return {
        "name": result.name,
        "role": result.role,
        "features": result.width,
        **{metric.field: summarize_scores(values[metric], experiment.design, metric) for metric in judged},
        "balanced_accuracy": summarize_seeds(scores.balanced_accuracy),
        "calibration_error": summarize_seeds(scores.calibration_error),
        "brier": summarize_seeds(scores.brier),
        "per_class_accuracy": {"per_seed": scores.class_accuracy, "mean": scores.class_accuracy.mean(axis=0)},
        "reconstruction_mse": None if mse is None else summarize_seeds(mse),
        "measures": {name: summarize_seeds(values) for name, values in result.measures.items()},
        **_report_entries(result.classifier_report),
        "settings": result.settings,
        **({} if result.tuning is None else {"tuning": result.tuning._asdict()}),
        "features_of": result.features_of,
        "diverged_epoch": diverged,
        "failed_seeds": [seed for seed, epoch in enumerate(diverged or ()) if epoch is not None],
        "seconds": result.seconds,
    }


def _report_entries(report: ClassifierReport) -> dict[str, Any]:
    """Returns an entry for each kind of report; that of top units is left out if there is none."""
    parts = {name: part for name, part in report._asdict().items() if part is not None or name != "top_units"}
    return {
        name: part and {field: np.asarray(values).tolist() for field, values in part._asdict().items()}
        for name, part in parts.items()
    }


def diagnostics_entry(method_results: Sequence[MethodResult]) -> dict[str, Any]:
    """Returns `diagnostics`: an entry for each method with its own features, and the CKA between them."""
    diagnosed = {result.name: result.representation for result in method_results if result.representation is not None}
    representations = list(diagnosed.values())
    if not representations:
        return {}
    start = time.perf_counter()
    matrix = cka_matrix(representations)
    entry = {
        "rows": representations[0].n_rows,
        "neighbours": PURITY_NEIGHBORS,
        "methods": [
            {
                "name": name,
                **{measure: summarize_seeds(values) for measure, values in representation.measures.items()},
                "cka_between_seeds": representation.cka_between_seeds,
            }
            for name, representation in diagnosed.items()
        ],
        "cka": {
            "methods": list(diagnosed),
            "paired_seeds": max(len(representation.paired_features) for representation in representations),
            "matrix": matrix,
        },
        "seconds": sum(representation.seconds for representation in representations) + time.perf_counter() - start,
    }
    return {"diagnostics": entry}


def results_header(experiment: Experiment, seconds: float, kind: str | None = None) -> dict[str, Any]:
    """Returns the fields that the results of every experiment begin with; `kind` is None for a comparison."""
    return {
        "schema": 2,
        **({} if kind is None else {"kind": kind}),
        "design": experiment.design.name,
        "dataset": experiment.describe_data(),
        "config": to_dict(experiment.config),
        "environment": {
            **describe_environment(experiment.plan),
            **({"attempts": list(experiment.attempts)} if experiment.attempts else {}),
            "seconds": seconds,
        },
        **({"warnings": list(experiment.run_warnings)} if experiment.run_warnings else {}),
    }


def build_results(
    experiment: Experiment,
    method_results: Sequence[MethodResult],
    pairs: Sequence[tuple[str, str]],
    seconds: float,
    families: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Returns `results.json`, schema 2, of results in the order of the table and of pairs `(method, baseline)`.

    Seconds are those since the run began; `families` are as in `compare_pairs`.
    """
    return {
        **results_header(experiment, seconds),
        "methods": [method_entry(experiment, result) for result in method_results],
        **comparison_entries(experiment, method_results, pairs, families),
        **diagnostics_entry(method_results),
    }


def comparison_entries(
    experiment: Experiment,
    method_results: Sequence[MethodResult],
    pairs: Sequence[tuple[str, str]],
    families: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Returns `comparisons`, and what they are about; `families` as in `compare_pairs`."""
    evaluation, labels = experiment.evaluation, experiment.test_labels
    metric = VERDICT_METRICS[evaluation.metric]
    values = {result.name: metric_values(metric.name, result.scores, labels) for result in method_results}
    return judge_comparisons(values, pairs, experiment.design, evaluation.margin, metric, families)


def judge_comparisons(
    values: Mapping[str, Shaped[np.ndarray, "trainings n_test"]],
    pairs: Sequence[tuple[str, str]],
    design: EvaluationDesign,
    margin: float,
    metric: VerdictMetric,
    families: Sequence[str] | None,
) -> dict[str, Any]:
    """Returns the same from the values of the metric; arguments are those of `compare_pairs`."""
    if len(design.labels) == 1:
        intervals = {"ci95": SINGLE_SEED_INTERVAL}
    else:
        intervals = INTERVAL_DESCRIPTIONS if design.is_shared else {"ci95": CROSS_VALIDATION_INTERVAL}
    if metric.name in ("balanced_accuracy", "auroc"):
        intervals = {**intervals, "ci95": f"{metric.label}, {intervals['ci95']}"}
    rows = compare_pairs(values, pairs, design, margin, metric, families)
    return {
        "metric": metric.name,
        "comparisons": [row._asdict() for row in rows],
        "interval": intervals["ci95"],
        "intervals": intervals,
        "margin": margin,
    }


def serialize_scores(method_results: Sequence[MethodResult], design: EvaluationDesign) -> bytes:
    """Returns `scores.npz`, from which verdicts can be computed without the data.

    It has `method` names, `correct`, `log_prob` and `predicted` classes, each `(method, training, n_test)`,
    `test_index` and `test_label`, each `(training, n_test)`, and the numbers `n_train` and `folds` of the design. With
    `--metric auroc` also `auroc_values`, whose means over test examples are the AUROCs.
    """
    buffer = io.BytesIO()
    values = [result.scores.auroc_values for result in method_results if result.scores.auroc_values is not None]
    optional: dict[str, Any] = {"auroc_values": np.stack(values)} if values else {}
    predicted = [result.scores.predicted for result in method_results if result.scores.predicted is not None]
    if len(predicted) == len(method_results):
        optional["predicted"] = np.stack(predicted)
    np.savez_compressed(
        buffer,
        method=np.array([result.name for result in method_results]),
        correct=np.stack([result.scores.correct for result in method_results]),
        log_prob=np.stack([result.scores.log_prob for result in method_results]).astype(np.float32),
        test_index=design.test_index,
        test_label=design.labels,
        n_train=design.n_train,
        folds=design.folds,
        **optional,
    )
    return buffer.getvalue()


def write_scores(folder: Path, method_results: Sequence[MethodResult], design: EvaluationDesign) -> None:
    """Writes `scores.npz`, and `correct.npz`, which is small enough to be committed."""
    write_atomically(folder / SCORES_FILE, serialize_scores(method_results, design))
    correct = np.stack([result.scores.correct for result in method_results])
    names = [result.name for result in method_results]
    write_atomically(folder / CORRECT_FILE, serialize_correct(names, correct, design))


def metric_rows(method: str, history: TrainingHistory) -> Iterator[dict[str, Any]]:
    """Yields a line of `metrics.jsonl` for every seed and epoch."""
    seeds, epochs = history.metrics["train_loss"].shape
    for seed in range(seeds):
        for epoch in range(epochs):
            values = {name: float(value[seed, epoch]) for name, value in history.metrics.items()}
            yield {"method": method, "seed": seed, "epoch": epoch + 1, **values}
