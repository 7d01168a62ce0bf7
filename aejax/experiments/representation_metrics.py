"""Metrics of autoencoders, and of every method's features on the same test rows, which reports show next to accuracies.

They are computed when the method is scored. Only the features that a CKA with another method needs are kept: those of
the diagnosed rows, of a few seeds.
"""

import math
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Num, Scalar

from aejax.data.batching import Batch, Examples, map_rows
from aejax.data.scalers import Scaler
from aejax.evaluate.representation import (
    REPRESENTATION_METRICS,
    cka,
    compute_code_metrics,
    compute_code_usage,
    direction_recovery,
    explained_variance,
    mean_pairwise_cka,
    measure_representation,
    normalized_gram,
    reduce_width,
)
from aejax.experiments.compilation import cached_jit
from aejax.experiments.experiment import Experiment, shard_rows
from aejax.experiments.feature_extraction import ApplyFn, ExtractedFeatures, apply_to_test_rows, extract_features
from aejax.methods.method import Method
from aejax.models.autoencoder import Autoencoder
from aejax.models.quantization import Quantizer, quantizer_of
from aejax.models.submodules import Variables
from aejax.objectives.objective import per_example_mse
from aejax.train.plan import Plan, SeedChunk

MAX_DIAGNOSTIC_ROWS = 2000  # test rows that are diagnosed, at most
MAX_PAIRED_SEEDS = 3  # seeds whose CKA between methods is averaged, at most


class RepresentationMetrics(NamedTuple):
    """Metrics of one method's features of the diagnosed rows, on the host."""

    n_rows: int
    measures: dict[str, Float[np.ndarray, " seeds"]]
    cka_between_seeds: float  # NaN with one seed, or if seeds share the features or have other test rows
    paired_features: Float[np.ndarray, "paired m r"]  # features of the first seeds, for CKA with other methods
    seconds: float = 0.0


def select_diagnostic_rows(experiment: Experiment) -> Int[np.ndarray, "seeds m"]:
    """Returns at most `MAX_DIAGNOSTIC_ROWS` test rows, evenly spaced: an official test set may be sorted by class."""
    n_test = experiment.split.test.shape[1]
    positions = np.linspace(0, n_test - 1, min(MAX_DIAGNOSTIC_ROWS, n_test)).astype(np.int64)
    return experiment.split.test[:, positions]


def evaluate_representation(experiment: Experiment, features: Float[np.ndarray, "copies m d"]) -> RepresentationMetrics:
    """Returns the metrics of one method's features of the diagnosed rows, with the seconds that they took."""
    start = time.perf_counter()
    diagnosis = compute_representation_metrics(
        features,
        experiment.dataset.labels[select_diagnostic_rows(experiment)],
        experiment.plan.seeds,
        shared_rows=experiment.split.shared_test,
    )
    return diagnosis._replace(seconds=time.perf_counter() - start)


def compute_representation_metrics(
    features: Num[np.ndarray, "copies m d"],
    labels: Int[np.ndarray, "*seeds m"],
    seeds: int,
    *,
    shared_rows: bool = True,
) -> RepresentationMetrics:
    """Returns the metrics of features.

    Args:
        features: of the diagnosed rows, for every seed, or one copy that all seeds share.
        labels: class of each row, for every seed or for all.
        seeds: number of seeds.
        shared_rows: whether all seeds have the same diagnosed rows; the CKA between seeds is of such rows alone.
    """
    labels = np.broadcast_to(labels, (seeds, features.shape[1]))
    per_copy = [measure_representation(copy, labels[seed]) for seed, copy in enumerate(features)]
    repeats = seeds // len(per_copy)
    measures = {name: np.array([values[name] for values in per_copy] * repeats) for name in REPRESENTATION_METRICS}
    paired = np.stack([reduce_width(copy) for copy in features[:MAX_PAIRED_SEEDS]])
    between_seeds = mean_pairwise_cka(features) if shared_rows else float("nan")
    return RepresentationMetrics(labels.shape[1], measures, between_seeds, paired)


def cka_matrix(representations: Sequence[RepresentationMetrics]) -> Float[np.ndarray, "method method"]:
    """Returns the CKA of every two methods with the same seed, mean over the paired seeds; NaN where undefined.

    A copy that all seeds share is paired with every seed of the other method.
    """
    per_seed = []
    for seed in range(max(len(diagnosis.paired_features) for diagnosis in representations)):
        grams = [
            normalized_gram(diagnosis.paired_features[seed % len(diagnosis.paired_features)])
            for diagnosis in representations
        ]
        per_seed.append([[cka(one, other) for other in grams] for one in grams])
    return np.mean(per_seed, axis=0)


def evaluate_autoencoder(
    experiment: Experiment,
    method: Method,
    variables: Variables,
    code_metrics: dict[str, Float[np.ndarray, " seeds"]],
) -> tuple[Float[np.ndarray, " seeds"] | None, dict[str, Float[np.ndarray, " seeds"]]]:
    """Returns the mean squared error of the test rows, in scaled input units, if there is one, and further metrics.

    Few of these, or none, are defined for a control. `code_metrics`, empty for a method without codes of its own, are
    among them. Variables are those of every seed, on the devices.
    """
    mse = None
    metrics: dict[str, Any] = {}
    if method.reconstruct is not None:
        program = _reconstruction_program(experiment.plan, method.reconstruct)
        test_rows = shard_rows(experiment, experiment.split.test)
        results = program(variables, experiment.device_scaler, test_rows, experiment.examples)
        mse, metrics["explained_variance"] = experiment.plan.to_host(results)
    metrics |= code_metrics
    if has_own_codes(method) and method.extra_metrics is not None:
        values = apply_to_test_rows(experiment, method.extra_metrics, variables)
        metrics |= {name: value.mean(axis=1, dtype=np.float64) for name, value in values.items()}
    return mse, metrics | evaluate_recovery(experiment, method, variables)


def has_own_codes(method: Method) -> bool:
    """Returns whether the method is an autoencoder whose codes are not another method's."""
    return method.objective is not None and not method.supervised and method.features_of is None


@cached_jit
def _reconstruction_program(plan: Plan, reconstruct: ApplyFn) -> Callable[..., Any]:
    def evaluate_seed(variables: Variables, scaler: Scaler, rows: Array, examples: Examples) -> tuple[Array, Array]:
        def reconstruct_batch(batch: Batch) -> tuple[Array, Array]:
            return reconstruct(variables, batch.inputs), batch.inputs

        reconstructions, targets = map_rows(reconstruct_batch, examples, scaler, rows)
        return jnp.mean(per_example_mse(reconstructions, targets)), explained_variance(reconstructions, targets)

    return plan.map_seeds(evaluate_seed, replicated_argnums=(3,))


@cached_jit
def _code_metrics_program(plan: Plan, quantizer: Quantizer | None) -> Callable[..., Any]:
    def evaluate_seed(values: Array, train: Array, test: Array) -> dict[str, Array]:
        train_codes, test_codes = jnp.take(values, train, axis=0), jnp.take(values, test, axis=0)
        metrics = compute_code_metrics(train_codes, test_codes)
        if quantizer is None:
            return metrics
        bits = values.shape[1] / quantizer.units * math.log2(quantizer.entries)
        return metrics | compute_code_usage(train_codes, quantizer.units) | {"bits": jnp.float32(bits)}

    return plan.map_seeds(evaluate_seed)


def chunk_code_metrics(
    experiment: Experiment, seed_chunk: SeedChunk, method: Method, features: ExtractedFeatures
) -> dict[str, Float[np.ndarray, " seeds"]]:
    """Returns the metrics of a method's codes, for every seed of the chunk."""
    rows = seed_chunk.shard([part.astype(np.int32) for part in (experiment.split.train, experiment.split.test)])
    program = _code_metrics_program(seed_chunk.plan, quantizer_of(method.model))
    return seed_chunk.plan.to_host(program(features.values, *rows))


def evaluate_codes(
    experiment: Experiment, method: Method, variables: Variables
) -> dict[str, Float[np.ndarray, " seeds"]]:
    """Returns the metrics of a method's codes, from variables on the host."""
    plan = experiment.plan
    return plan.concatenate(
        [
            chunk_code_metrics(experiment, chunk, method, extract_features(experiment, chunk, method, variables))
            for chunk in plan.chunks()
        ]
    )


def evaluate_recovery(
    experiment: Experiment, method: Method, variables: Variables
) -> dict[str, Float[np.ndarray, " seeds"]]:
    """Returns `recovery` of each seed; nothing if the directions are unknown, or the method has no decoder.

    A unit's atom is the change of the output from a code of zeros when the unit is 1: the row of a linear decoder.
    Directions are compared in scaled input units, as the decoder's outputs are.
    """
    directions = experiment.dataset.directions
    decodes = method.objective is None or method.reconstruct is not None  # else the decoder is trained for a control
    if directions is None or method.model is None or method.features_of or method.supervised or not decodes:
        return {}
    scaled = directions[None] * experiment.scaler.scale[:, None, :]
    program = _recovery_program(experiment.plan, method.model)
    return {"recovery": experiment.plan.to_host(program(variables, experiment.plan.shard(scaled)))}


@cached_jit
def _recovery_program(plan: Plan, model: Autoencoder) -> Callable[..., Array]:
    def evaluate_seed(variables: Variables, directions: Float[Array, "g d"]) -> Scalar:
        width = model.encode(variables, jnp.zeros((1, model.n_features))).shape[1]
        codes = jnp.concatenate([jnp.eye(width), jnp.zeros((1, width))])
        outputs = model.decode_logits(variables, codes)
        return direction_recovery(outputs[:-1] - outputs[-1:], directions)

    return plan.map_seeds(evaluate_seed)
