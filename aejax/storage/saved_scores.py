"""Scores of test examples in a run's folder, from which its verdicts can be judged again without training.

`scores.npz` has everything. `correct.npz` has what verdicts about accuracy need, one bit for each prediction, and is
small enough to be committed.
"""

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Shaped

from aejax.config.evaluate import MetricName
from aejax.data.archives import open_archive
from aejax.errors import InputError
from aejax.evaluate.estimates import EvaluationDesign
from aejax.evaluate.verdict_metrics import VerdictMetric, balanced_accuracy_values

SCORES_FILE, CORRECT_FILE = "scores.npz", "correct.npz"

MethodValues = dict[str, Shaped[np.ndarray, "trainings n_test"]]  # by method: their mean over test examples is a metric


class SavedScores(NamedTuple):
    """The scores of a finished run."""

    methods: list[str]
    correct: Bool[np.ndarray, "methods trainings n_test"]
    design: EvaluationDesign | None  # None: saved by version 0.1.0, which did not save labels of test examples
    log_prob: Float[np.ndarray, "methods trainings n_test"] | None = None
    auroc_values: Float[np.ndarray, "methods trainings n_test"] | None = None

    def metric_values(self, metric: VerdictMetric) -> dict[MetricName, MethodValues]:
        """Returns the values of accuracy, and of NLL and of `metric` if what they need was saved."""
        values: dict[MetricName, Iterable[np.ndarray]] = {"accuracy": self.correct}
        if self.log_prob is not None:
            values["nll"] = -self.log_prob
        if metric.name == "auroc" and self.auroc_values is not None:
            values["auroc"] = self.auroc_values
        if metric.name == "balanced_accuracy" and self.design is not None:
            labels = self.design.labels
            values["balanced_accuracy"] = [balanced_accuracy_values(correct, labels) for correct in self.correct]
        return {name: dict(zip(self.methods, arrays, strict=True)) for name, arrays in values.items()}


def serialize_correct(
    methods: Sequence[str], correct: Bool[np.ndarray, "methods trainings n_test"], design: EvaluationDesign
) -> bytes:
    """Returns `correct.npz`: `method`, `correct` as packed bits with its `shape`, and the design's arrays.

    `test_index` and `test_label` have one row if all trainings have the same test examples.
    """
    buffer = io.BytesIO()
    rows = slice(0, 1) if design.is_shared else slice(None)
    np.savez_compressed(
        buffer,
        method=np.array(methods),
        correct=np.packbits(correct),
        shape=np.array(correct.shape),
        test_index=design.test_index[rows].astype(np.int32),
        test_label=design.labels[rows].astype(np.int32),
        n_train=np.array(design.n_train),
        folds=np.array(design.folds),
    )
    return buffer.getvalue()


def read_scores(folder: Path) -> SavedScores:
    """Returns the scores of a run from `scores.npz`, or else from `correct.npz`.

    Raises:
        InputError: the folder has neither, or the file is damaged.
    """
    path = next((folder / name for name in (SCORES_FILE, CORRECT_FILE) if (folder / name).is_file()), None)
    if path is None:
        raise InputError(f"{folder}: has neither {SCORES_FILE} nor {CORRECT_FILE}; run the command that made it again")
    try:
        with open_archive(path) as readers:
            return _parse_scores({name: read() for name, read in readers.items()})
    except (OSError, InputError) as error:
        raise InputError(f"{path}: is damaged ({error}); run the command that made it again") from None


def _parse_scores(arrays: dict[str, Any]) -> SavedScores:
    correct = arrays["correct"]
    if "shape" in arrays:
        shape = tuple(arrays["shape"].tolist())
        correct = np.unpackbits(correct, count=int(np.prod(shape))).reshape(shape)
    return SavedScores(
        methods=arrays["method"].tolist(),
        correct=correct.astype(bool),
        design=_parse_design(arrays, correct.shape[1:]) if "test_label" in arrays else None,
        log_prob=arrays.get("log_prob"),
        auroc_values=arrays.get("auroc_values"),
    )


def _parse_design(arrays: dict[str, Any], shape: tuple[int, int]) -> EvaluationDesign:
    folds = int(arrays["folds"])
    return EvaluationDesign(
        name="holdout" if folds == 1 else "cross-validation",
        test_index=np.broadcast_to(arrays["test_index"], shape),
        labels=np.broadcast_to(arrays["test_label"], shape),
        n_train=int(arrays["n_train"]),
        folds=folds,
    )
