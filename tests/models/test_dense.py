"""Dense stacks have the configured widths, and each framework's conventions to the constant."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax.models.dense import FRAMEWORK_DEFAULTS, DenseDecoder, DenseStack, activation_function
from aejax.models.encoders import Encoder
from aejax.models.submodules import apply_eval, apply_train, init_submodules

WIDTHS = [(), (7,), (9, 5, 3)]
INPUTS = jax.random.normal(jax.random.key(0), (32, 6)) + 1.5


def leaves_named(tree, name: str) -> list[jax.Array]:
    return [leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree) if path[-1].key == name]


def dense_encoder(hidden, latent_dim, *, batch_norm=False, conventions="flax", code_activation="linear"):
    stack = DenseStack(hidden, "relu", batch_norm, conventions)
    return Encoder(stack, latent_dim, code_activation, None, conventions)


def started(module, features: int = 6):
    return init_submodules(jax.random.key(1), {"part": module}, jnp.zeros((1, features)))


@pytest.mark.parametrize("hidden", WIDTHS, ids=["no hidden layer", "one", "three"])
@pytest.mark.parametrize("batch_norm", [False, True], ids=["plain", "batch norm"])
def test_stacks_of_any_widths_have_these_widths_and_no_others(hidden, batch_norm):
    encoder = dense_encoder(hidden, 4, batch_norm=batch_norm)
    decoder = DenseDecoder(hidden[::-1], 6, batch_norm=batch_norm)
    parts = {"encoder": encoder, "decoder": decoder}
    variables = jax.eval_shape(lambda key: init_submodules(key, parts, jnp.zeros((1, 6))), jax.random.key(1))
    latents = jax.eval_shape(lambda own: apply_eval(encoder, own, "encoder", INPUTS), variables)
    assert latents.shape == (32, 4)
    assert jax.eval_shape(lambda own, z: apply_eval(decoder, own, "decoder", z), variables, latents).shape == (32, 6)
    shapes = {kernel.shape for kernel in leaves_named(variables["params"]["encoder"], "kernel")}
    widths = (6, *hidden, 4)
    assert shapes == set(itertools.pairwise(widths))
    assert len(leaves_named(variables["batch_stats"], "mean")) == 2 * len(hidden) * batch_norm


@pytest.mark.parametrize(
    ("conventions", "variance", "bound"),
    [
        pytest.param("keras", 2 / (300 + 200), np.sqrt(6 / (300 + 200)), id="keras: Glorot uniform"),
        # Flax cuts the normal at two standard deviations and divides by what is left of its spread.
        pytest.param("flax", 1 / 300, 2 * np.sqrt(1 / 300) / 0.8796, id="flax: LeCun normal"),
    ],
)
def test_kernels_start_with_the_spread_and_within_the_bound_of_their_convention(conventions, variance, bound):
    params = started(dense_encoder((), 200, conventions=conventions), features=300)["params"]
    (kernel,), (bias,) = leaves_named(params, "kernel"), leaves_named(params, "bias")
    assert np.all(bias == 0)
    assert 0.99 * bound < np.abs(kernel).max() <= bound * (1 + 1e-4)
    np.testing.assert_allclose(kernel.var(), variance, rtol=0.03)


@pytest.mark.parametrize(("conventions", "slope"), [("keras", 0.3), ("flax", 0.01)])
def test_leaky_relu_keeps_this_share_of_negative_values(conventions, slope):
    linear = dense_encoder((), 5, conventions=conventions)
    leaky = dense_encoder((), 5, code_activation="leaky_relu", conventions=conventions)
    variables = started(linear)
    latents = apply_eval(linear, variables, "part", INPUTS)
    assert np.any(latents < 0)
    expected = np.where(latents < 0, slope * latents, latents)
    np.testing.assert_allclose(apply_eval(leaky, variables, "part", INPUTS), expected, rtol=1e-6)


ACTIVATIONS = {
    "relu": lambda x: np.maximum(x, 0),
    "leaky_relu": lambda x: np.where(x < 0, 0.3 * x, x),
    "gelu": lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "linear": lambda x: x,
}


@pytest.mark.parametrize(("name", "formula"), ACTIVATIONS.items(), ids=ACTIVATIONS)
def test_activations_are_what_their_names_say(name, formula):
    points = np.linspace(-4, 4, 33)
    actual = activation_function(name, FRAMEWORK_DEFAULTS["keras"])(jnp.asarray(points))
    np.testing.assert_allclose(actual, formula(points), atol=1e-5)


@pytest.mark.parametrize(("conventions", "epsilon"), [("keras", 1e-3), ("flax", 1e-5)])
def test_batch_norm_divides_by_the_root_of_variance_plus_epsilon(conventions, epsilon):
    stack = DenseStack((5,), "linear", batch_norm=True, conventions=conventions)
    variables = started(stack)
    (kernel,) = leaves_named(variables["params"], "kernel")
    tiny = {**variables, "batch_stats": jax.tree.map(lambda leaf: 0 * leaf, variables["batch_stats"])}  # variance 0
    actual = apply_eval(stack, tiny, "part", INPUTS)
    np.testing.assert_allclose(actual, np.asarray(INPUTS @ kernel) / np.sqrt(epsilon), rtol=1e-4)


@pytest.mark.parametrize("conventions", FRAMEWORK_DEFAULTS)
def test_batch_norm_in_training_normalises_by_the_batch_and_moves_statistics_by_one_percent(conventions):
    stack = DenseStack((5,), "linear", batch_norm=True, conventions=conventions)
    variables = started(stack)
    (kernel,) = leaves_named(variables["params"], "kernel")
    outputs, stats = apply_train(stack, variables, "part", INPUTS)
    before = np.asarray(INPUTS, np.float64) @ np.asarray(kernel, np.float64)
    np.testing.assert_allclose(leaves_named(stats, "mean")[0], 0.99 * 0 + 0.01 * before.mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(leaves_named(stats, "var")[0], 0.99 * 1 + 0.01 * before.var(axis=0), rtol=1e-5)
    np.testing.assert_allclose(outputs.mean(axis=0), 0, atol=1e-5)
    epsilon = FRAMEWORK_DEFAULTS[conventions].batch_norm_epsilon
    np.testing.assert_allclose(outputs.var(axis=0), before.var(axis=0) / (before.var(axis=0) + epsilon), rtol=1e-4)


def test_batch_norm_in_evaluation_changes_nothing_and_sees_no_other_example():
    encoder = dense_encoder((5,), 3, batch_norm=True)
    variables = started(encoder)
    own = {collection: trees["part"] for collection, trees in variables.items()}
    _, after = encoder.apply(own, INPUTS, train=False, mutable=["batch_stats"])
    for old, new in zip(jax.tree.leaves(own["batch_stats"]), jax.tree.leaves(after["batch_stats"]), strict=True):
        np.testing.assert_array_equal(new, old)
    together = apply_eval(encoder, variables, "part", INPUTS)
    apart = apply_eval(encoder, variables, "part", INPUTS.at[1:].multiply(100.0))
    np.testing.assert_allclose(apart[0], together[0], rtol=1e-6)
    trained = [apply_train(encoder, variables, "part", x)[0][0] for x in (INPUTS, INPUTS.at[1:].multiply(100.0))]
    assert not np.allclose(*trained, rtol=0.1)  # in training the batch does count
