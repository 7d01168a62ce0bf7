"""The composer: reconstruction + corruption + penalties."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray, Scalar

from aejax.data.batching import Batch
from aejax.models.autoencoder import Autoencoder
from aejax.models.submodules import Variables
from aejax.objectives.corruption import CorruptFn, corrupt_per_example
from aejax.objectives.objective import Aux, Objective, ScalarLike
from aejax.objectives.penalties import BatchPenalty, ForwardPass, Penalty
from aejax.objectives.reconstruction import ElementwiseLoss, per_example_mse

ReduceFn = Callable[[Float[Array, "batch d"], Bool[Array, "batch d"]], Float[Array, " batch"]]


def weighted_mean(corrupted_weight: ScalarLike, clean_weight: ScalarLike) -> ReduceFn:
    """The mean over entries, corrupted ones and others weighted apart (Vincent et al. 2010, section 4.3)."""
    return lambda errors, touched: jnp.mean(errors * jnp.where(touched, corrupted_weight, clean_weight), axis=1)


def masked_mean(errors: Float[Array, "batch d"], mask: Bool[Array, "batch d"]) -> Float[Array, " batch"]:
    """The mean over the entries that were hidden."""
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
        autoencoder: what is trained.
        reconstruction: the error of each entry.
        corrupt: what is done to inputs; the target stays clean.
        weigh: how an example's entries are averaged, knowing which were corrupted; default: all alike.
        judge_corrupted: evaluate on corrupted inputs too, each example always with the same corruption, because the
            loss means nothing on clean ones. Otherwise evaluation is on clean inputs, all entries alike.
        penalties: charges by example.
        batch_penalties: charges on a batch as a whole. They are not part of the evaluated loss, which is by example.

    Evaluation also reports `mse` on clean inputs, so that objectives in other units can be compared.
    """

    def per_example(
        passed: ForwardPass, errors: Float[Array, "batch d"], touched: Bool[Array, "batch d"] | None
    ) -> Float[Array, " batch"]:
        weighed = jnp.mean(errors, axis=1) if reduce is None or touched is None else reduce(errors, touched)
        return sum((penalty(passed) for penalty in penalties), start=weighed)

    def loss(variables: Variables, batch: Batch, noise_key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        inputs, touched = (batch.inputs, None) if corrupt is None else corrupt(noise_key, batch.inputs)
        latents, outputs, batch_stats = autoencoder.forward(variables, inputs, train=True)
        passed = ForwardPass(variables, inputs, latents, jax.random.fold_in(noise_key, 1))
        value = jnp.mean(per_example(passed, reconstruction_loss(outputs, batch.inputs), touched))
        value = sum((penalty(passed) for penalty in batch_penalties), start=value)
        return value, Aux(metrics={"loss": value}, batch_stats=batch_stats)

    def evaluate(variables: Variables, batch: Batch) -> dict[str, Float[Array, " batch"]]:
        def passing(inputs: Array) -> tuple[ForwardPass, Array]:
            latents, outputs, _ = autoencoder.forward(variables, inputs, train=False)
            return ForwardPass(variables, inputs, latents, jax.random.key(0)), outputs

        passed, outputs = passing(batch.inputs)
        mse = per_example_mse(autoencoder.apply_output_activation(outputs), batch.inputs)
        touched: Any = None
        if evaluate_corrupted:
            assert corrupt is not None
            inputs, touched = corrupt_per_example(corrupt, batch.inputs)
            passed, outputs = passing(inputs)
        return {"loss": per_example(passed, reconstruction_loss(outputs, batch.inputs), touched), "mse": mse}

    return Objective(loss, evaluate)
