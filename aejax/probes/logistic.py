"""L2 multinomial logistic regression: the problem, its objective, gradient and Hessian products.

    minimise over W, b:  (1/n) sum_i [ logsumexp(z_i) - z_i[y_i] ] + (c l2 / 2) ||W||^2,   z_i = W' x_i + b

The intercept is not penalised. `l2` is per example, 1 / (C n) in scikit-learn's notation; c is 1, and 2 for two
classes, where the symmetric softmax solution then has scikit-learn's binary coefficients. A gradient and a Hessian
product each read the features once, in blocks of rows that fit a processor's cache.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Scalar

from aejax.probes.features import map_row_blocks
from aejax.probes.preconditioner import HessianBlocks, compute_hessian_blocks

ReadRows = Callable[[Int[Array, " m"]], Float[Array, "m d"]]  # returns the features at given positions


class LinearClassifier(NamedTuple):
    """Weights and intercepts of a softmax classifier."""

    weights: Float[Array, "d classes"]
    bias: Float[Array, " classes"]


class LogisticProblem(NamedTuple):
    """A regression in blocks of rows; the last block is padded with rows of zeros and of weight zero."""

    features: Float[Array, "blocks rows p"]  # with a last column of ones for the intercept
    targets: Float[Array, "blocks rows classes"]  # one-hot
    row_weights: Float[Array, "blocks rows"]  # weight in the mean loss: 1 / n, or 0 for padding and left-out rows
    basis: Float[Array, "d p-1"] | None  # orthonormal basis of the rows' span, if there are fewer rows than features


def make_problem(features: Float[Array, "n d"], labels: Int[Array, " n"], n_classes: int) -> LogisticProblem:
    """Makes the problem for features in memory; with fewer rows than features, in the rows' span, which contains W."""
    return make_blocked_problem(lambda positions: features[positions], labels, n_classes)


def make_blocked_problem(read_rows: ReadRows, labels: Int[Array, " n"], n_classes: int) -> LogisticProblem:
    """Makes the problem for features that are read in blocks, or at once if there are fewer rows than columns."""
    n, basis = labels.shape[0], None
    d = jax.eval_shape(read_rows, jax.ShapeDtypeStruct((1,), jnp.int32)).shape[1]
    if n < d:
        basis = jnp.linalg.qr(read_rows(jnp.arange(n)).T)[0]

    def block(positions: Int[Array, " rows"]) -> tuple[Array, Array, Array]:
        features = read_rows(positions)
        with_ones = jnp.pad(features if basis is None else features @ basis, ((0, 0), (0, 1)), constant_values=1.0)
        return with_ones, jax.nn.one_hot(labels[positions], n_classes), jnp.full((len(positions), 1), 1 / n)

    features, targets, row_weights = map_row_blocks(block, n, dependency=labels)
    return LogisticProblem(features, targets, row_weights[..., 0], basis)


def zero_coefficients(problem: LogisticProblem) -> Float[Array, "p classes"]:
    """Returns the initial coefficients of a cold start."""
    return jnp.zeros((problem.features.shape[2], problem.targets.shape[2]))


def to_linear(problem: LogisticProblem, coefficients: Float[Array, "p classes"]) -> LinearClassifier:
    """Converts coefficients to a classifier of the original features."""
    weights = coefficients[:-1]
    return LinearClassifier(weights if problem.basis is None else problem.basis @ weights, coefficients[-1])


def linear_logits(linear: LinearClassifier, features: Float[Array, "n d"]) -> Float[Array, "n classes"]:
    """Returns unnormalised log-probabilities."""
    return features @ linear.weights + linear.bias[None]


def initial_hessian_blocks(problem: LogisticProblem) -> HessianBlocks:
    """Returns the Hessian blocks at uniform probabilities."""
    return hessian_blocks_at(problem, jnp.full_like(problem.targets, 1 / problem.targets.shape[2]))


def hessian_blocks_at(problem: LogisticProblem, probabilities: Float[Array, "blocks rows classes"]) -> HessianBlocks:
    """Returns the Hessian's diagonal blocks at given probabilities, without the penalty."""
    return compute_hessian_blocks(problem.features, probabilities, problem.row_weights)


class _SoftmaxLoss(NamedTuple):
    losses: Float[Array, "*rows"]
    probabilities: Float[Array, "*rows classes"]
    residuals: Float[Array, "*rows classes"]  # probabilities minus targets


def _softmax_loss(logits: Float[Array, "*rows classes"], targets: Float[Array, "*rows classes"]) -> _SoftmaxLoss:
    """Computes losses and residuals with full relative precision, even where they are tiny, as for separable data."""
    margins = logits - jnp.sum(targets * logits, axis=-1, keepdims=True)  # 0 at the true class
    largest = jnp.max(margins, axis=-1, keepdims=True)
    exponentials = jnp.exp(margins - largest)
    others = jnp.sum((1.0 - targets) * exponentials, axis=-1, keepdims=True)
    total = others + jnp.sum(targets * exponentials, axis=-1, keepdims=True)
    losses = jnp.where(largest > 0, largest + jnp.log(total), jnp.log1p(others))[..., 0]
    probabilities = exponentials / total
    return _SoftmaxLoss(losses, probabilities, (1.0 - targets) * probabilities - targets * others / total)


def weighted_nll(problem: LogisticProblem, logits: Array, row_weights: Float[Array, "blocks rows"]) -> Scalar:
    """Returns the weighted sum of the rows' negative log-likelihoods, in nats."""
    return jnp.sum(row_weights * _softmax_loss(logits, problem.targets).losses)


def regularized_loss(
    problem: LogisticProblem, penalty: Float[Array, " p"], coefficients: Array, logits: Array
) -> Scalar:
    """Returns the objective, from coefficients and their logits."""
    loss = weighted_nll(problem, logits, problem.row_weights)
    return loss + 0.5 * jnp.sum(penalty[:, None] * jnp.square(coefficients))


class Evaluation(NamedTuple):
    """The objective and what belongs to it at given coefficients."""

    coefficients: Float[Array, "p classes"]
    logits: Float[Array, "blocks rows classes"]
    probabilities: Float[Array, "blocks rows classes"]
    value: Scalar
    gradient: Float[Array, "p classes"]


def evaluate(
    problem: LogisticProblem, penalty: Float[Array, " p"], coefficients: Float[Array, "p classes"]
) -> Evaluation:
    """Computes logits, objective and gradient in one pass over the features."""

    def add(gradient: Array, block: tuple[Array, Array, Array]) -> tuple[Array, tuple[Array, Array]]:
        features, targets, row_weights = block
        logits = features @ coefficients
        loss = _softmax_loss(logits, targets)
        return gradient + features.T @ (row_weights[:, None] * loss.residuals), (logits, loss.probabilities)

    blocks = problem.features, problem.targets, problem.row_weights
    gradient, (logits, probabilities) = jax.lax.scan(add, penalty[:, None] * coefficients, blocks)
    value = regularized_loss(problem, penalty, coefficients, logits)
    return Evaluation(coefficients, logits, probabilities, value, gradient)


def hessian_product(
    problem: LogisticProblem, penalty: Float[Array, " p"], probabilities: Array, direction: Float[Array, "p classes"]
) -> tuple[Float[Array, "p classes"], Float[Array, "blocks rows classes"]]:
    """Returns the Hessian times a direction, and the change of the logits along it, in one pass over the features.

    Only differences between classes matter: relative to the true class, nothing cancels for confident predictions.
    """

    def add(product: Array, block: tuple[Array, Array, Array, Array]) -> tuple[Array, Array]:
        features, p, targets, row_weights = block
        change = features @ direction
        relative = change - jnp.sum(targets * change, axis=1, keepdims=True)
        weighted = p * (relative - jnp.sum(p * relative, axis=1, keepdims=True))
        return product + features.T @ (row_weights[:, None] * weighted), change

    blocks = problem.features, probabilities, problem.targets, problem.row_weights
    return jax.lax.scan(add, penalty[:, None] * direction, blocks)
