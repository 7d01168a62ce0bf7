"""Convolutional stacks keep what convolutions promise, and decoders mirror any image."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax.models.conv import ConvDecoder, ConvStack, TransposedConvolution, feature_map_shapes
from aejax.models.submodules import apply_eval, apply_train, init_submodules


def parts(shape, channels=(4, 6), *, activation="tanh", batch_norm=False, conventions="flax"):
    settings = {"activation": activation, "batch_norm": batch_norm, "conventions": conventions}
    return {
        "encoder": ConvStack(shape, channels, **settings),
        "decoder": ConvDecoder(shape, channels, **settings),
    }


def started(modules, shape):
    return jax.jit(lambda: init_submodules(jax.random.key(1), modules, jnp.zeros((1, math.prod(shape)))))()


def images(shape, batch: int = 8) -> jax.Array:
    return jax.random.normal(jax.random.key(0), (batch, math.prod(shape)))


@pytest.mark.parametrize("height", [5, 6, 7, 8, 12, 15, 28, 33])
def test_a_decoder_mirrors_every_shape(height):
    shape, channels = (height, 38 - height, 1 + height % 3), (4, 6) if height % 2 else (2, 3, 4, 5, 6, 7)
    modules = parts(shape, channels, batch_norm=height % 4 > 1)
    inputs = jnp.zeros((2, math.prod(shape)))

    def through():
        variables = started(modules, shape)
        hidden = apply_eval(modules["encoder"], variables, "encoder", inputs)
        return hidden, apply_eval(modules["decoder"], variables, "decoder", hidden)

    hidden, outputs = jax.eval_shape(through)
    assert hidden.shape == (2, math.prod(feature_map_shapes(shape, channels)[-1]))
    assert outputs.shape == inputs.shape


def test_feature_maps_halve_rounding_up_until_one_pixel_is_left_and_stays():
    assert feature_map_shapes((5, 28, 3), (8, 7, 6, 5)) == [(5, 28, 3), (3, 14, 8), (2, 7, 7), (1, 4, 6), (1, 2, 5)]


@pytest.mark.parametrize(("shape", "batch_norm"), [((5, 5, 1), True), ((13, 12, 3), False)], ids=str)
def test_gradients_agree_with_finite_differences_along_a_random_direction(shape, batch_norm):
    modules, inputs = parts(shape, batch_norm=batch_norm), images(shape)
    variables = started(modules, shape)

    def loss(params):
        own = {**variables, "params": params}
        hidden, _ = apply_train(modules["encoder"], own, "encoder", inputs)
        recon, _ = apply_train(modules["decoder"], own, "decoder", hidden)
        return jnp.mean(jnp.square(recon - inputs))

    params, (value, gradient) = variables["params"], jax.jit(jax.value_and_grad(loss))(variables["params"])
    assert np.isfinite(value)
    # Along the gradient, where the difference is far above float32's rounding.
    norm = np.sqrt(sum(float(jnp.vdot(g, g)) for g in jax.tree.leaves(gradient)))
    step = 3e-3
    ahead, behind = (
        jax.jit(loss)(jax.tree.map(lambda p, g, s=sign: p + s * step / norm * g, params, gradient)) for sign in (1, -1)
    )
    np.testing.assert_allclose((ahead - behind) / (2 * step), norm, rtol=0.01)


@pytest.mark.parametrize("batch_norm", [False, True], ids=["plain", "batch norm"])
def test_an_image_moved_by_one_stride_has_its_features_moved_by_one(batch_norm):
    stack = ConvStack((16, 16, 2), (4,), "relu", batch_norm, "flax")
    variables = started({"encoder": stack}, (16, 16, 2))
    inner = jnp.zeros((3, 16, 16, 2)).at[:, 4:10, 4:10].set(jax.random.normal(jax.random.key(2), (3, 6, 6, 2)))
    moved = jnp.roll(inner, (2, 4), axis=(1, 2))
    here, there = (
        apply_eval(stack, variables, "encoder", x.reshape(3, -1)).reshape(3, 8, 8, 4) for x in (inner, moved)
    )
    assert np.any(here != here[:, :1, :1])
    np.testing.assert_allclose(jnp.roll(here, (1, 2), axis=(1, 2)), there, atol=1e-6)


def test_a_feature_sees_its_window_and_nothing_else():
    stack = ConvStack((9, 9, 1), (4, 5), "tanh", False, "flax")
    variables = started({"encoder": stack}, (9, 9, 1))

    def corner(inputs):
        return jnp.sum(apply_eval(stack, variables, "encoder", inputs[None]).reshape(3, 3, 5)[0, 0])

    seen = jax.grad(corner)(images((9, 9, 1))[0]).reshape(9, 9)
    reach = np.zeros((9, 9), bool)
    reach[:4, :4] = True  # two 3x3 windows of stride 2 reach 7 entries, of which the zeros in front take 3
    np.testing.assert_array_equal(seen != 0, reach)


def test_nothing_follows_the_last_layer_so_that_logits_take_any_value():
    decoder = parts((7, 7, 1), activation="relu", batch_norm=True)["decoder"]
    latents = jax.random.normal(jax.random.key(3), (8, 5))
    variables = init_submodules(jax.random.key(1), {"decoder": decoder}, latents[:1])
    last = variables["params"]["decoder"]["TransposedConvolution_1"]
    before = apply_eval(decoder, variables, "decoder", latents)
    last["bias"] = last["bias"] - 7.0
    np.testing.assert_allclose(apply_eval(decoder, variables, "decoder", latents), before - 7.0, rtol=1e-5)


def test_batch_norm_normalises_each_channel_over_batch_and_places_in_training_only():
    shape = (6, 6, 1)
    stack = ConvStack(shape, (4,), "linear", True, "flax")
    variables = started({"encoder": stack}, shape)
    trained, stats = apply_train(stack, variables, "encoder", images(shape))
    by_channel = trained.reshape(-1, 4)
    np.testing.assert_allclose(by_channel.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(by_channel.var(axis=0), 1, rtol=1e-3)
    before = variables["batch_stats"]["encoder"]
    assert all(np.any(new != old) for new, old in zip(*map(jax.tree.leaves, (stats, before)), strict=True))
    alone = apply_eval(stack, variables, "encoder", images(shape)[:1])
    np.testing.assert_allclose(apply_eval(stack, variables, "encoder", images(shape))[:1], alone, atol=1e-5)
    assert not np.allclose(trained[:1], alone, rtol=0.1)


@pytest.mark.parametrize("batch_norm", [False, True], ids=["plain", "batch norm"])
def test_every_hidden_map_is_normalised_and_the_image_is_not(batch_norm):
    stats = started(parts((9, 9, 1), batch_norm=batch_norm), (9, 9, 1))["batch_stats"]
    widths = {part: [len(leaf) for leaf in jax.tree.leaves(tree)] for part, tree in stats.items()}
    assert widths == {"encoder": [4, 4, 6, 6] * batch_norm, "decoder": [6, 6, 4, 4] * batch_norm}


def test_the_flax_convention_keeps_the_variance_through_a_transposed_convolution():
    layer = TransposedConvolution(64, (16, 16), "flax")
    features = jax.random.normal(jax.random.key(4), (4, 8, 8, 128))
    outputs, _ = layer.init_with_output(jax.random.key(5), features)
    np.testing.assert_allclose(outputs[:, 2:-2, 2:-2].var(), 1, rtol=0.05)
