"""Every way to turn inputs into features, learned or not, behind one signature."""

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from aejax.classify.head import Classifier, SoftmaxHead, classification
from aejax.config import ModelConfig, ObjectiveConfig
from aejax.models.autoencoder import Autoencoder, dense_autoencoder
from aejax.models.parts import Variables
from aejax.objectives.kinds import KINDS
from aejax.objectives.objective import Objective


@dataclasses.dataclass(frozen=True, kw_only=True)
class Method:
    """How inputs become features: start (which may be all), perhaps train, then encode. Written for one seed."""

    start: Callable[[PRNGKeyArray, Float[Array, "n_train d"]], Variables]  # from a key and the scaled training inputs
    encode: Callable[[Variables, Float[Array, "batch d"]], Float[Array, "batch features"]]
    reconstruct: Callable[[Variables, Float[Array, "batch d"]], Float[Array, "batch d"]] | None = None
    log_probs: Callable[[Variables, Float[Array, "batch d"]], Float[Array, "batch classes"]] | None = None
    """Its own classifier; None: the probe classifies the features."""
    objective: Objective | None = None  # what trains it; None: `start` is the end
    labelled: bool = False  # trained on the labelled rows only, and kept at its best validation epoch
    seedless: bool = False  # the features depend on the seed only through the scaler


@dataclasses.dataclass(frozen=True)
class Setting:
    """What all methods of one comparison have in common."""

    model: ModelConfig  # resolved
    objective: ObjectiveConfig  # resolved
    features: int  # d, numbers in one example
    classes: int

    @functools.cached_property
    def autoencoder(self) -> Autoencoder:
        """The one architecture, shared so that equal programs are compiled once."""
        return dense_autoencoder(self.model, self.features)

    def start_autoencoder(self, key: PRNGKeyArray, inputs: Float[Array, "n_train d"]) -> Variables:
        """The variables from which every kind starts, and at which the random encoder stays."""
        return self.autoencoder.init(key)


def raw(setting: Setting) -> Method:
    """The scaled inputs themselves."""
    return Method(start=lambda key, inputs: {}, encode=lambda variables, inputs: inputs, seedless=True)


def pca_components(inputs: Float[Array, "n d"], dimension: int) -> Variables:
    """Mean and leading principal axes, in closed form (eigenvectors of the covariance), as variables."""
    with jax.default_matmul_precision("highest"):
        mean = jnp.mean(inputs, axis=0)
        centred = inputs - mean[None]
        _, axes = jnp.linalg.eigh(centred.T @ centred / inputs.shape[0])
    return {"pca": {"mean": mean, "axes": axes[:, ::-1][:, :dimension]}}


def pca(setting: Setting) -> Method:
    """Principal components of the training rows, as many as the code has units (at most as many as inputs)."""
    assert setting.model.latent_dim is not None
    dimension = min(setting.model.latent_dim, setting.features)

    def encode(variables: Variables, inputs: Float[Array, "batch d"]) -> Float[Array, "batch features"]:
        own = variables["pca"]
        return jnp.matmul(inputs - own["mean"][None], own["axes"], precision="highest")

    def reconstruct(variables: Variables, inputs: Float[Array, "batch d"]) -> Float[Array, "batch d"]:
        own = variables["pca"]
        return jnp.matmul(encode(variables, inputs), own["axes"].T, precision="highest") + own["mean"][None]

    return Method(start=lambda key, inputs: pca_components(inputs, dimension), encode=encode, reconstruct=reconstruct)


def random_encoder(setting: Setting) -> Method:
    """The architecture untrained, with the very weights from which the autoencoders of the same seed start."""
    return Method(start=setting.start_autoencoder, encode=setting.autoencoder.encode)


def supervised(setting: Setting) -> Method:
    """The same encoder with a softmax head, trained end to end on the same labels; the best epoch is kept."""
    model = Classifier(setting.autoencoder.encoder, SoftmaxHead(setting.classes), setting.features)
    return Method(
        start=lambda key, inputs: model.init(key),
        encode=model.encode,
        log_probs=model.log_probs,
        objective=classification(model, frozen_encoder=False),
        labelled=True,
    )


def autoencoder_method(kind: str, setting: Setting) -> Method:
    """An autoencoder of a kind in `KINDS`, trained on the training inputs without labels."""
    model = setting.autoencoder
    return Method(
        start=setting.start_autoencoder,
        encode=model.encode,
        reconstruct=model.reconstruct,
        objective=KINDS[kind](model, setting.objective),
    )


METHODS: dict[str, Callable[[Setting], Method]] = {
    "raw": raw,
    "pca": pca,
    "random": random_encoder,
    "supervised": supervised,
    **{kind: functools.partial(autoencoder_method, kind) for kind in KINDS},
}
