"""Features classified, for every seed: by the logistic probe, by ridge, or by nearest neighbours."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float, Int

from aejax.classify.certificate import Certificate
from aejax.classify.neighbours import make_neighbours
from aejax.classify.probe import CONVERGED, ProbeRows, certificate, make_probe
from aejax.classify.ridge import make_ridge, ridge_certificate
from aejax.config import ProbeConfig
from aejax.errors import require
from aejax.methods import Method
from aejax.run.experiment import Experiment, rows_on_device
from aejax.run.heads import FinetuneReport
from aejax.train.plan import Plan


class ProbeReport(NamedTuple):
    """How a linear probe's optimisation went, by seed."""

    l2: Float[np.ndarray, " seeds"]  # per-example strength
    gradient_norm: list[float]  # largest entry, in float64
    gap: list[float]  # the objective is at most this share of itself above its minimum, in float64
    converged: list[bool]  # both small enough
    grid_edge: list[bool]  # the best strength was at the edge of the extended grid
    grid_extended: list[bool]  # the search for it left the grid
    valid_nll: list[float]  # lowest validation loss, in nats; NaN where there was no choice


class NeighboursReport(NamedTuple):
    """Which neighbourhood was chosen, by seed."""

    k: list[int]  # neighbours that vote
    grid_edge: list[bool]  # it was the smallest or largest that was tried


class Reports(NamedTuple):
    """How classifiers came about, by field of `results.json`; all None for a method's own."""

    probe: ProbeReport | None = None
    neighbours: NeighboursReport | None = None
    finetuned: FinetuneReport | None = None


class Classified(NamedTuple):
    """What a classifier says of the test rows."""

    log_probs: Float[np.ndarray, "seeds n_test classes"]
    reports: Reports = Reports()


class _Fitted(NamedTuple):
    """A classifier's result beside what it was fitted on, all on the host."""

    plan: Plan
    result: Any  # of NumPy arrays, (seeds, ...)
    features: Array
    shared: bool  # features are (n, d) and not (seeds, n, d)
    labels: Int[np.ndarray, "seeds n"]
    rows: Int[np.ndarray, "seeds fitted"]

    def of_seed(self, seed: int) -> tuple[Any, Float[np.ndarray, "n d"], Int[np.ndarray, " n"], np.ndarray]:
        """One seed's result, features, labels and rows."""
        one = jax.tree.map(lambda leaf: leaf[seed], self.result)
        features = self.plan.fetch_shared(self.features) if self.shared else self.plan.fetch_seed(self.features, seed)
        return one, features, self.labels[seed], self.rows[seed]


def _linear(certify: Callable[..., Certificate]) -> Callable[[_Fitted], Classified]:
    """What is said of a linear classifier that `certify` judges."""

    def report(fitted: _Fitted) -> Classified:
        result, seeds = fitted.result, len(fitted.labels)
        found = [certify(*fitted.of_seed(seed)) for seed in range(seeds)]
        tried = result.valid_nll.reshape(seeds, -1)
        report = ProbeReport(
            l2=result.l2,
            gradient_norm=[one.gradient_norm for one in found],
            gap=[one.gap for one in found],
            converged=[max(one) <= CONVERGED for one in found],
            grid_edge=result.grid_edge.tolist(),
            grid_extended=result.grid_extended.tolist(),
            valid_nll=[float(min(losses, default=np.nan)) for losses in tried],
        )
        return Classified(result.log_probs, Reports(probe=report))

    return report


def _neighbours(fitted: _Fitted) -> Classified:
    result = fitted.result
    report = NeighboursReport(result.k.tolist(), result.grid_edge.tolist())
    return Classified(result.log_probs, Reports(neighbours=report))


# How each is made from the probe's config and the number of classes, and what is then said of it.
CLASSIFIERS: dict[str, tuple[Callable[[ProbeConfig, int], Callable[..., Any]], Callable[[_Fitted], Classified]]] = {
    "logistic": (make_probe, _linear(certificate)),
    "ridge": (make_ridge, _linear(ridge_certificate)),
    "knn": (lambda config, classes: make_neighbours(classes), _neighbours),
}


def classifier_of(config: ProbeConfig, method: Method) -> str:
    """The word in `CLASSIFIERS` for a method's features."""
    if method.classifier == "knn":
        return "knn"
    return "logistic" if config.probe == "finetune" else config.probe


@functools.lru_cache(maxsize=32)
def _program(plan: Plan, name: str, config: ProbeConfig, classes: int, shared_features: bool) -> Callable[..., Any]:
    classify = CLASSIFIERS[name][0](config, classes)

    def of_seed(features: Array, labels: Array, train: Array, valid: Array, test: Array) -> Any:
        return classify(features, labels, ProbeRows(train, valid, test))

    return plan.over(of_seed, shared=(0, 4) if shared_features else (4,))


def classify_features(
    experiment: Experiment, name: str, features: Array, shared: bool, labels: Int[np.ndarray, "seeds n"]
) -> Classified:
    """Fit a classifier of `CLASSIFIERS` for every seed and ask it for the test rows.

    Args:
        experiment: whose rows.
        name: of the classifier.
        features: `(n, d)` if `shared` by all seeds, else `(seeds, n, d)`.
        shared: which of the two.
        labels: as each seed's classifier sees them.

    Raises:
        InputError: features that float32 cannot serve.
    """
    plan, split = experiment.plan, experiment.split
    program = _program(plan, name, experiment.config.probe, experiment.dataset.classes, shared)
    rows = (rows_on_device(experiment, split.labelled_train), rows_on_device(experiment, split.labelled_valid))
    fitted = experiment.compiler(program, features, rows_on_device(experiment, labels), *rows, experiment.test)
    result: Any = plan.fetch(fitted)
    require(
        np.all(np.isfinite(result.log_probs)),
        "--no-probe-standardize: these features are too large for the probe in float32; leave them standardised",
    )
    both = np.concatenate([split.labelled_train, split.labelled_valid], axis=1)
    return CLASSIFIERS[name][1](_Fitted(plan, result, features, shared, labels, both))
