"""A Gaussian over codes: how it is drawn from, what stands for an example, and that it is drawn the same again."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from sklearn.datasets import load_digits

from aejax.config import ModelConfig
from aejax.models.architectures import dense_vae
from aejax.models.encoders import MAX_ABS_LOG_VARIANCE
from aejax.models.variational import MIN_LOG_STD, Posterior, per_example_keys, per_example_noise

INPUTS = jax.random.normal(jax.random.key(0), (40, 6))
DIGITS = jnp.asarray(load_digits().data / 16, jnp.float32)


@functools.cache
def made(posterior_code="mean", learned_std=False):
    config = ModelConfig(hidden=(8,), latent_dim=3, output="linear", posterior_code=posterior_code)
    model = dense_vae(config, 6, learned_std)
    return model, jax.jit(model.init)(jax.random.key(1))


def test_draws_have_the_posteriors_mean_and_deviation_and_a_squares_gradient_is_twice_the_mean_and_the_variance():
    # E[z^2] = mean^2 + variance, so its derivatives by mean and log-variance are known.
    mean, log_variance, draws = jnp.array([[0.7]]), jnp.array([[-0.4]]), 20_000
    noise = jax.random.normal(jax.random.key(2), (draws, 1))
    drawn = Posterior(mean, log_variance).sample(noise)
    np.testing.assert_allclose([drawn.mean(), drawn.std()], [0.7, np.exp(-0.2)], rtol=0.03)

    def square(mean, log_variance, one):
        return jnp.sum(Posterior(mean, log_variance).sample(one[None]) ** 2)

    by_draw = jax.vmap(jax.grad(square, argnums=(0, 1)), (None, None, 0))(mean, log_variance, noise)
    for gradient, expected in zip(by_draw, (2 * 0.7, np.exp(-0.4)), strict=True):
        assert abs(gradient.mean() - expected) < 4 * gradient.std() / np.sqrt(draws)


class TestExampleKeys:
    def test_the_key_of_an_example_is_independent_of_its_batch_and_of_compilation(self):
        def bits(inputs):
            return jax.random.key_data(per_example_keys(inputs, 0))

        whole = np.asarray(bits(DIGITS))
        np.testing.assert_array_equal(jax.jit(bits)(DIGITS), whole)
        np.testing.assert_array_equal(jax.jit(bits)(DIGITS[10:17]), whole[10:17])
        np.testing.assert_array_equal(bits(DIGITS[10:11]), whole[10:11])
        mapped = jax.jit(lambda rows: jax.lax.map(lambda row: bits(row[None])[0], rows, batch_size=100))
        np.testing.assert_array_equal(mapped(DIGITS), whole)

    @pytest.mark.parametrize("inputs", [DIGITS, jnp.round(DIGITS), 100 * DIGITS], ids=["grey", "black and white", "x"])
    def test_different_examples_and_uses_have_different_keys(self, inputs):
        keys = np.concatenate([jax.random.key_data(per_example_keys(inputs, use)) for use in (0, 1)])
        assert len(np.unique(keys, axis=0)) == 2 * len(np.unique(inputs, axis=0))

    def test_the_noise_of_many_examples_is_standard_normal(self):
        noise = np.asarray(jax.jit(lambda inputs: per_example_noise(inputs, 5))(DIGITS))
        assert scipy.stats.kstest(noise.ravel(), "norm").pvalue > 1e-3
        np.testing.assert_allclose(np.corrcoef(noise.T), np.eye(5), atol=0.1)


def test_the_code_is_the_posteriors_mean_by_default():
    model, variables = made()
    assert ModelConfig().posterior_code == "mean"
    posterior = model.posterior(variables, INPUTS)
    np.testing.assert_array_equal(model.encode(variables, INPUTS), posterior.mean)
    np.testing.assert_array_equal(model.reconstruct(variables, INPUTS), model.decode(variables, posterior.mean))


def test_mean_and_deviation_stand_side_by_side_and_only_the_mean_is_decoded():
    model, variables = made("mean-and-deviation")
    posterior = model.posterior(variables, INPUTS)
    codes = model.encode(variables, INPUTS)
    assert codes.shape == (40, 6)
    np.testing.assert_array_equal(codes[:, :3], posterior.mean)
    np.testing.assert_allclose(codes[:, 3:], np.exp(np.asarray(posterior.log_variance) / 2), rtol=1e-6)
    np.testing.assert_array_equal(model.reconstruct(variables, INPUTS), model.decode(variables, posterior.mean))
    np.testing.assert_array_equal(model.decode(variables, codes), model.decode(variables, posterior.mean))


def test_a_sample_is_a_draw_from_the_posterior_and_independent_of_the_examples_position():
    model, variables = made("sample")
    posterior = model.posterior(variables, INPUTS)
    codes = model.encode(variables, INPUTS)
    np.testing.assert_array_equal(model.encode(variables, INPUTS), codes)
    np.testing.assert_allclose(jax.jit(model.encode)(variables, INPUTS[7:9]), codes[7:9], rtol=1e-4, atol=1e-5)
    standardised = np.asarray((codes - posterior.mean) * jnp.exp(-0.5 * posterior.log_variance))
    assert scipy.stats.kstest(standardised.ravel(), "norm").pvalue > 1e-3


@pytest.mark.parametrize("size", [1e3, -1e3])
def test_a_posteriors_log_variance_stays_within_its_limit_and_means_do_not(size):
    model, variables = made()
    params = jax.tree.map(lambda leaf: leaf, variables["params"])
    params["encoder"]["log_variance"]["bias"] += size
    params["encoder"]["code"]["bias"] += size
    posterior = model.posterior({**variables, "params": params}, INPUTS)
    np.testing.assert_array_equal(posterior.log_variance, np.sign(size) * MAX_ABS_LOG_VARIANCE)
    assert np.all(np.abs(posterior.mean) > 500)


def test_a_learned_deviation_is_bounded_below_far_under_the_datas_own():
    model, variables = made(learned_std=True)

    def log_std(free):
        return float(model.log_std({**variables, "params": {"elbo": {"log_std": jnp.asarray(free)}}}))

    for free in (-2.0, 0.0, 3.0):
        np.testing.assert_allclose(log_std(free), free, atol=0.02)
    np.testing.assert_allclose(log_std(-100.0), MIN_LOG_STD, atol=1e-5)
    assert variables["params"]["elbo"]["log_std"] == 0
    assert made(learned_std=False)[1]["params"]["elbo"] == {}
