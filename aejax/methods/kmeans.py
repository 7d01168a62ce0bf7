"""Features from k-means: a single layer that is learned without gradients (Coates, Ng and Lee 2011)."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from aejax.autoencoders.spec import ProblemSpec
from aejax.methods.method import Method
from aejax.models.submodules import Variables

CENTROIDS = 256  # of rows
PATCH_CENTROIDS = 128  # of patches; an image has four features for each
ITERATIONS = 25  # of Lloyd's algorithm
MAX_POINTS = 20_000  # rows or patches that are clustered
LARGE_IMAGE, LARGE_PATCH, SMALL_PATCH = 16, 6, 3  # pixels: images from this side on have the paper's patches
CONTRAST_OFFSET = 0.01  # of the mean variance of patches; the paper adds 10 to variances of pixels in 0..255
WHITENING_OFFSET = 0.1  # added to eigenvalues, as in the paper


def kmeans(
    problem: ProblemSpec,
    threshold: float | None = None,
    contrast_offset: float = CONTRAST_OFFSET,
    whitening_offset: float = WHITENING_OFFSET,
) -> Method:
    """Returns the triangle activations max(0, t mean(z) - z_k) of the distances z_k to the centroids.

    Tables: of each row, with a centroid for every second training row, at most `CENTROIDS`. Images: of all patches with
    normalized contrast, whitened, and summed over each quadrant.

    Args:
        problem: inputs.
        threshold: t; the smaller, the fewer activations are above 0. It is one of the variables; None: 1.
        contrast_offset: of images, see `CONTRAST_OFFSET`.
        whitening_offset: of images, see `WHITENING_OFFSET`.
    """
    stored = {} if threshold is None else {"threshold": jnp.float32(threshold)}
    if len(problem.example_shape) == 3:
        return patch_kmeans(problem.example_shape, stored, contrast_offset, whitening_offset)

    def init(key: PRNGKeyArray, inputs: Float[Array, "n_train d"]) -> Variables:
        rows_key, start_key = jax.random.split(key)
        count = min(MAX_POINTS, inputs.shape[0])
        points = inputs[jax.random.choice(rows_key, inputs.shape[0], (count,), replace=False)]
        centroids = fit_centroids(start_key, points, max(1, min(CENTROIDS, count // 2)))
        return {"kmeans": {"centroids": centroids, **stored}}

    def encode(variables: Variables, inputs: Float[Array, "batch d"]) -> Float[Array, "batch features"]:
        return triangle_activations(inputs, **variables["kmeans"])

    return Method(init=init, encode=encode)


def patch_kmeans(
    shape: tuple[int, ...], stored: dict[str, Array], contrast_offset: float, whitening_offset: float
) -> Method:
    """Returns the features of images `(height, width, channels)`; arguments as of `kmeans`."""
    height, width, channels = shape
    side = LARGE_PATCH if min(height, width) >= LARGE_IMAGE else min(SMALL_PATCH, height, width)

    def init(key: PRNGKeyArray, inputs: Float[Array, "n_train d"]) -> Variables:
        keys = [jax.random.fold_in(key, index) for index in range(4)]
        limits = (inputs.shape[0], height - side + 1, width - side + 1)
        drawn = [jax.random.randint(keys[i], (MAX_POINTS,), 0, limit) for i, limit in enumerate(limits)]

        def cut(row: Int[Array, ""], top: Int[Array, ""], left: Int[Array, ""]) -> Float[Array, " p"]:
            image = inputs[row].reshape(shape)
            return jax.lax.dynamic_slice(image, (top, left, 0), (side, side, channels)).ravel()

        patches = jax.vmap(cut)(*drawn)
        whitening = fit_whitening(patches, contrast_offset, whitening_offset)
        centroids = fit_centroids(keys[3], whiten(whitening, patches), PATCH_CENTROIDS)
        return {"kmeans": {"centroids": centroids, **stored}, "whitening": whitening._asdict()}

    def encode(variables: Variables, inputs: Float[Array, "batch d"]) -> Float[Array, "batch features"]:
        whitening, fitted = Whitening(**variables["whitening"]), variables["kmeans"]
        images = inputs.reshape(-1, *shape)

        def pool_row(top: Int[Array, ""]) -> Float[Array, "batch 2 k"]:
            """Returns the sums over the left and the right half of the patches of one row."""
            strip = jax.lax.dynamic_slice_in_dim(images, top, side, axis=1)
            columns = width - side + 1
            patches = jnp.stack([strip[:, :, left : left + side].reshape(len(images), -1) for left in range(columns)])
            active = triangle_activations(whiten(whitening, patches.reshape(-1, patches.shape[2])), **fitted)
            active = active.reshape(columns, len(images), -1)
            halves = [jnp.sum(half, axis=0) for half in (active[: columns // 2], active[columns // 2 :])]
            return jnp.stack(halves, axis=1)

        rows = jax.lax.map(pool_row, jnp.arange(height - side + 1))  # one row at a time, so that activations fit caches
        middle = len(rows) // 2
        pooled = jnp.stack([jnp.sum(rows[:middle], axis=0), jnp.sum(rows[middle:], axis=0)], axis=1)
        return pooled.reshape(len(images), -1)

    return Method(init=init, encode=encode)


class Whitening(NamedTuple):
    """How patches are normalized and whitened."""

    offset: Float[Array, ""]  # of the variance of a patch
    mean: Float[Array, " p"]  # of patches with normalized contrast
    matrix: Float[Array, "p p"]  # symmetric


def fit_whitening(
    patches: Float[Array, "n p"], contrast_offset: float = CONTRAST_OFFSET, whitening_offset: float = WHITENING_OFFSET
) -> Whitening:
    """Returns the whitening of patches; offsets as the constants of their names."""
    offset = contrast_offset * jnp.mean(jnp.var(patches, axis=1))
    normalized = normalize_contrast(patches, offset)
    mean = jnp.mean(normalized, axis=0)
    centred = normalized - mean[None]
    covariance = jnp.matmul(centred.T, centred, precision="highest") / len(patches)
    variances, axes = jnp.linalg.eigh(covariance)
    matrix = jnp.matmul(axes / jnp.sqrt(variances + whitening_offset)[None], axes.T, precision="highest")
    return Whitening(offset, mean, matrix)


def normalize_contrast(patches: Float[Array, "n p"], offset: Float[Array, ""]) -> Float[Array, "n p"]:
    """Returns patches with the mean 0 and, up to `offset`, the variance 1; patches without contrast are 0."""
    centred = patches - jnp.mean(patches, axis=1, keepdims=True)
    variance = jnp.mean(jnp.square(centred), axis=1, keepdims=True) + offset
    return centred / jnp.sqrt(jnp.where(variance > 0, variance, 1.0))


def whiten(whitening: Whitening, patches: Float[Array, "n p"]) -> Float[Array, "n p"]:
    """Returns patches with normalized contrast, centred and whitened."""
    centred = normalize_contrast(patches, whitening.offset) - whitening.mean[None]
    return jnp.matmul(centred, whitening.matrix, precision="highest")


def fit_centroids(key: PRNGKeyArray, points: Float[Array, "n d"], count: int) -> Float[Array, "k d"]:
    """Returns the centroids of `ITERATIONS` of Lloyd's algorithm from the start of k-means++."""
    return lloyd(points, choose_start(key, points, count), ITERATIONS)[0]


def choose_start(key: PRNGKeyArray, points: Float[Array, "n d"], count: int) -> Float[Array, "k d"]:
    """Returns points drawn with a probability in proportion to the squared distance to those drawn before.

    That is k-means++ (Arthur and Vassilvitskii 2007). No point is drawn twice, nor one equal to it, such as the blank
    patches of handwriting.
    """

    def draw(squared: Float[Array, " n"], key: PRNGKeyArray) -> tuple[Float[Array, " n"], Float[Array, " d"]]:
        point = points[jax.random.categorical(key, jnp.log(squared))]
        return jnp.minimum(squared, jnp.sum(jnp.square(points - point[None]), axis=1)), point

    return jax.lax.scan(draw, jnp.full(len(points), jnp.finfo(points.dtype).max), jax.random.split(key, count))[1]


def lloyd(
    points: Float[Array, "n d"], centroids: Float[Array, "k d"], iterations: int
) -> tuple[Float[Array, "k d"], Float[Array, " iterations"]]:
    """Returns centroids, and before each iteration the sum of squared distances to the nearest one.

    A centroid that is nearest to no point stays where it is.
    """

    def step(centroids: Float[Array, "k d"], _: None) -> tuple[Float[Array, "k d"], Float[Array, ""]]:
        squared = squared_distances(points, centroids)
        member = jax.nn.one_hot(jnp.argmin(squared, axis=1), len(centroids), dtype=points.dtype)
        counts = jnp.sum(member, axis=0)[:, None]
        means = jnp.matmul(member.T, points, precision="highest") / jnp.maximum(counts, 1)
        return jnp.where(counts > 0, means, centroids), jnp.sum(jnp.min(squared, axis=1))

    return jax.lax.scan(step, centroids, length=iterations)


def squared_distances(points: Float[Array, "n d"], centroids: Float[Array, "k d"]) -> Float[Array, "n k"]:
    """Returns the squared Euclidean distance of every point to every centroid."""
    products = jnp.matmul(points, centroids.T, precision="highest")
    squares = jnp.sum(jnp.square(points), axis=1)[:, None] + jnp.sum(jnp.square(centroids), axis=1)[None]
    return jnp.maximum(squares - 2 * products, 0.0)


def triangle_activations(
    points: Float[Array, "n d"], centroids: Float[Array, "k d"], threshold: float | Float[Array, ""] = 1.0
) -> Float[Array, "n k"]:
    """Returns max(0, t mean(z) - z_k), z_k the distance to centroid k: at the threshold t = 1 about half are 0."""
    distances = jnp.sqrt(squared_distances(points, centroids))
    return jnp.maximum(threshold * jnp.mean(distances, axis=1, keepdims=True) - distances, 0.0)
