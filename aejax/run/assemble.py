"""From outcomes to `results.json`, `scores.npz`, and the metrics of every epoch."""

import io
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from aejax.config import to_dict
from aejax.evaluate.diagnostics import NEIGHBOURS
from aejax.evaluate.intervals import Scale, crossed_interval, seeds_interval
from aejax.evaluate.statistics import MARGIN, compare_all
from aejax.kinds.registry import KINDS
from aejax.methods import controls_of
from aejax.run.diagnosing import paired_cka
from aejax.run.environment import describe
from aejax.run.experiment import Experiment
from aejax.run.keeping import Course
from aejax.run.scoring import Outcome

INTERVALS = {  # by field, what each interval covers
    "ci95": "accuracy, NLL and their differences: the mean under another draw of seeds and of test examples (crossed "
    "bootstrap, corrected for few seeds); everything else: the mean over other seeds (Student t)",
    "ci95_seeds": "the mean difference under another draw of seeds, on these test examples (Student t)",
}
OF_ONE_SEED = "accuracy, NLL and their differences: the mean of this one model under another draw of test examples"


def summary(values: Float[np.ndarray, "seeds n_test"], scale: Scale) -> dict[str, Any]:
    """Per-seed means, their mean, and its crossed interval."""
    per_seed = values.mean(axis=1, dtype=np.float64)
    return {"per_seed": per_seed, "mean": per_seed.mean(), "ci95": crossed_interval(values, scale)}


def over_seeds(values: Float[np.ndarray, " seeds"]) -> dict[str, Any]:
    """One number for each seed, their mean, and its interval over other seeds."""
    return {"per_seed": values, "mean": values.mean(dtype=np.float64), "ci95": seeds_interval(values)}


def method_entry(outcome: Outcome) -> dict[str, Any]:
    """One row of `methods`."""
    mse, course, scores = outcome.reconstruction_mse, outcome.course, outcome.scores
    diverged = None if course is None else [int(epoch) or None for epoch in course.diverged_epoch]
    return {
        "name": outcome.name,
        "features": outcome.features,
        "test_accuracy": summary(scores.correct.astype(np.float64), "logit"),
        "test_nll": summary(-scores.log_prob, "log"),
        "balanced_accuracy": over_seeds(scores.balanced_accuracy),
        "calibration_error": over_seeds(scores.calibration_error),
        "brier": over_seeds(scores.brier),
        "per_class_accuracy": {"per_seed": scores.class_accuracy, "mean": scores.class_accuracy.mean(axis=0)},
        "reconstruction_mse": None if mse is None else over_seeds(mse),
        "measures": {name: over_seeds(values) for name, values in outcome.measures.items()},
        **{name: report and report._asdict() for name, report in outcome.reports._asdict().items()},
        "features_of": outcome.features_of,
        "diverged_epoch": diverged,
        "failed_seeds": [seed for seed, epoch in enumerate(diverged or ()) if epoch is not None],
        "seconds": outcome.seconds,
    }


def diagnostics_entry(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """`diagnostics`, if a method has features of its own: a row for each, and the CKA between them in that order."""
    diagnosed = {outcome.name: outcome.diagnosis for outcome in outcomes if outcome.diagnosis is not None}
    diagnoses = list(diagnosed.values())
    if not diagnoses:
        return {}
    began = time.perf_counter()
    matrix = paired_cka(diagnoses)
    entry = {
        "rows": diagnoses[0].rows,
        "neighbours": NEIGHBOURS,
        "methods": [
            {
                "name": name,
                **{measure: over_seeds(values) for measure, values in diagnosis.measures.items()},
                "cka_between_seeds": diagnosis.cka_between_seeds,
            }
            for name, diagnosis in diagnosed.items()
        ],
        "cka": {
            "methods": list(diagnosed),
            "paired_seeds": max(len(diagnosis.paired) for diagnosis in diagnoses),
            "matrix": matrix,
        },
        "seconds": sum(diagnosis.seconds for diagnosis in diagnoses) + time.perf_counter() - began,
    }
    return {"diagnostics": entry}


def declared_pairs(names: Sequence[str]) -> list[tuple[str, str]]:
    """The comparisons: every autoencoder against every control, of those by architecture its own.

    And the neighbours of its codes against those of the inputs: the same classifier, other features.
    """
    by_neighbours = [(name, "knn") for name in names if name.startswith("knn-") and "knn" in names]
    return [(kind, control) for kind in names if kind in KINDS for control in controls_of(kind, names)] + by_neighbours


def results(
    experiment: Experiment,
    outcomes: Sequence[Outcome],
    pairs: Sequence[tuple[str, str]],
    seconds: float,
    *,
    margin: float = MARGIN,
) -> dict[str, Any]:
    """The whole of `results.json`, schema 1; `pairs` are the declared comparisons, judged by `margin`."""
    intervals = INTERVALS if experiment.config.seeds > 1 else {"ci95": OF_ONE_SEED}
    correct = {outcome.name: outcome.scores.correct for outcome in outcomes}
    return {
        "schema": 1,
        "dataset": experiment.describe_data(),
        "config": to_dict(experiment.config),
        "environment": {**describe(experiment.plan), "seconds": seconds},
        "methods": [method_entry(outcome) for outcome in outcomes],
        "comparisons": [row._asdict() for row in compare_all(correct, pairs, margin)],
        "interval": intervals["ci95"],
        "intervals": intervals,
        "margin": margin,
        **diagnostics_entry(outcomes),
    }


def scores_npz(outcomes: Sequence[Outcome]) -> bytes:
    """`scores.npz`: `method` names, `correct` and `log_prob`, each `(method, seed, n_test)`."""
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        method=np.array([outcome.name for outcome in outcomes]),
        correct=np.stack([outcome.scores.correct for outcome in outcomes]),
        log_prob=np.stack([outcome.scores.log_prob for outcome in outcomes]).astype(np.float32),
    )
    return buffer.getvalue()


def metric_rows(method: str, course: Course) -> Iterator[dict[str, Any]]:
    """One line of `metrics.jsonl` for every seed and epoch."""
    seeds, epochs = course.history["train_loss"].shape
    for seed in range(seeds):
        for epoch in range(epochs):
            values = {name: float(value[seed, epoch]) for name, value in course.history.items()}
            yield {"method": method, "seed": seed, "epoch": epoch + 1, **values}
