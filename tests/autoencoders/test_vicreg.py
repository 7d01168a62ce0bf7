"""VICReg's terms equal their formulas, and its variance term is what prevents collapse."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from aejax.autoencoders.registry import find_kind
from aejax.data.batching import Batch
from aejax.models.submodules import apply_eval
from aejax.objectives.vicreg import STD_EPSILON, squared_covariances, std_shortfall
from aejax.train.epoch import make_train_step
from aejax.train.state import init_state

EMBEDDINGS = np.random.default_rng(0).normal(size=(50, 4)) @ np.random.default_rng(1).normal(size=(4, 4))


def as_array(values):
    return jnp.asarray(values, jnp.float32)


def test_terms_are_those_of_numpys_covariance():
    covariance = np.cov(EMBEDDINGS.T)
    shortfall = np.maximum(0, 1 - np.sqrt(np.diag(covariance) + STD_EPSILON)).mean()
    off_diagonal = covariance[~np.eye(4, dtype=bool)]
    np.testing.assert_allclose(std_shortfall(as_array(EMBEDDINGS)), shortfall, rtol=1e-4)
    np.testing.assert_allclose(squared_covariances(as_array(EMBEDDINGS)), np.sum(off_diagonal**2) / 4, rtol=1e-4)


def test_white_embeddings_cost_nothing_and_constant_ones_the_whole_variance_term():
    white = as_array(np.linalg.qr(EMBEDDINGS - EMBEDDINGS.mean(axis=0))[0] * 7)  # deviation 1
    np.testing.assert_allclose([std_shortfall(white), squared_covariances(white)], 0, atol=1e-6)
    assert std_shortfall(jnp.ones((50, 4))) == pytest.approx(0.99)
    assert squared_covariances(jnp.ones((50, 4))) == 0


def test_equal_views_leave_variance_and_covariance_and_weights_multiply_their_terms(digits_setting, digits):
    batch = Batch(digits[0][:64], jnp.zeros(64, jnp.int32))

    def loss(**changes):
        kind = find_kind("vicreg")(digits_setting(model={"expander": (12, 12)}, objective=changes))
        return float(kind.objective.loss(kind.model.init(jax.random.key(0)), batch, jax.random.key(1))[0])

    silent = {"noise_std": 0.0, "invariance_weight": 1.0, "variance_weight": 0.0, "covariance_weight": 0.0}
    assert loss(**silent) == pytest.approx(0, abs=1e-9)
    single = [loss(**{**silent, f"{term}_weight": 1.0}) for term in ("variance", "covariance")]
    assert min(single) > 0.01
    both = {**silent, "variance_weight": 2.0, "covariance_weight": 3.0}
    np.testing.assert_allclose(loss(**both), 2 * single[0] + 3 * single[1], rtol=1e-4)
    noisy = {**silent, "noise_std": 0.5}
    np.testing.assert_allclose(loss(**{**noisy, "invariance_weight": 2.0}), 2 * loss(**noisy), rtol=1e-5)
    assert loss(**noisy) > 1e-3


@pytest.mark.parametrize("corruption", ["gaussian", "masking", "salt-and-pepper"])
@pytest.mark.parametrize("bounded", [False, True])
def test_the_evaluated_distance_of_two_views_is_positive(corruption, bounded, make_problem_spec):
    kind = find_kind("vicreg")(make_problem_spec((30,), bounded=bounded, objective={"corruption": corruption}))
    inputs = jax.random.uniform(jax.random.key(2), (5, 30))
    variables = kind.model.init(jax.random.key(0))
    losses = kind.objective.evaluate(variables, Batch(inputs, jnp.zeros(5, jnp.int32)))["loss"]
    assert jnp.all(losses > 0)


def test_without_the_variance_term_codes_collapse_and_with_it_they_do_not(digits_setting, digits):
    def spread(variance_weight):
        objective = {"noise_std": 0.3, "variance_weight": variance_weight}
        kind = find_kind("vicreg")(digits_setting(model={"expander": (16,)}, objective=objective))
        adam = optax.adam(0.01)
        step = make_train_step(kind.objective, adam)
        batch = Batch(digits[0][:200], jnp.zeros(200, jnp.int32))

        def train(state):
            return jax.lax.scan(
                lambda own, key: step(own, batch, key), state, jax.random.split(jax.random.key(0), 200)
            )[0]

        variables = jax.jit(train)(init_state(kind.model.init(jax.random.key(1)), adam)).variables
        outputs = apply_eval(kind.model.decoder, variables, "decoder", kind.model.encode(variables, digits[1]))
        return float(jnp.mean(jnp.std(outputs, axis=0)))

    assert spread(0.0) < 0.1
    assert spread(25.0) > 0.7
