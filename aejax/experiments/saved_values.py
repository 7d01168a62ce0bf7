"""The values of metrics of test examples, from the scores that a run saved."""

import numpy as np
from jaxtyping import Shaped

from aejax.config.evaluate import MetricName
from aejax.evaluate.verdict_metrics import VerdictMetric, balanced_accuracy_values
from aejax.storage.saved_scores import SavedScores

MethodValues = dict[str, Shaped[np.ndarray, "trainings n_test"]]  # by method: their mean over test examples is a metric


def saved_values(scores: SavedScores, metric: VerdictMetric) -> dict[MetricName, MethodValues]:
    """Returns the values of accuracy, of NLL if they were saved, and of another metric if what it needs was saved."""
    return {**_plain_values(scores), **_other_values(metric, scores)}


def _plain_values(scores: SavedScores) -> dict[MetricName, MethodValues]:
    """Returns the values of accuracy, and of NLL if they were saved."""
    values: dict[MetricName, MethodValues] = {"accuracy": dict(zip(scores.methods, scores.correct, strict=True))}
    if scores.log_prob is not None:
        values["nll"] = dict(zip(scores.methods, -scores.log_prob, strict=True))
    return values


def _other_values(metric: VerdictMetric, scores: SavedScores) -> dict[MetricName, MethodValues]:
    """Returns the values of balanced accuracy or AUROC if verdicts are about it and what it needs was saved."""
    if metric.name == "auroc" and scores.auroc_values is not None:
        return {"auroc": dict(zip(scores.methods, scores.auroc_values, strict=True))}
    if metric.name == "balanced_accuracy" and scores.design is not None:
        labels, by_method = scores.design.labels, zip(scores.methods, scores.correct, strict=True)
        return {"balanced_accuracy": {name: balanced_accuracy_values(correct, labels) for name, correct in by_method}}
    return {}
