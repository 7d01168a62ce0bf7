"""Random Fourier features: a kernel without learning, classified by the probe."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from aejax.autoencoders.spec import ProblemSpec
from aejax.autoencoders.tuning_space import Interval
from aejax.methods.method import Method
from aejax.models.submodules import Variables

FEATURES = 512
MAX_DISTANCE_ROWS = 500  # training rows whose distances set the bandwidth
SPACE = {"bandwidth": (1.0, Interval(0.1, 5))}  # default and range of what `--tune` tries


def random_fourier(problem: ProblemSpec, bandwidth: float = 1.0) -> Method:
    """Returns sqrt(2 / D) cos(W x + b), whose inner products approximate the kernel exp(-|x - y|^2 / (2 s^2)).

    There are D = `FEATURES` of them (Rahimi and Recht 2007, algorithm 1); the bandwidth s is the median distance of
    training rows times `bandwidth`.
    """

    def init(key: PRNGKeyArray, inputs: Float[Array, "n_train d"]) -> Variables:
        rows_key, frequencies_key, phases_key = (jax.random.fold_in(key, index) for index in range(3))
        count = min(MAX_DISTANCE_ROWS, inputs.shape[0])
        rows = jax.random.choice(rows_key, inputs.shape[0], (count,), replace=False)
        scale = bandwidth * median_distance(inputs[rows])
        frequencies = jax.random.normal(frequencies_key, (problem.n_features, FEATURES)) / scale
        phases = jax.random.uniform(phases_key, (FEATURES,), maxval=2 * jnp.pi)
        return {"fourier": {"frequencies": frequencies, "phases": phases}}

    def encode(variables: Variables, inputs: Float[Array, "batch d"]) -> Float[Array, "batch features"]:
        fitted = variables["fourier"]
        angles = jnp.matmul(inputs, fitted["frequencies"], precision="highest") + fitted["phases"][None]
        return jnp.sqrt(2 / FEATURES) * jnp.cos(angles)

    return Method(init=init, encode=encode)


def median_distance(inputs: Float[Array, "n d"]) -> Float[Array, ""]:
    """Returns the median Euclidean distance of two rows; 1 if it is 0."""
    squares = jnp.sum(jnp.square(inputs), axis=1)
    products = jnp.matmul(inputs, inputs.T, precision="highest")
    squared = (squares[:, None] + squares[None] - 2 * products)[jnp.triu_indices(len(inputs), 1)]
    median = jnp.sqrt(jnp.maximum(jnp.median(squared), 0.0))
    return jnp.where(median > 0, median, 1.0)
