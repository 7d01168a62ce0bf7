"""Questions about results: controls, the best methods, comparisons."""

import math
from collections.abc import Sequence

from aejax.evaluate.comparisons import VERSUS_FAMILY
from aejax.evaluate.verdict_metrics import VERDICT_METRICS, VerdictMetric
from aejax.storage.results_file import Results as Results
from aejax.storage.results_file import read_results as read_results
from aejax.storage.results_file import results_kind as results_kind

# Names of controls in results without roles, also as in `random-conv`. Only `knn` itself, neighbours of the inputs, is
# a control; `knn-conv` classifies an autoencoder's codes.
LEGACY_CONTROL_PREFIXES = ("raw", "pca", "random", "supervised", "permuted")

RANDOM_MAPS = ("random-projection", "random-fourier")  # controls of random weights that are no autoencoder's


def with_roles(results: Results) -> Results:
    """Returns the results with the role of every method, which version 0.1.0 did not save and its names imply."""
    return {**results, "methods": [{"role": _legacy_role(method["name"]), **method} for method in results["methods"]]}


def _legacy_role(name: str) -> str:
    return "control" if name == "knn" or name.startswith(LEGACY_CONTROL_PREFIXES) else "autoencoder"


def is_control(method: Results) -> bool:
    """Returns whether a method is a control."""
    return bool(method["role"] == "control")


def is_permuted(method: Results) -> bool:
    """Returns whether a method is a control that was fitted to permuted labels."""
    return str(method["name"]).split("-")[0] == "permuted" and is_control(method)


def has_bernoulli_likelihood(results: Results) -> bool:
    """Whether variational kinds had a Bernoulli likelihood, which is none of grey values."""
    likelihood: str | None = results.get("config", {}).get("objective", {}).get("likelihood")
    return likelihood == "bernoulli"


def verdict_metric(results: Results) -> VerdictMetric:
    """Returns the metric that verdicts are about; accuracy in results that name none."""
    return VERDICT_METRICS[results.get("metric", "accuracy")]


def best_method(results: Results, *, control: bool) -> Results | None:
    """Returns the control, or else the other method, whose mean of the verdicts' metric is best; None if there is none.

    Controls with permuted labels are left out, and so are nearest neighbours of an autoencoder's codes, which are not
    compared with the same controls.
    """
    metric = verdict_metric(results)
    candidates = [
        method
        for method in results["methods"]
        if is_control(method) == control
        and not is_permuted(method)
        and (control or not method.get("neighbours"))
        and finite_or_none(method[metric.field]["mean"]) is not None
    ]
    return max(candidates, key=lambda method: metric.gain(method[metric.field]["mean"]), default=None)


def first_controls(results: Results, method: str) -> dict[str, str]:
    """Returns the first control of each sort that a method was compared with, by the first part of its name.

    One with the architecture of the method itself, such as `random-vae` or `supervised-vae` for `vae`, is before
    others; random projections and features are no untrained encoder.
    """
    rows = [row for row in results["comparisons"] if row["method"] == method and not is_versus(row)]
    ordered = sorted((row["baseline"] for row in rows), key=lambda name: name != f"{name.split('-')[0]}-{method}")
    return {name.split("-")[0]: name for name in reversed(ordered) if name not in RANDOM_MAPS}


def find_comparison(results: Results, method: str, baseline: str) -> Results | None:
    """Returns the comparison of a method with a baseline; None if the two were not compared."""
    rows: list[Results] = results["comparisons"]
    return next((row for row in rows if (row["method"], row["baseline"]) == (method, baseline)), None)


def is_versus(comparison: Results) -> bool:
    """Returns whether a comparison is one of `--versus`, which are a family of their own."""
    return bool(comparison.get("family") == VERSUS_FAMILY)


def scored_entries(results: Results) -> list[Results]:
    """Returns what has scores: the methods of a comparison, or the points and references of a sweep."""
    return [entry for field in ("methods", "points", "references") for entry in results.get(field, [])]


def count_seeds(results: Results) -> int:
    """Returns the number of seeds of every method."""
    return len(scored_entries(results)[0]["test_accuracy"]["per_seed"])


def finite_or_none(value: float | None) -> float | None:
    """Returns a finite float, or None for null, NaN and infinities, which a diverged seed may leave."""
    return None if value is None or not math.isfinite(value) else float(value)


def finite_interval(bounds: Sequence[float | None] | None, scale: float = 1) -> list[float]:
    """Returns an interval times `scale`; empty if there is none, or a bound is not finite."""
    finite = [finite_or_none(bound) for bound in bounds or ()]
    return [] if None in finite else [scale * bound for bound in finite if bound is not None]


def diverged_seeds(method: Results) -> dict[int, int]:
    """Returns the epoch in which each diverged seed did so."""
    epochs = method.get("diverged_epoch") or []
    return {seed: int(epoch) for seed, epoch in enumerate(epochs) if epoch is not None}
