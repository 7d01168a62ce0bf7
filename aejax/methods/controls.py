"""Controls: features that are not learned, or learned from labels."""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from aejax.autoencoders.spec import ProblemSpec
from aejax.config import ModelConfig
from aejax.methods.method import Method, init_fn
from aejax.models.architectures import dense_autoencoder
from aejax.models.autoencoder import Autoencoder
from aejax.models.submodules import Variables
from aejax.probes.features import leading_axes
from aejax.probes.head import Classifier, SoftmaxHead, make_cross_entropy_objective

FOURIER_FEATURES = 512
MAX_DISTANCE_ROWS = 500  # training rows whose distances set the bandwidth of random Fourier features
MLP_WIDTHS = (256, 256)


def _init_empty(key: PRNGKeyArray, inputs: Float[Array, "n_train d"]) -> Variables:
    return {}


def _identity(variables: Variables, inputs: Float[Array, "batch d"]) -> Float[Array, "batch d"]:
    return inputs


def raw(problem: ProblemSpec) -> Method:
    """Returns the scaled inputs as features."""
    return Method(init=_init_empty, encode=_identity, is_identity=True)


def fit_pca(inputs: Float[Array, "n d"], n_components: int) -> Variables:
    """Returns mean and leading principal axes as variables; axes beyond the inputs' numerical rank are zero."""
    with jax.default_matmul_precision("highest"):
        mean = jnp.mean(inputs, axis=0)
        return {"pca": {"mean": mean, "axes": leading_axes(inputs - mean[None], n_components)}}


def pca(problem: ProblemSpec) -> Method:
    """Returns principal components of the training rows: `latent_dim`, at most one for each input and row but one."""
    assert problem.model.latent_dim is not None
    n_components = min(problem.model.latent_dim, problem.n_features)

    def encode(variables: Variables, inputs: Float[Array, "batch d"]) -> Float[Array, "batch features"]:
        fitted = variables["pca"]
        return jnp.matmul(inputs - fitted["mean"][None], fitted["axes"], precision="highest")

    def reconstruct(variables: Variables, inputs: Float[Array, "batch d"]) -> Float[Array, "batch d"]:
        fitted = variables["pca"]
        return jnp.matmul(encode(variables, inputs), fitted["axes"].T, precision="highest") + fitted["mean"][None]

    return Method(init=lambda key, inputs: fit_pca(inputs, n_components), encode=encode, reconstruct=reconstruct)


def pca_tuned(problem: ProblemSpec) -> Method:
    """Returns principal components of the training rows, as many of 2, 4, 8, ... or all as validation loss prefers."""
    every = dataclasses.replace(problem.model, latent_dim=problem.n_features)
    method = pca(dataclasses.replace(problem, model=every))
    widths = tuple(2**power for power in range(1, problem.n_features.bit_length()))
    return dataclasses.replace(method, reconstruct=None, candidate_widths=widths)


def random_projection(problem: ProblemSpec) -> Method:
    """Returns projections on `latent_dim` = k random directions with entries N(0, 1/k): distances are kept on average.

    The lemma of Johnson and Lindenstrauss (1984), with the scale of scikit-learn's `GaussianRandomProjection`.
    """
    width = problem.model.latent_dim
    assert width is not None

    def init(key: PRNGKeyArray, inputs: Float[Array, "n_train d"]) -> Variables:
        axes = jax.random.normal(key, (problem.n_features, width), jnp.float32)
        return {"projection": {"axes": axes / jnp.sqrt(width)}}

    def encode(variables: Variables, inputs: Float[Array, "batch d"]) -> Float[Array, "batch features"]:
        return jnp.matmul(inputs, variables["projection"]["axes"], precision="highest")

    return Method(init=init, encode=encode)


def random_fourier(problem: ProblemSpec, bandwidth: float = 1.0) -> Method:
    """Returns random Fourier features sqrt(2 / D) cos(W x + b) (Rahimi and Recht 2007, algorithm 1).

    The inner products of the D = `FOURIER_FEATURES` features approximate the kernel exp(-|x - y|^2 / (2 s^2)); the
    bandwidth s is the median distance of training rows times `bandwidth`.
    """

    def init(key: PRNGKeyArray, inputs: Float[Array, "n_train d"]) -> Variables:
        rows_key, frequencies_key, phases_key = (jax.random.fold_in(key, index) for index in range(3))
        count = min(MAX_DISTANCE_ROWS, inputs.shape[0])
        rows = jax.random.choice(rows_key, inputs.shape[0], (count,), replace=False)
        scale = bandwidth * median_distance(inputs[rows])
        frequencies = jax.random.normal(frequencies_key, (problem.n_features, FOURIER_FEATURES), jnp.float32) / scale
        phases = jax.random.uniform(phases_key, (FOURIER_FEATURES,), jnp.float32, maxval=2 * jnp.pi)
        return {"fourier": {"frequencies": frequencies, "phases": phases}}

    def encode(variables: Variables, inputs: Float[Array, "batch d"]) -> Float[Array, "batch features"]:
        fitted = variables["fourier"]
        angles = jnp.matmul(inputs, fitted["frequencies"], precision="highest") + fitted["phases"][None]
        return jnp.sqrt(2 / FOURIER_FEATURES) * jnp.cos(angles)

    return Method(init=init, encode=encode)


def median_distance(inputs: Float[Array, "n d"]) -> Float[Array, ""]:
    """Returns the median Euclidean distance of two rows; 1 if it is 0."""
    squares = jnp.sum(jnp.square(inputs), axis=1)
    products = jnp.matmul(inputs, inputs.T, precision="highest")
    squared = (squares[:, None] + squares[None] - 2 * products)[jnp.triu_indices(len(inputs), 1)]
    median = jnp.sqrt(jnp.maximum(jnp.median(squared), 0.0))
    return jnp.where(median > 0, median, 1.0)


def untrained(model: Autoencoder, architecture_of: str | None = None) -> Method:
    """Returns an encoder with the weights from which training with the same seed starts."""
    return Method(init=init_fn(model), encode=model.encode, model=model, architecture_of=architecture_of)


def mlp(problem: ProblemSpec) -> Method:
    """Returns a perceptron with two hidden layers of 256 rectified units, trained as `supervised`.

    It is a control of the architecture: `supervised` has the encoder of the autoencoders, which ends in a narrow code.
    """
    *hidden, last = MLP_WIDTHS
    config = ModelConfig(
        hidden=tuple(hidden),
        latent_dim=last,
        code_activation="relu",
        output="linear",
        conventions=problem.model.conventions,
        compute_dtype=problem.model.compute_dtype,
    )
    return supervised(problem, dense_autoencoder(config, problem.n_features))


def supervised(problem: ProblemSpec, model: Autoencoder, architecture_of: str | None = None) -> Method:
    """Returns an encoder with a softmax head, trained end to end on all labels of a seed.

    Weight decay and epochs are chosen by the labels, too.
    """
    classifier = Classifier(model, SoftmaxHead(problem.n_classes))
    return Method(
        init=init_fn(classifier),
        encode=classifier.encode,
        log_probs=classifier.log_probs,
        objective=make_cross_entropy_objective(classifier, frozen_encoder=False),
        supervised=True,
        architecture_of=architecture_of,
    )
