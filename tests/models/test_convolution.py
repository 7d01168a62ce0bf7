"""Three maps of one trilinear form: both implementations are the same mathematics, whatever surrounds them."""

import functools

import jax
import jax.export
import jax.numpy as jnp
import jax.test_util
import numpy as np
import pytest
from jax.sharding import AxisType, Mesh, PartitionSpec

from aejax.models.convolution import LAX, PRODUCTS, conv_to_inputs, strided_conv, transposed_conv

SIZES = [(5, 5), (6, 9), (8, 8), (13, 13), (28, 28), (33, 33), (1, 1), (2, 7)]
WINDOWS = {"3x3, stride 2": (3, 2), "4x4, stride 2": (4, 2), "3x3, stride 1": (3, 1), "2x2, stride 3": (2, 3)}
every_window = pytest.mark.parametrize(("window", "stride"), WINDOWS.values(), ids=WINDOWS)
close = functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=2e-5)


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


@every_window
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("channels", [1, 3])
def test_products_and_xla_give_the_same_outputs_and_gradients(size, channels, window, stride):
    images, kernel, outputs = drawn(size, channels, window, stride)
    square = (window, window)
    close(PRODUCTS.to_outputs(images, kernel, stride=stride), LAX.to_outputs(images, kernel, stride=stride))
    for maps in (PRODUCTS, LAX):
        found, back = jax.vjp(functools.partial(plain, stride=stride), images, kernel)
        assert found.shape == outputs.shape
        to_images, to_kernel = back(outputs)
        close(maps.to_inputs(outputs, kernel, size=size, stride=stride), to_images)
        close(maps.to_kernel(images, outputs, window=square, stride=stride), to_kernel, atol=2e-4)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_the_transposed_convolution_is_frameworks_conv_transpose_of_the_flipped_kernel_cut_to_size(size):
    features, kernel = normal(0, 5, -(-size[0] // 2), -(-size[1] // 2), 3), normal(1, 4, 4, 5, 2)
    axes = ("CHWN", "HWIO", "CHWN")
    theirs = jax.lax.conv_transpose(features, kernel[::-1, ::-1], (2, 2), "SAME", dimension_numbers=axes)
    close(transposed_conv(features, kernel, size), theirs[:, : size[0], : size[1]])


@every_window
def test_transposed_is_transposed(window, stride):
    images, kernel, outputs = drawn((9, 12), 2, window, stride)
    there = jnp.vdot(outputs, strided_conv(images, kernel, stride))
    back = jnp.vdot(conv_to_inputs(outputs, kernel, (9, 12), stride), images)
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
    jax.tree.map(functools.partial(close, rtol=1e-4, atol=1e-3), ours, theirs)


def loss(images, kernel):
    """Down and up again, of some images and one kernel."""
    hidden = jnp.tanh(strided_conv(images, kernel))
    recon = transposed_conv(hidden, jnp.swapaxes(kernel, 2, 3), images.shape[1:3])
    return jnp.mean(jnp.square(recon - images))


gradient = jax.grad(loss, argnums=(0, 1))


def test_under_vmap_scan_map_and_shard_map_each_element_has_the_gradient_it_has_alone():
    images, kernels = normal(0, 4, 2, 7, 7, 5), normal(1, 4, 3, 3, 2, 3)
    alone = [gradient(*pair) for pair in zip(images, kernels, strict=True)]
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
        jax.tree.map(close, jax.jit(way)(images, kernels), expected)


def test_examples_one_by_one_under_vmap_are_the_batch():
    images, kernel, _ = drawn((7, 6), 2, 3, 2)
    singly = jax.vmap(lambda image: strided_conv(image[..., None], kernel)[..., 0], in_axes=3, out_axes=3)(images)
    close(singly, strided_conv(images, kernel))


def test_cpu_is_given_products_and_gpu_and_tpu_convolutions_from_one_trace():
    images, kernel, _ = drawn((7, 7), 2, 3, 2)

    def text(*platforms: str) -> str:
        return jax.export.export(jax.jit(gradient), platforms=platforms)(images, kernel).mlir_module()

    assert "stablehlo.convolution" not in text("cpu")
    for platform in ("cuda", "tpu"):
        assert "stablehlo.convolution" in text(platform)
        assert "stablehlo.dot_general" not in text(platform)
    exported = jax.export.export(jax.jit(gradient), platforms=("cpu", "cuda"))(images, kernel)
    jax.tree.map(close, jax.jit(exported.call)(images, kernel), gradient(images, kernel))


def test_an_unused_gradient_of_the_images_is_not_computed():
    images, kernel, _ = drawn((8, 8), 2, 3, 2)

    def products(argnums) -> int:
        compiled = jax.jit(jax.grad(lambda *a: jnp.sum(strided_conv(*a) ** 2), argnums)).lower(images, kernel).compile()
        return compiled.as_text().count(" dot(")

    assert products((1,)) == products((0, 1)) - 1 == 2
