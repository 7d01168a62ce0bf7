"""Variance-invariance-covariance regularization (Bardes et al. 2022)."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, Scalar

from aejax.data.batching import Batch
from aejax.models.autoencoder import Autoencoder
from aejax.models.submodules import Variables, apply_eval, apply_train
from aejax.objectives.corruption import CorruptFn, corrupt_per_example, with_noise_seed
from aejax.objectives.objective import Aux, Objective, ScalarLike

STD_EPSILON = 1e-4  # inside the square root of equation 2


class VicregWeights(NamedTuple):
    """The weights of the three terms: lambda, mu and nu."""

    invariance: ScalarLike
    variance: ScalarLike
    covariance: ScalarLike


def std_shortfall(embeddings: Float[Array, "batch width"]) -> Scalar:
    """Returns the mean over units of `max(0, 1 - sqrt(variance + epsilon))` (equations 1 and 2)."""
    return jnp.mean(jax.nn.relu(1 - jnp.sqrt(jnp.diag(_covariance(embeddings)) + STD_EPSILON)))


def squared_covariances(embeddings: Float[Array, "batch width"]) -> Scalar:
    """Returns the sum of the squared covariances between different units, by the number of units (equations 3, 4)."""
    covariance = _covariance(embeddings)
    return (jnp.sum(jnp.square(covariance)) - jnp.sum(jnp.square(jnp.diag(covariance)))) / embeddings.shape[1]


def _covariance(embeddings: Float[Array, "batch width"]) -> Float[Array, "width width"]:
    centered = embeddings - jnp.mean(embeddings, axis=0, keepdims=True)
    return centered.T @ centered / max(1, len(embeddings) - 1)


def vicreg_objective(model: Autoencoder, corrupt: CorruptFn, weights: VicregWeights) -> Objective:
    """Returns `weights . (mean squared distance, std_shortfall, squared_covariances)` of two views' embeddings.

    The last two terms are sums over both views (equation 6), of which the paper's code halves the variance term; the
    first is a mean over examples and units, as in that code. The evaluated loss of an example is the first term, as the
    others need a batch.

    Args:
        model: its decoder is the expander, from codes to embeddings.
        corrupt: makes a view, with a key of its own.
        weights: of the terms.
    """

    def loss(variables: Variables, batch: Batch, noise_key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        views = [corrupt(jax.random.fold_in(noise_key, view), batch.inputs).inputs for view in range(2)]
        codes, encoder_stats = model.train_encode(variables, jnp.concatenate(views))
        outputs, expander_stats = apply_train(model.decoder, variables, "decoder", codes, model.compute_dtype)
        first, second = jnp.split(outputs, 2)
        value = (
            weights.invariance * jnp.mean(jnp.square(first - second))
            + weights.variance * (std_shortfall(first) + std_shortfall(second))
            + weights.covariance * (squared_covariances(first) + squared_covariances(second))
        )
        batch_stats = {"encoder": encoder_stats, "decoder": expander_stats}
        return value, Aux(metrics={"loss": value}, batch_stats=batch_stats)

    def evaluate(variables: Variables, batch: Batch) -> dict[str, Float[Array, " batch"]]:
        views = [corrupt_per_example(with_noise_seed(corrupt, view), batch.inputs).inputs for view in range(2)]
        codes = [model.encode(variables, view) for view in views]
        first, second = (apply_eval(model.decoder, variables, "decoder", code) for code in codes)
        return {"loss": weights.invariance * jnp.mean(jnp.square(first - second), axis=1)}

    return Objective(loss, evaluate)
