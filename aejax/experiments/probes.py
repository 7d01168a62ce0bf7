"""Classifiers of features, for every seed: logistic regression, ridge regression, or nearest neighbours."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from aejax.config import ProbeConfig
from aejax.data.scalers import Scaler
from aejax.errors import require
from aejax.evaluate.metrics import metric_values, score_predictions
from aejax.evaluate.tuning import TuningReport
from aejax.experiments.experiment import Experiment
from aejax.experiments.feature_extraction import ExtractedFeatures, seed_features
from aejax.methods.method import Method
from aejax.probes.duality_gap import Certificate
from aejax.probes.features import Features, ProbeRows
from aejax.probes.knn import make_knn_probe
from aejax.probes.logistic_probe import CONVERGENCE_TOLERANCE, certify_logistic_probe, make_logistic_probe
from aejax.probes.ridge import certify_ridge_probe, make_ridge_probe
from aejax.probes.top_units import certify_top_units_probe, make_top_units_probe
from aejax.train.lapack import single_threaded_lapack
from aejax.train.plan import Plan, SeedChunk


class ProbeReport(NamedTuple):
    """How the fit of a linear probe went, by seed."""

    l2: Float[np.ndarray, " seeds"]  # per-example strength
    gradient_norm: Float[np.ndarray, " seeds"]  # largest entry, in float64
    gap: Float[np.ndarray, " seeds"]  # upper bound of the objective's relative distance from its minimum, in float64
    converged: Bool[np.ndarray, " seeds"]  # gradient and gap are small enough
    grid_edge: Bool[np.ndarray, " seeds"]  # the best strength is at the edge of the extended grid
    grid_extended: Bool[np.ndarray, " seeds"]  # the search for it left the grid
    valid_nll: Float[np.ndarray, " seeds"]  # lowest mean over folds, in nats; NaN where one strength was given


class KNNReport(NamedTuple):
    """The chosen number of neighbours and how fast their votes fall with distance, by seed."""

    k: Int[np.ndarray, " seeds"]
    grid_edge: Bool[np.ndarray, " seeds"]  # k is the smallest or largest that was tried
    temperature: Float[np.ndarray, " seeds"] | None = None  # None: results of version 0.2.0, where all votes are equal
    valid_nll: Float[np.ndarray, " seeds"] | None = None  # lowest loss of rows that were left out, in nats


class FinetuneReport(NamedTuple):
    """How fine-tuning went, by seed."""

    valid_nll: list[float]  # mean over the folds at the chosen settings, in nats; NaN: no validation rows
    diverged_epoch: list[int | None]


class TopUnitsReport(NamedTuple):
    """The features of `--probe top-units`, and what a probe of each number of them scores, by seed."""

    units: Int[np.ndarray, "seeds probes most"]  # of each class's probe, largest difference first; -1: no more
    counts: Int[np.ndarray, "seeds numbers"]
    metric: Float[np.ndarray, "seeds numbers"]  # on the test examples, what verdicts are about


class ClassifierReport(NamedTuple):
    """How a classifier was fitted, by field of `results.json`; all None for a method's own classifier."""

    probe: ProbeReport | None = None
    neighbours: KNNReport | None = None
    finetuned: FinetuneReport | None = None
    top_units: TopUnitsReport | None = None


class ClassifierFit(NamedTuple):
    """The classifier of every seed of a chunk: its predictions of the test rows, and how it was fitted."""

    log_probs: Float[np.ndarray, "seeds n_test classes"]
    report: ClassifierReport = ClassifierReport()
    width: Int[np.ndarray, " seeds"] | None = None  # of the features, if each seed chose among several
    settings: list[dict[str, Any]] | None = None  # of every seed, chosen by its labels; None in a chunk
    tuning: TuningReport | None = None  # what `--tune` tried, for a classifier on the host


TOP_UNITS = "top-units"


class _ClassifierSpec(NamedTuple):
    make: Callable[[ProbeConfig, int], Callable[..., Any]]  # from the probe's config and the number of classes
    certify: Callable[..., Certificate] | None  # one seed's solution, features of its fitted rows, their labels


CLASSIFIERS: dict[str, _ClassifierSpec] = {
    "logistic": _ClassifierSpec(make_logistic_probe, certify_logistic_probe),
    "ridge": _ClassifierSpec(make_ridge_probe, certify_ridge_probe),
    TOP_UNITS: _ClassifierSpec(make_top_units_probe, certify_top_units_probe),
    "knn": _ClassifierSpec(lambda config, classes: make_knn_probe(classes), None),
}


def classifier_name(config: ProbeConfig, method: Method) -> str:
    """Returns the key in `CLASSIFIERS` of what classifies a method's features."""
    if method.classifier == "knn":
        return "knn"
    return "logistic" if config.probe == "finetune" else config.probe


@functools.lru_cache(maxsize=32)  # kept between methods: it serves all that have features of the same width
def _classifier_program(
    plan: Plan, name: str, config: ProbeConfig, classes: int, shared_features: bool
) -> Callable[..., Any]:
    classify = CLASSIFIERS[name].make(config, classes)

    def classify_seed(
        values: Array,
        scaler: Scaler | None,
        labels: Array,
        rows: tuple[Array, Array, Array, Array, Array],
        groups: Array | None,
    ) -> Any:
        return classify(Features(values, scaler), labels, ProbeRows(*rows, groups))

    return plan.map_seeds(classify_seed, replicated_argnums=(0, 4) if shared_features else (4,))


def fit_classifier(
    experiment: Experiment,
    seed_chunk: SeedChunk,
    name: str,
    features: ExtractedFeatures,
    labels: Int[np.ndarray, "seeds n"],
) -> ClassifierFit:
    """Fits a classifier, a key in `CLASSIFIERS`, for every seed of a chunk and predicts the test rows.

    Features are those of the chunk's seeds, labels those of all seeds, as their classifiers see them.

    Raises:
        InputError: the features are too large for float32.
    """
    if name == TOP_UNITS and len(experiment.config.probe.probe_units) > 1:
        return _fit_each_number(experiment, seed_chunk, features, labels)
    split, chunk_plan = experiment.split, seed_chunk.plan
    program = _classifier_program(
        chunk_plan,
        name,
        experiment.config.probe,
        experiment.dataset.n_classes,
        features.shared,
    )
    folds = experiment.selection_folds.positions(split.labelled)
    rows = tuple(part.astype(np.int32) for part in (split.labelled, split.train, *folds, split.test))
    groups = chunk_plan.replicate(split.groups)
    seeds = np.unique(seed_chunk.seed_indices)  # the last chunk may repeat a seed
    with single_threaded_lapack():
        solutions = chunk_plan.to_host(program(*features, *seed_chunk.shard((labels, rows)), groups))
    solution: Any = jax.tree.map(lambda leaf: leaf[: len(seeds)], solutions)
    require(
        np.all(np.isfinite(solution.log_probs)),
        "--no-probe-standardize: these features are too large for the probe in float32; leave them standardised",
    )
    certify = CLASSIFIERS[name].certify
    if certify is None:
        losses = solution.nll.reshape(len(seeds), -1).min(axis=1)
        neighbours = KNNReport(solution.k, solution.grid_edge, solution.temperature, losses)
        return ClassifierFit(solution.log_probs, ClassifierReport(neighbours=neighbours))
    certificates = []
    for position, seed in enumerate(seeds):
        of_seed = jax.tree.map(lambda leaf, position=position: leaf[position], solution)
        fitted = split.labelled[seed]
        fitted_features = seed_features(experiment, seed_chunk, features, position, fitted)
        certificates.append(certify(of_seed, fitted_features, labels[seed, fitted]))
    report = ClassifierReport(probe=_probe_report(solution, certificates))
    if name == TOP_UNITS:
        scored = _score(experiment, solution.log_probs, seeds)[:, None]
        counts = np.full_like(scored, solution.units.shape[2], np.int64)
        report = report._replace(top_units=TopUnitsReport(solution.units, counts, scored))
    return ClassifierFit(solution.log_probs, report)


def _score(
    experiment: Experiment, log_probs: Float[np.ndarray, "chunk n_test classes"], seeds: Int[np.ndarray, " chunk"]
) -> Float[np.ndarray, " chunk"]:
    """Returns the metric that verdicts are about."""
    metric, labels = experiment.evaluation.metric, experiment.test_labels[seeds]
    return metric_values(metric, score_predictions(log_probs, labels, metric), labels).mean(axis=1, dtype=np.float64)


def _fit_each_number(
    experiment: Experiment, seed_chunk: SeedChunk, features: ExtractedFeatures, labels: Int[np.ndarray, "seeds n"]
) -> ClassifierFit:
    """Returns the probe of the last of `probe_units`, whose report has what the others score."""
    config, fits = experiment.config, []
    for count in config.probe.probe_units:
        probe = dataclasses.replace(config.probe, probe_units=(count,))
        of_count = dataclasses.replace(experiment, config=dataclasses.replace(config, probe=probe))
        fits.append(fit_classifier(of_count, seed_chunk, TOP_UNITS, features, labels))
    reports = [fit.report.top_units for fit in fits if fit.report.top_units is not None]
    counts, metric = (np.hstack([report[part] for report in reports]) for part in (1, 2))
    joined = TopUnitsReport(reports[-1].units, counts, metric)
    return fits[-1]._replace(report=fits[-1].report._replace(top_units=joined))


def _probe_report(solution: Any, certificates: Sequence[Certificate]) -> ProbeReport:
    losses = solution.valid_nll.reshape(len(certificates), -1)
    return ProbeReport(
        l2=solution.l2,
        gradient_norm=np.array([certificate.gradient_norm for certificate in certificates]),
        gap=np.array([certificate.gap for certificate in certificates]),
        converged=np.array([max(certificate) <= CONVERGENCE_TOLERANCE for certificate in certificates]),
        grid_edge=solution.grid_edge,
        grid_extended=solution.grid_extended,
        valid_nll=np.array([float(min(row, default=np.nan)) for row in losses]),
    )
