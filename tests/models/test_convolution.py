"""Three maps of one trilinear form: both implementations are the same mathematics, whatever surrounds them."""

import functools
import re

import jax
import jax.export
import jax.numpy as jnp
import jax.test_util
import numpy as np
import pytest
from jax.sharding import AxisType, Mesh, PartitionSpec

from aejax.models.conv_ops import MATMUL, XLA, conv_input_transpose, strided_conv, transposed_conv

SIZES = {(5, 5): 1, (6, 9): 3, (8, 8): 3, (33, 33): 3, (1, 1): 2}  # and channels
WINDOWS = {"3x3, stride 2": (3, 2), "4x4, stride 2": (4, 2), "3x3, stride 1": (3, 1), "2x2, stride 3": (2, 3)}
every_window = pytest.mark.parametrize(("window", "stride"), WINDOWS.values(), ids=WINDOWS)


def assert_close(actual, expected):
    """Asserts equality up to rounding, relative to the largest expected value."""
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=5e-6 * np.abs(expected).max())


def normal(seed: int, *shape: int) -> jax.Array:
    return jax.random.normal(jax.random.key(seed), shape)


def drawn(size, channels: int, window: int, stride: int):
    """Images, a kernel, and something of the outputs' shape."""
    images, kernel = normal(0, channels, *size, 3), normal(1, window, window, channels, 4) / window
    return images, kernel, normal(2, 4, -(-size[0] // stride), -(-size[1] // stride), 3)


def plain(images, kernel, stride: int = 2):
    return jax.lax.conv_general_dilated(
        images, kernel, (stride, stride), "SAME", dimension_numbers=("CHWN", "HWIO", "CHWN")
    )


def all_maps(maps, size, window: int, stride: int):
    """Outputs, gradient of the images and gradient of the kernel, in one implementation."""
    return jax.jit(
        lambda images, kernel, outputs: (
            maps.forward(images, kernel, stride=stride),
            maps.input_transpose(outputs, kernel, size=size, stride=stride),
            maps.kernel_transpose(images, outputs, window=(window, window), stride=stride),
        )
    )


@pytest.mark.parametrize(("size", "channels"), SIZES.items(), ids=str)
@pytest.mark.parametrize(("window", "stride"), list(WINDOWS.values())[:2], ids=list(WINDOWS)[:2])
def test_products_give_the_outputs_and_gradients_of_xlas_convolution(size, channels, window, stride):
    operands = drawn(size, channels, window, stride)
    found, expected = (all_maps(maps, size, window, stride)(*operands) for maps in (MATMUL, XLA))
    jax.tree.map(assert_close, found, expected)


@every_window
def test_the_three_maps_are_what_jax_differentiates_from_xlas_convolution(window, stride):
    images, kernel, outputs = drawn((9, 6), 3, window, stride)

    @jax.jit
    def differentiated(images, kernel, outputs):
        found, back = jax.vjp(functools.partial(plain, stride=stride), images, kernel)
        return found, *back(outputs)

    expected = differentiated(images, kernel, outputs)
    for maps in (MATMUL, XLA):
        jax.tree.map(assert_close, all_maps(maps, (9, 6), window, stride)(images, kernel, outputs), expected)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_the_transposed_convolution_is_frameworks_conv_transpose_of_the_flipped_kernel_cut_to_size(size):
    features, kernel = normal(0, 5, -(-size[0] // 2), -(-size[1] // 2), 3), normal(1, 4, 4, 5, 2)
    axes = ("CHWN", "HWIO", "CHWN")
    theirs = jax.lax.conv_transpose(features, kernel[::-1, ::-1], (2, 2), "SAME", dimension_numbers=axes)
    assert_close(transposed_conv(features, kernel, size), theirs[:, : size[0], : size[1]])


@every_window
def test_transposed_is_transposed(window, stride):
    images, kernel, outputs = drawn((9, 12), 2, window, stride)
    there = jax.jit(lambda: jnp.vdot(outputs, strided_conv(images, kernel, stride)))()
    back = jax.jit(lambda: jnp.vdot(conv_input_transpose(outputs, kernel, (9, 12), stride), images))()
    np.testing.assert_allclose(there, back, rtol=1e-4)


def test_derivatives_of_both_orders_agree_with_finite_differences():
    images, kernel, _ = drawn((5, 6), 2, 3, 2)
    up = normal(3, 4, 4, 4, 2) / 8

    def there_and_back(images, kernel, up):
        return transposed_conv(jnp.tanh(strided_conv(images, kernel)), up, (5, 6))

    checked = jax.jit(there_and_back)
    jax.test_util.check_grads(checked, (images, kernel, up), order=2, modes=["rev"], atol=0.03, rtol=0.03)


def test_a_penalty_on_a_vjp_has_the_gradient_that_xla_gives_it():
    images, kernel, outputs = drawn((7, 7), 2, 3, 2)

    def penalty(images, kernel, conv):
        _, back = jax.vjp(lambda images: jnp.tanh(conv(images, kernel)), images)
        return jnp.sum(jnp.square(back(outputs)[0]))

    ours, theirs = (
        jax.jit(jax.grad(functools.partial(penalty, conv=conv), (0, 1)))(images, kernel)
        for conv in (strided_conv, plain)
    )
    jax.tree.map(assert_close, ours, theirs)


def loss(images, kernel):
    """Down and up again, of some images and one kernel."""
    hidden = jnp.tanh(strided_conv(images, kernel))
    recon = transposed_conv(hidden, jnp.swapaxes(kernel, 2, 3), images.shape[1:3])
    return jnp.mean(jnp.square(recon - images))


gradient = jax.grad(loss, argnums=(0, 1))


def products(function, *operands) -> list[str]:
    """Shapes of the matrix products in a program, as it is handed to the compiler."""
    program = jax.jit(function).lower(*operands).as_text()
    return sorted(re.findall(r"stablehlo.dot_general.*-> (tensor<\S+>)", program))


def test_under_vmap_scan_map_and_shard_map_each_element_has_the_gradient_it_has_alone():
    images, kernels = normal(0, 4, 2, 7, 7, 5), normal(1, 4, 3, 3, 2, 3)
    alone = [jax.jit(gradient)(*pair) for pair in zip(images, kernels, strict=True)]
    expected = jax.tree.map(lambda *leaves: np.stack(leaves), *alone)
    mesh = Mesh(np.array(jax.devices()), ("seed",), axis_types=(AxisType.Auto,))
    seeded = PartitionSpec("seed")
    ways = {
        "vmap": jax.vmap(gradient),
        "map": lambda *pair: jax.lax.map(lambda own: gradient(*own), pair),
        "scan": lambda *pair: jax.lax.scan(lambda carry, own: (carry, gradient(*own)), 0.0, pair)[1],
        "shard_map": jax.shard_map(jax.vmap(gradient), mesh=mesh, in_specs=seeded, out_specs=seeded, check_vma=False),
    }
    for way in ways.values():
        jax.tree.map(assert_close, jax.jit(way)(images, kernels), expected)


def one_by_one(images, kernel):
    """The same loss of every example, each a batch of its own."""
    return jnp.mean(jax.vmap(lambda image: loss(image[..., None], kernel), in_axes=3)(images))


def test_examples_one_by_one_under_vmap_are_the_batch_in_value_gradient_and_products():
    images, kernel, _ = drawn((7, 6), 2, 3, 2)
    assert_close(jax.jit(one_by_one)(images, kernel), jax.jit(loss)(images, kernel))
    jax.tree.map(assert_close, jax.jit(jax.grad(one_by_one, (0, 1)))(images, kernel), jax.jit(gradient)(images, kernel))
    shapes = products(loss, images, kernel)
    assert len(shapes) == 2
    assert products(one_by_one, images, kernel) == shapes


def test_seeds_of_examples_one_by_one_are_each_seed_alone():
    images, kernels = normal(0, 2, 6, 7, 3), normal(1, 4, 3, 3, 2, 3)
    seeded = jax.jit(jax.vmap(jax.grad(one_by_one, (0, 1)), in_axes=(None, 0)))(images, kernels)
    alone = [jax.jit(gradient)(images, kernel) for kernel in kernels]
    jax.tree.map(assert_close, seeded, jax.tree.map(lambda *leaves: np.stack(leaves), *alone))


def test_cpu_is_given_products_and_gpu_and_tpu_convolutions_from_one_trace():
    images, kernel, _ = drawn((7, 7), 2, 3, 2)

    def text(*platforms: str) -> str:
        return jax.export.export(jax.jit(gradient), platforms=platforms)(images, kernel).mlir_module()

    assert "stablehlo.convolution" not in text("cpu")
    for platform in ("cuda", "tpu"):
        assert "stablehlo.convolution" in text(platform)
        assert "stablehlo.dot_general" not in text(platform)
    exported = jax.export.export(jax.jit(gradient), platforms=("cpu", "cuda"))(images, kernel)
    jax.tree.map(assert_close, jax.jit(exported.call)(images, kernel), jax.jit(gradient)(images, kernel))


def test_an_unused_gradient_of_the_images_is_not_computed():
    images, kernel, _ = drawn((8, 8), 2, 3, 2)

    def count(argnums) -> int:
        squared = jax.jit(jax.grad(lambda *operands: jnp.sum(strided_conv(*operands) ** 2), argnums))
        return len(re.findall(r" dot\(", squared.lower(images, kernel).compile().as_text()))

    assert count((1,)) == count((0, 1)) - 1 == 2
