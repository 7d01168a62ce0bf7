"""Features classified, for every seed: by the logistic probe, by ridge, or by nearest neighbours."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float, Int

from aejax.config import ProbeConfig
from aejax.data.scalers import Scaler
from aejax.errors import require
from aejax.experiments.experiment import Experiment
from aejax.experiments.feature_extraction import ExtractedFeatures, seed_features
from aejax.experiments.finetune import FinetuneReport
from aejax.methods import Method
from aejax.probe.duality_gap import Certificate
from aejax.probe.features import Features, ProbeRows
from aejax.probe.knn import make_knn_probe
from aejax.probe.logistic_probe import CONVERGENCE_TOLERANCE, certify_logistic_probe, make_logistic_probe
from aejax.probe.ridge import certify_ridge_probe, make_ridge_probe
from aejax.train.plan import Plan, SeedChunk


class ProbeReport(NamedTuple):
    """How a linear probe's optimisation went, by seed."""

    l2: Float[np.ndarray, " seeds"]  # per-example strength
    gradient_norm: list[float]  # largest entry, in float64
    gap: list[float]  # the objective is at most this share of itself above its minimum, in float64
    converged: list[bool]  # both small enough
    grid_edge: list[bool]  # the best strength was at the edge of the extended grid
    grid_extended: list[bool]  # the search for it left the grid
    valid_nll: list[float]  # lowest validation loss, in nats; NaN where there was no choice


class KNNReport(NamedTuple):
    """Which neighbourhood was chosen, by seed."""

    k: list[int]  # neighbours that vote
    grid_edge: list[bool]  # it was the smallest or largest that was tried


class ClassifierReport(NamedTuple):
    """How classifiers came about, by field of `results.json`; all None for a method's own."""

    probe: ProbeReport | None = None
    neighbours: KNNReport | None = None
    finetuned: FinetuneReport | None = None


class Predictions(NamedTuple):
    """What a classifier says of the test rows."""

    log_probs: Float[np.ndarray, "seeds n_test classes"]
    classifier_report: ClassifierReport = ClassifierReport()


class FittedClassifiers(NamedTuple):
    """Classifiers of some seeds, on the host."""

    solution: Any  # of NumPy arrays, (seeds, ...)
    certificates: list[Certificate]  # of each linear one


class _ClassifierSpec(NamedTuple):
    """How a classifier is made, and what is said of it."""

    make: Callable[[ProbeConfig, int], Callable[..., Any]]  # from the probe's config and the number of classes
    certify: Callable[..., Certificate] | None  # one seed's result, the features of its fitted rows and their labels
    report: Callable[[FittedClassifiers], ClassifierReport]


def _linear_report(fitted: FittedClassifiers) -> ClassifierReport:
    result, found = fitted
    tried = result.valid_nll.reshape(len(found), -1)
    return ClassifierReport(
        probe=ProbeReport(
            l2=result.l2,
            gradient_norm=[one.gradient_norm for one in found],
            gap=[one.gap for one in found],
            converged=[max(one) <= CONVERGENCE_TOLERANCE for one in found],
            grid_edge=result.grid_edge.tolist(),
            grid_extended=result.grid_extended.tolist(),
            valid_nll=[float(min(losses, default=np.nan)) for losses in tried],
        )
    )


def _knn_report(fitted: FittedClassifiers) -> ClassifierReport:
    return ClassifierReport(neighbours=KNNReport(fitted.solution.k.tolist(), fitted.solution.grid_edge.tolist()))


CLASSIFIERS: dict[str, _ClassifierSpec] = {
    "logistic": _ClassifierSpec(make_logistic_probe, certify_logistic_probe, _linear_report),
    "ridge": _ClassifierSpec(make_ridge_probe, certify_ridge_probe, _linear_report),
    "knn": _ClassifierSpec(lambda config, classes: make_knn_probe(classes), None, _knn_report),
}


def classifier_name(config: ProbeConfig, method: Method) -> str:
    """The word in `CLASSIFIERS` for a method's features."""
    if method.classifier == "knn":
        return "knn"
    return "logistic" if config.probe == "finetune" else config.probe


@functools.lru_cache(maxsize=32)  # not forgotten with a method: it serves all whose features are as wide
def _classifier_program(
    plan: Plan, name: str, config: ProbeConfig, classes: int, shared_features: bool
) -> Callable[..., Any]:
    classify = CLASSIFIERS[name].make(config, classes)

    def of_seed(values: Array, scaler: Scaler | None, labels: Array, train: Array, valid: Array, test: Array) -> Any:
        return classify(Features(values, scaler), labels, ProbeRows(train, valid, test))

    return plan.map_seeds(of_seed, replicated_argnums=(0, 5) if shared_features else (5,))


def fit_classifier(
    experiment: Experiment,
    seed_chunk: SeedChunk,
    name: str,
    features: ExtractedFeatures,
    labels: Int[np.ndarray, "seeds n"],
) -> FittedClassifiers:
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
    program = _classifier_program(
        seed_chunk.plan, name, experiment.config.probe, experiment.dataset.n_classes, features.shared
    )
    seen = seed_chunk.shard((labels, split.labelled_train.astype(np.int32), split.labelled_valid.astype(np.int32)))
    result: Any = seed_chunk.plan.to_host(experiment.compiler(program, *features, *seen, experiment.test_rows))
    require(
        np.all(np.isfinite(result.log_probs)),
        "--no-probe-standardize: these features are too large for the probe in float32; leave them standardised",
    )
    certificates = []
    for place, seed in enumerate(np.unique(seed_chunk.seed_indices)):  # what fills the last turn is no seed of its own
        if certify is None:
            break
        own = jax.tree.map(lambda leaf, place=place: leaf[place], result)
        rows = np.concatenate([split.labelled_train[seed], split.labelled_valid[seed]])
        certificates.append(
            certify(own, seed_features(experiment, seed_chunk, features, place, rows), labels[seed, rows])
        )
    return FittedClassifiers(result, certificates)


def merge_predictions(experiment: Experiment, name: str, fitted: Sequence[FittedClassifiers]) -> Predictions:
    """What the classifiers of all seeds say, turn after turn."""
    result = experiment.plan.concatenate([turn.solution for turn in fitted])
    certificates = [one for turn in fitted for one in turn.certificates]
    return Predictions(result.log_probs, CLASSIFIERS[name].report(FittedClassifiers(result, certificates)))
