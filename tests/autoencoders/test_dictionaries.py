"""Gated, JumpReLU and Matryoshka codes have the losses and the gradients of their papers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

from aejax.autoencoders.registry import KINDS
from aejax.data.batching import Batch
from aejax.models.sparsity import jump_relu, step_above
from aejax.objectives.objective import sigmoid_binary_cross_entropy, squared_error
from aejax.objectives.penalties import ForwardPass, decoder_norms, gate_loss, l0_penalty, nested_reconstruction


def perturbed(model):
    """Returns variables in which no parameter is zero."""
    variables = model.init(jax.random.key(1))
    leaves, tree = jax.tree.flatten(variables["params"])
    keys = jax.random.split(jax.random.key(2), len(leaves))
    moved = [leaf + 0.1 * jax.random.normal(key, leaf.shape) for leaf, key in zip(leaves, keys, strict=True)]
    return {**variables, "params": jax.tree.unflatten(tree, moved)}


def forward_pass(model, params, variables, inputs, *, train=True):
    own = {**variables, "params": params}
    latents, _, _ = model.forward(own, inputs, train=train)
    return ForwardPass(own, inputs, latents, jax.random.key(0), train=train)


def gradient_of(penalty, model, variables, inputs):
    return jax.grad(lambda params: jnp.sum(penalty(forward_pass(model, params, variables, inputs))))(
        variables["params"]
    )


def is_zero(tree) -> bool:
    return all(not np.any(leaf) for leaf in jax.tree.leaves(tree))


def test_a_gated_code_with_equal_biases_and_scales_is_a_rectified_one(digits_setting, digits):
    gated, rectified = (KINDS[name](digits_setting()).model for name in ("gated", "sparse-l1"))
    plain = perturbed(rectified)
    code = plain["params"]["encoder"]["code"]
    own = {
        "code": {"kernel": code["kernel"]},
        "gate_bias": code["bias"],
        "magnitude_bias": code["bias"],
        "log_scale": jnp.zeros_like(code["bias"]),
    }
    variables = {**plain, "params": {**plain["params"], "encoder": own}}
    expected = rectified.encode(plain, digits[1])
    np.testing.assert_allclose(gated.encode(variables, digits[1]), expected, atol=1e-6)
    closed = {**own, "gate_bias": own["gate_bias"].at[:20].set(-1e3)}
    codes = gated.encode({**plain, "params": {**plain["params"], "encoder": closed}}, digits[1])
    np.testing.assert_allclose(codes, np.where(np.arange(40) < 20, 0, expected), atol=1e-6)


def test_the_gate_learns_by_its_own_loss_alone_and_magnitudes_do_not_pay_for_their_size(digits_setting, digits):
    kind, inputs = KINDS["gated"](digits_setting()), digits[0][:50]
    model, variables = kind.model, perturbed(kind.model)
    gate = jax.nn.relu(model.encode_preactivations(variables, inputs))
    expected = 0.3 * gate @ decoder_norms(model, variables) + jnp.mean(
        sigmoid_binary_cross_entropy(model.decode_logits(variables, gate), inputs), axis=1
    )
    loss = gate_loss(0.3, model, sigmoid_binary_cross_entropy)
    actual = loss(forward_pass(model, variables["params"], variables, inputs))
    np.testing.assert_allclose(actual, expected, rtol=1e-5)
    of_gate = gradient_of(loss, model, variables, inputs)
    assert np.any(of_gate["encoder"]["gate_bias"])
    assert is_zero([of_gate["encoder"][name] for name in ("log_scale", "magnitude_bias")])
    assert is_zero(of_gate["decoder"])  # a constant of this loss

    def reconstruction(passed):
        return jnp.mean(jnp.square(model.decode_logits(passed.variables, passed.latents) - inputs), axis=1)

    of_reconstruction = gradient_of(reconstruction, model, variables, inputs)["encoder"]
    assert is_zero(of_reconstruction["gate_bias"])
    assert all(np.any(of_reconstruction[name]) for name in ("log_scale", "magnitude_bias"))


def test_pseudo_derivatives_estimate_those_of_the_expected_step_and_value():
    # Of a standard normal z: d/dt P(z > t) = -phi(t), and d/dt E[z; z > t] = -t phi(t).
    values = jnp.asarray(np.random.default_rng(0).normal(size=(400_000, 3)), jnp.float32)
    threshold = jnp.asarray([0.2, 0.8, 1.5], jnp.float32)
    for function, expected in ((step_above, -norm.pdf(threshold)), (jump_relu, -threshold * norm.pdf(threshold))):
        derivative = jax.grad(lambda t, function=function: jnp.sum(jnp.mean(function(values, t, 0.1), axis=0)))
        np.testing.assert_allclose(derivative(threshold), expected, rtol=0.05)
    mask = np.asarray(values[:1000]) > np.asarray(threshold)
    np.testing.assert_array_equal(step_above(values[:1000], threshold, 0.1), mask)
    np.testing.assert_array_equal(jump_relu(values[:1000], threshold, 0.1), np.where(mask, values[:1000], 0))
    np.testing.assert_array_equal(jax.grad(lambda z: jnp.sum(jump_relu(z, threshold, 0.1)))(values[:1000]), mask)
    assert is_zero(jax.grad(lambda z: jnp.sum(step_above(z, threshold, 0.1)))(values[:1000]))


def test_the_l0_penalty_counts_active_units_and_moves_thresholds_alone(digits_setting, digits):
    model = KINDS["jump-relu"](digits_setting()).model
    variables, inputs = perturbed(model), digits[0][:200]
    penalty = l0_penalty(1.0, model, 0.1)
    for train in (True, False):
        passed = forward_pass(model, variables["params"], variables, inputs, train=train)
        np.testing.assert_array_equal(penalty(passed), np.sum(np.asarray(passed.latents) != 0, axis=1))
    gradient = gradient_of(penalty, model, variables, inputs)
    thresholds = gradient["encoder"].pop("sparsity")["log_threshold"]
    assert is_zero(gradient)
    assert np.all(thresholds <= 0)  # a higher threshold is a sparser code
    assert np.any(thresholds < 0)


def test_a_matryoshka_loss_is_the_sum_over_nested_codes_of_a_batch_top_k(digits_setting, digits):
    setting, inputs = digits_setting(objective={"k": 8}), digits[0][:50]
    kind, whole = KINDS["matryoshka"](setting), KINDS["batch-top-k"](setting)
    assert kind.model == whole.model
    variables = perturbed(kind.model)
    batch = Batch(inputs, jnp.zeros(50, jnp.int32))
    losses = [one.objective.loss(variables, batch, jax.random.key(0))[0] for one in (kind, whole)]
    codes, _ = kind.model.train_encode(variables, inputs)
    assert int(jnp.sum(codes != 0)) == 8 * 50
    errors = [
        np.mean(sigmoid_binary_cross_entropy(kind.model.decode_logits(variables, codes.at[:, width:].set(0)), inputs))
        for width in (2, 5, 10, 20)  # of 40 units: a sixteenth, an eighth, a quarter, a half
    ]
    np.testing.assert_allclose(losses[0] - losses[1], sum(errors), rtol=1e-4)


@pytest.mark.parametrize("train", [True, False])
def test_units_outside_a_prefix_have_no_part_in_its_reconstruction(train, digits_setting, digits):
    model = KINDS["matryoshka"](digits_setting()).model
    variables, inputs = perturbed(model), digits[0][:20]
    penalty = nested_reconstruction((3, 7), model, squared_error)
    passed = forward_pass(model, variables["params"], variables, inputs, train=train)
    dense = passed._replace(latents=jnp.ones_like(passed.latents))
    gradient = jax.grad(lambda z: jnp.sum(penalty(dense._replace(latents=z))))(dense.latents)
    assert np.all(np.any(gradient[:, :7] != 0, axis=0))
    assert is_zero(gradient[:, 7:])
