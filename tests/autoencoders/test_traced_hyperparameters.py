"""A traced hyperparameter does what the same constant does, in one program for all values."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax.autoencoders.registry import KINDS, find_kind
from aejax.autoencoders.traced import make_traced_spec
from aejax.config import ObjectiveConfig
from aejax.config.traced_hyperparameters import TRACEABLE_FIELDS
from aejax.data.batching import Batch
from aejax.models.submodules import HYPERPARAMETERS

LIGHT = {"invariance_weight": 1.0, "variance_weight": 1.0}  # as rounding is relative to the largest term
# field: [(kind, other settings of its objective, two values)]
CASES = {
    "noise_std": [("denoising", {}, (0.0, 0.5))],
    "noise_share": [
        ("denoising", {"corruption": "masking"}, (0.1, 0.5)),
        ("denoising", {"corruption": "salt-and-pepper"}, (0.1, 0.5)),
    ],
    "corrupted_weight": [("denoising", {"corruption": "masking"}, (1.0, 0.2))],
    "clean_weight": [("denoising", {"corruption": "masking"}, (1.0, 0.2))],
    "l1": [("sparse-l1", {}, (0.0, 0.1))],
    "target_activity": [("sparse-kl", {}, (0.05, 0.2))],
    "kl_weight": [("sparse-kl", {}, (0.0, 0.1))],
    "gate_l1": [("gated", {}, (0.0, 0.1))],
    "l0_weight": [("jump-relu", {}, (0.0, 0.1))],
    "commitment": [("vq", {}, (0.0, 0.5))],
    "invariance_weight": [("vicreg", LIGHT, (0.1, 1.0))],
    "variance_weight": [("vicreg", LIGHT, (0.1, 1.0))],
    "covariance_weight": [("vicreg", LIGHT, (0.1, 1.0))],
    "contraction": [("contractive", {}, (0.0, 0.1))],
    "decoder_std": [("vae", {"likelihood": "gaussian", "decoder_std": 1.0}, (0.1, 0.5))],
    "beta": [("beta-vae", {"kl_warmup_steps": 0}, (0.0, 4.0))],
    "free_bits": [("beta-vae", {"kl_warmup_steps": 0}, (0.0, 0.5))],
}
LISTED = [(field, *case) for field, cases in CASES.items() for case in cases]


def test_every_traceable_field_of_an_objective_is_tested():
    assert set(CASES) == set(TRACEABLE_FIELDS["objective"])


def value_and_gradient(objective, batch):
    def of(variables):
        def loss(params):
            return objective.loss({**variables, "params": params}, batch, jax.random.key(7))[0]

        return jax.value_and_grad(loss)(variables["params"])

    return of


def assert_traced_equals_constant(make, digits_setting, digits, field, kind, others, values):
    """Asserts that a traced value gives the loss and gradient of the constant; `make` selects the objective."""
    inputs = digits[0][:16]
    batch = Batch(inputs, jnp.zeros(16, jnp.int32))
    setting = digits_setting(objective=others)
    carried = make_traced_spec(find_kind(kind), setting)
    variables = carried.model.init(jax.random.key(0))

    def at(value):
        return value_and_gradient(make(carried), batch)({**variables, HYPERPARAMETERS: {field: value}})

    constant = dataclasses.replace(setting.objective, **{field: values[1]})
    objective = make(find_kind(kind)(dataclasses.replace(setting, objective=constant)))
    alone = value_and_gradient(objective, batch)
    run = jax.jit(lambda variables, values: (jax.vmap(at)(values), alone(variables)))
    together, constants = run(variables, jnp.asarray(values, jnp.float32))
    own = jax.tree.map(lambda leaf: leaf[1], together)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-6), own, constants)
    losses = np.asarray(together[0])
    assert abs(losses[0] - losses[1]) > 1e-4 * abs(losses[0])


@pytest.mark.parametrize(("field", "kind", "others", "values"), LISTED)
def test_a_traced_hyperparameter_trains_as_the_constant_does(field, kind, others, values, digits_setting, digits):
    assert_traced_equals_constant(lambda made: made.objective, digits_setting, digits, field, kind, others, values)


def test_a_stage_reads_traced_hyperparameters(digits_setting, digits):
    case = ("noise_share", "stacked", {}, (0.1, 0.5))
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
