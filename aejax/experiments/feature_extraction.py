"""Feature extraction, of some rows for every seed or of every row for one chunk of seeds, and metrics of codes."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Scalar, Shaped

from aejax.data.batching import Examples, map_rows
from aejax.data.scalers import Scaler, apply_scaler
from aejax.evaluate.code_metrics import compute_code_metrics, compute_code_usage, direction_recovery
from aejax.experiments.compilation import cached_jit
from aejax.experiments.experiment import Experiment
from aejax.methods.method import Method
from aejax.models.autoencoder import Autoencoder
from aejax.models.quantization import Quantizer, quantizer_of
from aejax.models.submodules import Variables
from aejax.probes.features import Features
from aejax.train.plan import Plan, SeedChunk

ApplyFn = Callable[[Variables, Float[Array, "batch d"]], Float[Array, "batch ..."]]


@cached_jit
def row_program(plan: Plan, apply: Callable[..., Any], shared_rows: bool = True) -> Callable[..., Any]:
    """Returns a program that applies a function to the scaled examples of given rows, for every seed."""

    def apply_seed(variables: Variables, scaler: Scaler, rows: Array, examples: Examples) -> Any:
        return map_rows(lambda batch: apply(variables, batch.inputs), examples, scaler, rows)

    return plan.map_seeds(apply_seed, replicated_argnums=(2, 3) if shared_rows else (3,))


def apply_to_test_rows(
    experiment: Experiment,
    apply: Callable[..., Any],
    variables: Variables,
    rows: Int[np.ndarray, "seeds m"] | None = None,
) -> Any:
    """Returns `apply` of test rows, such as features or predictions, for every seed, on the host.

    Args:
        experiment: the examples.
        apply: from variables and inputs `(batch, d)` to arrays `(batch, ...)`.
        variables: of every seed, on the devices.
        rows: some of each seed's test rows; None: all.

    Returns:
        Arrays `(seeds, m, ...)`.
    """
    program = row_program(experiment.plan, apply, experiment.shared_test)
    device_rows = experiment.put_test_rows(rows)
    return experiment.plan.to_host(program(variables, experiment.device_scaler, device_rows, experiment.examples))


class ExtractedFeatures(NamedTuple):
    """Features of every row for a chunk of seeds, on the devices; or values that all seeds share, with scalers."""

    values: Shaped[Array, "..."]  # (seeds, n, d); shared: (n, d)
    scaler: Scaler | None = None  # of each seed, of shared values; None: features
    host_values: Shaped[np.ndarray, "n d"] | None = None  # shared values
    host_scaler: Scaler | None = None  # `scaler`, of all seeds of the run

    @property
    def shared(self) -> bool:
        """Whether all seeds share the values."""
        return self.scaler is not None

    @property
    def width(self) -> int:
        """Number of features of an example."""
        return self.values.shape[-1]


def extract_features(
    experiment: Experiment,
    seed_chunk: SeedChunk,
    method: Method,
    variables: Variables,
    given: Float[np.ndarray, "..."] | None = None,
) -> ExtractedFeatures:
    """Returns a method's features of every row.

    Args:
        experiment: the rows.
        seed_chunk: the seeds.
        method: how features are made.
        variables: of every seed, on the host.
        given: features from `Method.make_features`: `(n, d)`, or `(seeds, n, d)` of all seeds.
    """
    scaler = seed_chunk.shard(experiment.scaler)
    if method.is_identity:
        flat = experiment.dataset.inputs.reshape(len(experiment.dataset.inputs), -1)
        return ExtractedFeatures(experiment.examples.inputs, scaler, flat, experiment.scaler)
    if given is not None and given.ndim == 2:
        ones = np.ones((experiment.plan.seeds, 1), np.float32)
        unscaled = Scaler(0 * ones, ones)
        return ExtractedFeatures(seed_chunk.plan.replicate(given), seed_chunk.shard(unscaled), given, unscaled)
    if given is not None:
        return ExtractedFeatures(seed_chunk.shard(given))
    program = row_program(seed_chunk.plan, method.encode)
    every_row = seed_chunk.plan.replicate(np.arange(len(experiment.dataset.labels), dtype=np.int32))
    return ExtractedFeatures(program(seed_chunk.shard(variables), scaler, every_row, experiment.examples))


@jax.jit
def _scaled(scaler: Scaler, inputs: Shaped[Array, "m d"]) -> Float[Array, "m d"]:
    return apply_scaler(scaler, inputs)


def scaled_inputs(experiment: Experiment, seed: int, rows: Int[np.ndarray, " m"]) -> Float[np.ndarray, "m d"]:
    """Returns inputs, scaled for a seed, on the host."""
    inputs = experiment.dataset.inputs[rows].reshape(len(rows), -1)
    return _scale(experiment.scaler, seed, inputs)


def _scale(scaler: Scaler, seed: int, inputs: Shaped[np.ndarray, "m d"]) -> Float[np.ndarray, "m d"]:
    return np.asarray(_scaled(jax.tree.map(lambda leaf: leaf[seed], scaler), inputs))


def seed_features(
    experiment: Experiment,
    seed_chunk: SeedChunk,
    features: ExtractedFeatures,
    position: int,
    rows: Int[np.ndarray, " m"],
) -> Float[np.ndarray, "m d"]:
    """Returns the features of `rows` for the seed at `position` in the chunk, on the host."""
    if features.host_values is not None and features.host_scaler is not None:
        return _scale(features.host_scaler, int(seed_chunk.seed_indices[position]), features.host_values[rows])
    return seed_chunk.plan.seed_to_host(features.values, position)[rows]


@cached_jit
def _gather_program(plan: Plan, shared_rows: bool) -> Callable[..., Any]:
    return plan.map_seeds(
        lambda values, rows: Features(values).gather(rows), replicated_argnums=(1,) if shared_rows else ()
    )


def gather_features(
    experiment: Experiment, seed_chunk: SeedChunk, features: ExtractedFeatures, rows: Int[np.ndarray, "seeds m"]
) -> Float[np.ndarray, "chunk m d"]:
    """Returns the features of some of each seed's test rows for every seed of the chunk, on the host."""
    if features.shared:
        seeds = enumerate(seed_chunk.seed_indices.tolist())
        return np.stack([seed_features(experiment, seed_chunk, features, i, rows[seed]) for i, seed in seeds])
    program = _gather_program(seed_chunk.plan, experiment.shared_test)
    return seed_chunk.plan.to_host(program(features.values, experiment.put_test_rows(rows, seed_chunk)))


@cached_jit
def _code_metrics_program(plan: Plan, quantizer: Quantizer | None, shared_test: bool) -> Callable[..., Any]:
    def evaluate_seed(values: Array, train: Array, test: Array) -> dict[str, Array]:
        train_codes, test_codes = jnp.take(values, train, axis=0), jnp.take(values, test, axis=0)
        metrics = compute_code_metrics(train_codes, test_codes)
        if quantizer is None:
            return metrics
        bits = values.shape[1] / quantizer.units * math.log2(quantizer.entries)
        return metrics | compute_code_usage(train_codes, quantizer.units) | {"bits": jnp.float32(bits)}

    return plan.map_seeds(evaluate_seed, replicated_argnums=(2,) if shared_test else ())


def chunk_code_metrics(
    experiment: Experiment, seed_chunk: SeedChunk, method: Method, features: ExtractedFeatures
) -> dict[str, Float[np.ndarray, " seeds"]]:
    """Returns the metrics of a method's codes, for every seed of the chunk."""
    rows = seed_chunk.shard(experiment.split.train.astype(np.int32))
    program = _code_metrics_program(seed_chunk.plan, quantizer_of(method.model), experiment.shared_test)
    test_rows = experiment.put_test_rows(seed_chunk=seed_chunk)
    return seed_chunk.plan.to_host(program(features.values, rows, test_rows))


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
