"""Feature extraction, of some rows for every seed or of every row for one chunk of seeds."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float, Int, Shaped

from aejax.data.batching import Examples, map_rows
from aejax.data.scalers import Scaler, apply_scaler
from aejax.experiments.compilation import cached_jit
from aejax.experiments.experiment import Experiment, shard_rows
from aejax.methods.method import Method
from aejax.models.submodules import Variables
from aejax.probes.features import Features
from aejax.train.plan import Plan, SeedChunk, to_numpy

ApplyFn = Callable[[Variables, Float[Array, "batch d"]], Float[Array, "batch ..."]]


@cached_jit
def row_program(plan: Plan, apply: Callable[..., Any], shared_rows: bool = False) -> Callable[..., Any]:
    """Returns a program that applies a function to the scaled examples of each seed's rows, or of the same rows."""

    def apply_seed(variables: Variables, scaler: Scaler, rows: Array, examples: Examples) -> Any:
        return map_rows(lambda batch: apply(variables, batch.inputs), examples, scaler, rows)

    return plan.map_seeds(apply_seed, replicated_argnums=(2, 3) if shared_rows else (3,))


def apply_to_test_rows(
    experiment: Experiment,
    apply: Callable[..., Any],
    variables: Variables,
    rows: Int[np.ndarray, "seeds m"] | None = None,
) -> Any:
    """Returns `apply` of test rows, such as features or predictions, for every seed, on the host: `(seeds, m, ...)`.

    Args:
        experiment: the examples.
        apply: from variables and inputs `(batch, d)` to arrays `(batch, ...)`.
        variables: of every seed, on the devices.
        rows: some of each seed's test rows; None: all.
    """
    program = row_program(experiment.plan, apply)
    device_rows = shard_rows(experiment, experiment.split.test if rows is None else rows)
    return experiment.plan.to_host(program(variables, experiment.device_scaler, device_rows, experiment.examples))


class ExtractedFeatures(NamedTuple):
    """Features of every row for a chunk of seeds, on the devices."""

    values: Shaped[Array, "..."]  # (seeds, n, d), or (n, d) that all seeds share
    scaler: Scaler | None = None  # of each seed, for values that all seeds share

    @property
    def shared(self) -> bool:
        """Whether all seeds share the values."""
        return self.values.ndim == 2

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
    """Returns a method's features of every row, from variables of every seed on the host.

    `given` are features from `Method.make_features`: `(n, d)`, or `(seeds, n, d)` of all seeds.
    """
    if method.is_identity:
        return ExtractedFeatures(experiment.examples.inputs, seed_chunk.shard(experiment.scaler))
    if given is not None and given.ndim == 2:
        ones = np.ones((experiment.plan.seeds, 1), np.float32)  # with a scaler, features count as exact, like inputs
        return ExtractedFeatures(seed_chunk.plan.replicate(given), seed_chunk.shard(Scaler(0 * ones, ones)))
    if given is not None:
        return ExtractedFeatures(seed_chunk.shard(given))
    program = row_program(seed_chunk.plan, method.encode, shared_rows=True)
    every_row = seed_chunk.plan.replicate(np.arange(len(experiment.dataset.labels), dtype=np.int32))
    arguments = seed_chunk.shard((variables, experiment.scaler))
    return ExtractedFeatures(program(*arguments, every_row, experiment.examples))


_apply_scaler = jax.jit(apply_scaler)


def scaled_inputs(experiment: Experiment, seed: int, rows: Int[np.ndarray, " m"]) -> Float[np.ndarray, "m d"]:
    """Returns inputs, scaled for a seed, on the host."""
    scaler = jax.tree.map(lambda leaf: leaf[seed], experiment.scaler)
    return np.asarray(_apply_scaler(scaler, experiment.dataset.inputs[rows].reshape(len(rows), -1)))


def seed_features(
    experiment: Experiment,
    seed_chunk: SeedChunk,
    features: ExtractedFeatures,
    position: int,
    rows: Int[np.ndarray, " m"],
) -> Float[np.ndarray, "m d"]:
    """Returns the features of `rows` for the seed at `position` in the chunk, on the host."""
    if features.values is experiment.examples.inputs:
        return scaled_inputs(experiment, int(seed_chunk.seed_indices[position]), rows)
    return to_numpy(features.values if features.shared else features.values[position])[rows]


@cached_jit
def _gather_program(plan: Plan) -> Callable[..., Any]:
    return plan.map_seeds(lambda values, rows: Features(values).gather(rows))


def gather_features(
    experiment: Experiment, seed_chunk: SeedChunk, features: ExtractedFeatures, rows: Int[np.ndarray, "seeds m"]
) -> Float[np.ndarray, "chunk m d"]:
    """Returns the features of some of each seed's test rows for every seed of the chunk, on the host."""
    if features.shared:
        seeds = enumerate(seed_chunk.seed_indices.tolist())
        return np.stack([seed_features(experiment, seed_chunk, features, i, rows[seed]) for i, seed in seeds])
    program = _gather_program(seed_chunk.plan)
    return seed_chunk.plan.to_host(program(features.values, seed_chunk.shard(rows.astype(np.int32))))
