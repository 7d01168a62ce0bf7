"""Features classified, for every seed: by the logistic probe, by ridge, or by nearest neighbours."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float, Int

from aejax.classify.certificate import Certificate
from aejax.classify.neighbours import make_neighbours
from aejax.classify.probe import CONVERGED, ProbeRows, certificate, make_probe
from aejax.classify.reading import Features
from aejax.classify.ridge import make_ridge, ridge_certificate
from aejax.config import ProbeConfig
from aejax.data.scalers import Scaler
from aejax.errors import require
from aejax.methods import Method
from aejax.run.encoding import Encoded, features_at
from aejax.run.experiment import Experiment
from aejax.run.heads import FinetuneReport
from aejax.train.plan import Plan, Turn


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


class Fitted(NamedTuple):
    """Classifiers of some seeds, on the host."""

    result: Any  # of NumPy arrays, (seeds, ...)
    certificates: list[Certificate]  # of each linear one


class _Kind(NamedTuple):
    """How a classifier is made, and what is said of it."""

    make: Callable[[ProbeConfig, int], Callable[..., Any]]  # from the probe's config and the number of classes
    certify: Callable[..., Certificate] | None  # one seed's result, the features of its fitted rows and their labels
    report: Callable[[Fitted], Reports]


def _linear(fitted: Fitted) -> Reports:
    result, found = fitted
    tried = result.valid_nll.reshape(len(found), -1)
    return Reports(
        probe=ProbeReport(
            l2=result.l2,
            gradient_norm=[one.gradient_norm for one in found],
            gap=[one.gap for one in found],
            converged=[max(one) <= CONVERGED for one in found],
            grid_edge=result.grid_edge.tolist(),
            grid_extended=result.grid_extended.tolist(),
            valid_nll=[float(min(losses, default=np.nan)) for losses in tried],
        )
    )


def _neighbours(fitted: Fitted) -> Reports:
    return Reports(neighbours=NeighboursReport(fitted.result.k.tolist(), fitted.result.grid_edge.tolist()))


CLASSIFIERS: dict[str, _Kind] = {
    "logistic": _Kind(make_probe, certificate, _linear),
    "ridge": _Kind(make_ridge, ridge_certificate, _linear),
    "knn": _Kind(lambda config, classes: make_neighbours(classes), None, _neighbours),
}


def classifier_of(config: ProbeConfig, method: Method) -> str:
    """The word in `CLASSIFIERS` for a method's features."""
    if method.classifier == "knn":
        return "knn"
    return "logistic" if config.probe == "finetune" else config.probe


@functools.lru_cache(maxsize=32)  # not forgotten with a method: it serves all whose features are as wide
def _program(plan: Plan, name: str, config: ProbeConfig, classes: int, shared_features: bool) -> Callable[..., Any]:
    classify = CLASSIFIERS[name].make(config, classes)

    def of_seed(values: Array, scaler: Scaler | None, labels: Array, train: Array, valid: Array, test: Array) -> Any:
        return classify(Features(values, scaler), labels, ProbeRows(train, valid, test))

    return plan.over(of_seed, shared=(0, 5) if shared_features else (5,))


def fit_classifier(
    experiment: Experiment, turn: Turn, name: str, features: Encoded, labels: Int[np.ndarray, "seeds n"]
) -> Fitted:
    """Fit a classifier of `CLASSIFIERS` for every seed of a turn, and ask it for the test rows.

    Args:
        experiment: whose rows.
        turn: which seeds.
        name: of the classifier.
        features: of the turn's seeds.
        labels: as each of all seeds' classifiers sees them.

    Raises:
        InputError: features that float32 cannot serve.
    """
    split, certify = experiment.split, CLASSIFIERS[name].certify
    program = _program(turn.plan, name, experiment.config.probe, experiment.dataset.classes, features.shared)
    seen = turn.put((labels, split.labelled_train.astype(np.int32), split.labelled_valid.astype(np.int32)))
    result: Any = turn.plan.fetch(experiment.compiler(program, *features, *seen, experiment.test))
    require(
        np.all(np.isfinite(result.log_probs)),
        "--no-probe-standardize: these features are too large for the probe in float32; leave them standardised",
    )
    certificates = []
    for place, seed in enumerate(np.unique(turn.seeds)):  # what fills the last turn is no seed of its own
        if certify is None:
            break
        own = jax.tree.map(lambda leaf, place=place: leaf[place], result)
        rows = np.concatenate([split.labelled_train[seed], split.labelled_valid[seed]])
        certificates.append(certify(own, features_at(experiment, turn, features, place, rows), labels[seed, rows]))
    return Fitted(result, certificates)


def classified(experiment: Experiment, name: str, turns: Sequence[Fitted]) -> Classified:
    """What the classifiers of all seeds say, turn after turn."""
    result = experiment.plan.joined([turn.result for turn in turns])
    certificates = [one for turn in turns for one in turn.certificates]
    return Classified(result.log_probs, CLASSIFIERS[name].report(Fitted(result, certificates)))
