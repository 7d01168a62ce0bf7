"""A traced hyperparameter does what the same constant does, in one program for all values."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax.autoencoders.registry import KINDS, find_kind
from aejax.autoencoders.spec import make_traced_spec
from aejax.config import ObjectiveConfig
from aejax.config.train import TRACEABLE_FIELDS
from aejax.data.batching import Batch
from aejax.models.submodules import HYPERPARAMETERS
from tests.losses import loss_and_gradient

# (kind, other settings of its objective, two values of each field, the second of which is not the setting's own)
CASES = [
    ("denoising", {}, {"noise_std": (0.0, 0.5)}),
    (
        "denoising",
        {"corruption": "masking"},
        {"noise_share": (0.1, 0.5), "corrupted_weight": (1.0, 0.2), "clean_weight": (1.0, 0.3)},
    ),
    ("denoising", {"corruption": "salt-and-pepper"}, {"noise_share": (0.1, 0.5)}),
    ("sparse-l1", {}, {"l1": (0.0, 0.1)}),
    ("sparse-kl", {}, {"target_activity": (0.05, 0.2), "kl_weight": (0.0, 0.1)}),
    ("gated", {}, {"gate_l1": (0.0, 0.1)}),
    ("jump-relu", {}, {"l0_weight": (0.0, 0.1)}),
    ("vq", {}, {"commitment": (0.0, 0.5)}),
    (
        "vicreg",
        {},
        {"invariance_weight": (0.1, 1.0), "variance_weight": (0.1, 1.5), "covariance_weight": (0.1, 2.0)},
    ),
    ("contractive", {}, {"contraction": (0.0, 0.2)}),
    ("vae", {"likelihood": "gaussian", "decoder_std": 1.0}, {"decoder_std": (0.1, 0.5)}),
    ("beta-vae", {"kl_warmup_steps": 0}, {"beta": (0.0, 2.5), "free_bits": (0.0, 0.5)}),
]


def test_every_traceable_field_of_an_objective_is_tested():
    assert {field for _, _, values in CASES for field in values} == set(TRACEABLE_FIELDS["objective"])


def assert_traced_equals_constant(choose, digits_setting, digits, kind, others, values):
    """Asserts that traced values give the loss and gradient of the constants; `choose` selects the objective."""
    inputs = digits[0][:16]
    batch, key = Batch(inputs, jnp.zeros(16, jnp.int32)), jax.random.key(7)
    setting = digits_setting(objective=others)
    carried = make_traced_spec(find_kind(kind), setting)
    variables = carried.model.init(jax.random.key(0))

    def at(hyperparameters):
        return loss_and_gradient(choose(carried), {**variables, HYPERPARAMETERS: hyperparameters}, batch, key)

    constants = {field: second for field, (_, second) in values.items()}
    assert all(getattr(setting.objective, field) != constant for field, constant in constants.items())
    objective = dataclasses.replace(setting.objective, **constants)
    alone = choose(find_kind(kind)(dataclasses.replace(setting, objective=objective)))
    together = jax.jit(jax.vmap(at))({field: jnp.asarray(pair, jnp.float32) for field, pair in values.items()})
    expected = loss_and_gradient(alone, variables, batch, key)
    own = jax.tree.map(lambda leaf: leaf[1], together)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-6), own, expected)
    losses = np.asarray(together[0][0])
    assert abs(losses[0] - losses[1]) > 1e-4 * abs(losses[0])


@pytest.mark.parametrize(("kind", "others", "values"), CASES)
def test_traced_hyperparameters_train_as_the_constants_do(kind, others, values, digits_setting, digits):
    assert_traced_equals_constant(lambda made: made.objective, digits_setting, digits, kind, others, values)


def test_a_stage_reads_traced_hyperparameters(digits_setting, digits):
    case = ("stacked", {}, {"noise_share": (0.1, 0.5)})
    assert_traced_equals_constant(lambda made: made.stages[0].objective, digits_setting, digits, *case)


def test_metrics_and_evaluation_read_traced_hyperparameters(digits_setting, digits):
    setting = digits_setting(objective={"likelihood": "gaussian", "decoder_std": 1.0})
    kind = make_traced_spec(KINDS["vae"], setting)
    variables = kind.model.init(jax.random.key(0))
    constant = dataclasses.replace(setting, objective=dataclasses.replace(setting.objective, decoder_std=0.5))
    batch = Batch(digits[0][:4], jnp.zeros(4, jnp.int32))

    def elbo_and_loss(own, variables):
        return own.extra_metrics(variables, batch.inputs)["elbo"], own.objective.evaluate(variables, batch)["loss"]

    own = KINDS["vae"](constant)
    with_hyperparameters = {**variables, HYPERPARAMETERS: {"decoder_std": jnp.float32(0.5)}}
    together, alone = jax.jit(lambda: (elbo_and_loss(kind, with_hyperparameters), elbo_and_loss(own, variables)))()
    np.testing.assert_allclose(together, alone, rtol=1e-5)


def test_hyperparameters_of_other_configs_are_ignored(digits_setting, digits):
    kind = make_traced_spec(KINDS["undercomplete"], digits_setting())
    variables = kind.model.init(jax.random.key(0))
    batch = Batch(digits[0][:4], jnp.zeros(4, jnp.int32))
    assert "learning_rate" not in {field.name for field in dataclasses.fields(ObjectiveConfig)}
    with_rate = {**variables, HYPERPARAMETERS: {"learning_rate": jnp.float32(1.0)}}
    own = KINDS["undercomplete"](digits_setting()).objective.loss(variables, batch, jax.random.key(0))[0]
    assert kind.objective.loss(with_rate, batch, jax.random.key(0))[0] == own
