"""The kinds of autoencoder: reconstruction + corruption + penalties, and the registry of their names.

A new kind is one function `(autoencoder, config) -> Objective` and one line in `KINDS`.
"""

from collections.abc import Callable, Sequence

import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, Scalar

from aejax.config import ObjectiveConfig
from aejax.data.examples import Batch
from aejax.models.autoencoder import Autoencoder
from aejax.models.parts import Variables
from aejax.objectives.corruption import Corrupt, gaussian
from aejax.objectives.objective import Aux, Objective
from aejax.objectives.penalties import Penalty, l1_activity
from aejax.objectives.reconstruction import PerExample, per_example_mse, reconstruction_term


def autoencoding(
    autoencoder: Autoencoder,
    reconstruction: PerExample,
    corrupt: Corrupt | None = None,
    penalties: Sequence[Penalty] = (),
) -> Objective:
    """Mean over the batch of `reconstruction(decode(encode(corrupt(x))), x) + sum of penalties(encode(corrupt(x)))`.

    Evaluation is on clean inputs and also reports `mse`, so that objectives in other units can be compared.
    """

    def total(
        latents: Float[Array, "batch latent"], outputs: Float[Array, "batch d"], target: Float[Array, "batch d"]
    ) -> Float[Array, " batch"]:
        return sum((penalty(latents) for penalty in penalties), start=reconstruction(outputs, target))

    def loss(variables: Variables, batch: Batch, noise_key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        inputs = batch.inputs if corrupt is None else corrupt(noise_key, batch.inputs)
        latents, outputs, batch_stats = autoencoder.forward(variables, inputs, train=True)
        value = jnp.mean(total(latents, outputs, batch.inputs))
        return value, Aux(metrics={"loss": value}, batch_stats=batch_stats)

    def evaluate(variables: Variables, batch: Batch) -> dict[str, Float[Array, " batch"]]:
        latents, outputs, _ = autoencoder.forward(variables, batch.inputs, train=False)
        mse = per_example_mse(autoencoder.activate(outputs), batch.inputs)
        return {"loss": total(latents, outputs, batch.inputs), "mse": mse}

    return Objective(loss, evaluate)


def _term(autoencoder: Autoencoder, config: ObjectiveConfig) -> PerExample:
    assert config.reconstruction is not None
    return reconstruction_term(config.reconstruction, autoencoder.output)


def undercomplete(autoencoder: Autoencoder, config: ObjectiveConfig) -> Objective:
    """Reconstruction through a narrow code, nothing else."""
    return autoencoding(autoencoder, _term(autoencoder, config))


def denoising(autoencoder: Autoencoder, config: ObjectiveConfig) -> Objective:
    """Reconstruction of the clean input from one with Gaussian noise (Vincent et al. 2010)."""
    return autoencoding(autoencoder, _term(autoencoder, config), corrupt=gaussian(config.noise_std))


def sparse_l1(autoencoder: Autoencoder, config: ObjectiveConfig) -> Objective:
    """Reconstruction with a charge on the code's absolute activity."""
    return autoencoding(autoencoder, _term(autoencoder, config), penalties=[l1_activity(config.l1)])


KINDS: dict[str, Callable[[Autoencoder, ObjectiveConfig], Objective]] = {
    "undercomplete": undercomplete,
    "denoising": denoising,
    "sparse-l1": sparse_l1,
}
