"""The objective of deterministic autoencoders: reconstruction, optional corruption, and penalties."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray, Scalar

from aejax.data.batching import Batch
from aejax.models.autoencoder import Autoencoder
from aejax.models.submodules import Variables
from aejax.objectives.corruption import CorruptFn, corrupt_per_example
from aejax.objectives.objective import Aux, ElementwiseLoss, Objective, ScalarLike, per_example_mse
from aejax.objectives.penalties import BatchPenalty, ForwardPass, Penalty

ReduceFn = Callable[[Float[Array, "batch d"], Bool[Array, "batch d"]], Float[Array, " batch"]]


def weighted_mean(corrupted_weight: ScalarLike, clean_weight: ScalarLike) -> ReduceFn:
    """Averages over entries, with separate weights of corrupted and clean ones (Vincent et al. 2010, section 4.3)."""
    return lambda errors, mask: jnp.mean(errors * jnp.where(mask, corrupted_weight, clean_weight), axis=1)


def masked_mean(errors: Float[Array, "batch d"], mask: Bool[Array, "batch d"]) -> Float[Array, " batch"]:
    """Averages over the masked entries."""
    return jnp.sum(errors * mask, axis=1) / jnp.maximum(jnp.sum(mask, axis=1), 1)


def autoencoder_objective(
    autoencoder: Autoencoder,
    reconstruction_loss: ElementwiseLoss,
    *,
    corrupt: CorruptFn | None = None,
    reduce: ReduceFn | None = None,
    evaluate_corrupted: bool = False,
    penalties: Sequence[Penalty] = (),
    batch_penalties: Sequence[BatchPenalty] = (),
) -> Objective:
    """Mean over the batch of `reconstruction(decode(encode(corrupt(x))), x) + penalties`, plus batch penalties.

    Args:
        autoencoder: the model to train.
        reconstruction_loss: the error of each entry.
        corrupt: corruption of the inputs; the target stays clean.
        reduce: average over the entries of an example, given which were corrupted; default: the mean.
        evaluate_corrupted: evaluate on corrupted inputs, with a fixed corruption of each example, if the loss has no
            meaning on clean inputs. By default evaluation uses clean inputs and the mean over entries.
        penalties: penalties of each example.
        batch_penalties: penalties of a whole batch, which are not part of the evaluated loss.

    Evaluation also returns `mse` on clean inputs, which is comparable between objectives.
    """

    def per_example(
        passed: ForwardPass, errors: Float[Array, "batch d"], mask: Bool[Array, "batch d"] | None
    ) -> Float[Array, " batch"]:
        reduced = jnp.mean(errors, axis=1) if reduce is None or mask is None else reduce(errors, mask)
        return sum((penalty(passed) for penalty in penalties), start=reduced)

    def loss(variables: Variables, batch: Batch, noise_key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        inputs, mask = (batch.inputs, None) if corrupt is None else corrupt(noise_key, batch.inputs)
        latents, outputs, batch_stats = autoencoder.forward(variables, inputs, train=True)
        passed = ForwardPass(variables, inputs, latents, jax.random.fold_in(noise_key, 1))
        value = jnp.mean(per_example(passed, reconstruction_loss(outputs, batch.inputs), mask))
        value = sum((penalty(passed) for penalty in batch_penalties), start=value)
        return value, Aux(metrics={"loss": value}, batch_stats=batch_stats)

    def evaluate(variables: Variables, batch: Batch) -> dict[str, Float[Array, " batch"]]:
        def forward(inputs: Array) -> tuple[ForwardPass, Array]:
            latents, outputs, _ = autoencoder.forward(variables, inputs, train=False)
            return ForwardPass(variables, inputs, latents, jax.random.key(0), train=False), outputs

        passed, outputs = forward(batch.inputs)
        mse = per_example_mse(autoencoder.apply_output_activation(outputs), batch.inputs)
        mask: Any = None
        if evaluate_corrupted:
            assert corrupt is not None
            inputs, mask = corrupt_per_example(corrupt, batch.inputs)
            passed, outputs = forward(inputs)
        return {"loss": per_example(passed, reconstruction_loss(outputs, batch.inputs), mask), "mse": mse}

    return Objective(loss, evaluate)
