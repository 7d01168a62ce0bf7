"""A softmax head on an encoder, trained end to end (supervised) or with a frozen encoder."""

import dataclasses
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PRNGKeyArray, Scalar

from aejax.data.batching import Batch
from aejax.models.autoencoder import Autoencoder
from aejax.models.submodules import Variables, apply_eval, apply_train
from aejax.objectives.objective import Aux, Objective


class SoftmaxHead(nn.Module):
    """One affine layer from codes to unnormalised log-probabilities."""

    n_classes: int

    @nn.compact
    def __call__(self, latents: Float[Array, "batch latent"], *, train: bool) -> Float[Array, "batch classes"]:
        return nn.Dense(self.n_classes, name="logits")(latents)


@dataclasses.dataclass(frozen=True)
class Classifier:
    """An autoencoder's encoder with a softmax head; its variables are under `encoder` and `head`."""

    autoencoder: Autoencoder  # its decoder is not used
    head: SoftmaxHead

    def init(self, key: PRNGKeyArray) -> Variables:
        """Initialises both parts; the encoder's variables equal those of the autoencoder with the same key."""
        variables = self.autoencoder.init(key)
        encoder = {collection: {"encoder": trees["encoder"]} for collection, trees in variables.items()}
        latents = self.encode(encoder, jnp.zeros((1, self.autoencoder.n_features), jnp.float32))
        return attach_head(encoder, self.head.init(jax.random.fold_in(key, 1), latents, train=False)["params"])

    def encode(self, variables: Variables, inputs: Float[Array, "batch d"]) -> Float[Array, "batch latent"]:
        """Returns codes, in evaluation mode."""
        return self.autoencoder.encode(variables, inputs)

    def log_probs(self, variables: Variables, inputs: Float[Array, "batch d"]) -> Float[Array, "batch classes"]:
        """Returns log-probabilities, in evaluation mode."""
        return jax.nn.log_softmax(apply_eval(self.head, variables, "head", self.encode(variables, inputs)))


def make_cross_entropy_objective(classifier: Classifier, *, frozen_encoder: bool) -> Objective:
    """Makes the categorical cross-entropy objective, in nats.

    A frozen encoder runs in evaluation mode and is not differentiated, so its batch statistics do not change; its
    parameters are frozen by `aejax.train.optimizers.freeze`.
    """

    def codes(variables: Variables, inputs: Float[Array, "batch d"]) -> tuple[Float[Array, "batch latent"], Any]:
        if frozen_encoder:
            return jax.lax.stop_gradient(classifier.encode(variables, inputs)), variables["batch_stats"]["encoder"]
        return classifier.autoencoder.train_encode(variables, inputs)

    def loss(variables: Variables, batch: Batch, noise_key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        latents, encoder_stats = codes(variables, batch.inputs)
        logits, head_stats = apply_train(classifier.head, variables, "head", latents)
        value = jnp.mean(optax.softmax_cross_entropy_with_integer_labels(logits, batch.labels))
        return value, Aux(metrics={"loss": value}, batch_stats={"encoder": encoder_stats, "head": head_stats})

    def evaluate(variables: Variables, batch: Batch) -> dict[str, Float[Array, " batch"]]:
        log_probs = classifier.log_probs(variables, batch.inputs)
        of_true_class = jnp.take_along_axis(log_probs, batch.labels[:, None], axis=1)[:, 0]
        is_correct = (jnp.argmax(log_probs, axis=1) == batch.labels).astype(jnp.float32)
        return {"loss": -of_true_class, "accuracy": is_correct}

    return Objective(loss, evaluate)


def attach_head(encoder: Variables, head: dict[str, Any]) -> Variables:
    """Returns a classifier's variables from those of an encoder and a head's parameters."""
    return {
        "params": {"encoder": encoder["params"]["encoder"], "head": head},
        "batch_stats": {"encoder": encoder["batch_stats"]["encoder"], "head": {}},
    }
