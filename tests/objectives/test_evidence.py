"""A variational objective: its terms, their weights, the limit where it is a plain one; and the evidence bounds."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from aejax.config import ModelConfig, ObjectiveConfig
from aejax.data.batching import Batch
from aejax.models.architectures import dense_autoencoder, dense_vae
from aejax.models.variational import Posterior
from aejax.objectives.deterministic import autoencoder_objective
from aejax.objectives.objective import squared_error
from aejax.objectives.variational import elbo_and_iwae, gaussian_kl, make_log_likelihood, variational_objective

FEATURES, LATENT = 5, 2
INPUTS = jax.random.normal(jax.random.key(0), (200, FEATURES))
BATCH = Batch(INPUTS, jnp.zeros(200, jnp.int32))
KEY = jax.random.key(2)
BERNOULLI, GAUSSIAN = ObjectiveConfig(likelihood="bernoulli"), ObjectiveConfig(likelihood="gaussian", decoder_std=0.5)
LEARNED = ObjectiveConfig(likelihood="gaussian")


@functools.cache
def made(hidden=(7,), output="linear", learned_std=False):
    config = ModelConfig(hidden=hidden, latent_dim=LATENT, output=output, activation="tanh")
    model = dense_vae(config, FEATURES, learned_std)
    return model, jax.jit(model.init)(jax.random.key(1))


def objective(model, config=GAUSSIAN, *, beta=1.0, warmup_steps=0, free_bits=0.0):
    return variational_objective(
        model, make_log_likelihood(config, model), beta=beta, warmup_steps=warmup_steps, free_bits=free_bits
    )


def at_step(variables, step: int):
    return {**variables, "batch_stats": {**variables["batch_stats"], "elbo": {"step": jnp.asarray(float(step))}}}


def with_layer(variables, part: str, layer: str, **leaves):
    """Variables with some leaves of one layer replaced."""
    own = {**variables["params"][part], layer: {**variables["params"][part][layer], **leaves}}
    return {**variables, "params": {**variables["params"], part: own}}


def loss_and_gradient(own, variables):
    def of_params(params):
        return own.loss({**variables, "params": params}, BATCH, KEY)

    (value, aux), gradient = jax.jit(jax.value_and_grad(of_params, has_aux=True))(variables["params"])
    return value, aux, gradient


class TestDivergence:
    MEAN = jnp.array([[0.0, 1.5, -0.3], [2.0, 0.0, 0.0]])
    LOG_VARIANCE = jnp.array([[0.0, 0.7, -3.0], [-1.0, 2.0, 0.0]])

    def test_it_is_the_closed_form_and_the_mean_of_the_log_ratio_over_draws(self):
        actual = np.asarray(gaussian_kl(Posterior(self.MEAN, self.LOG_VARIANCE)))
        deviation = np.exp(self.LOG_VARIANCE / 2)
        np.testing.assert_allclose(actual, -np.log(deviation) + (deviation**2 + self.MEAN**2) / 2 - 0.5, atol=1e-6)
        draws = scipy.stats.norm.rvs(self.MEAN, deviation, (100_000, 2, 3), random_state=0)
        ratio = scipy.stats.norm.logpdf(draws, self.MEAN, deviation) - scipy.stats.norm.logpdf(draws)
        standard_error = ratio.std(axis=0) / np.sqrt(len(draws))
        assert np.all(np.abs(ratio.mean(axis=0) - actual) <= 4 * standard_error + 1e-6)

    def test_of_the_prior_from_itself_it_is_zero_with_no_pull_and_nowhere_below(self):
        zero = Posterior(jnp.zeros((1, 3)), jnp.zeros((1, 3)))
        value, pull = jax.value_and_grad(lambda q: jnp.sum(gaussian_kl(q)))(zero)
        assert value == 0
        assert all(np.all(leaf == 0) for leaf in pull)
        grid = jnp.linspace(-6, 6, 49)
        everywhere = gaussian_kl(Posterior(*(axis.ravel()[:, None] for axis in jnp.meshgrid(grid, grid))))
        assert np.all(everywhere >= 0)
        assert np.sum(everywhere == 0) == 1


class TestLikelihood:
    OUTPUTS = jax.random.normal(jax.random.key(3), (200, FEATURES))

    def test_bernoulli_is_scipys_with_the_outputs_as_logits(self):
        model, variables = made(output="sigmoid")
        target = (INPUTS > 0).astype(jnp.float32)
        actual = make_log_likelihood(BERNOULLI, model)(variables, self.OUTPUTS, target)
        expected = scipy.stats.bernoulli.logpmf(target, scipy.special.expit(self.OUTPUTS)).sum(axis=1)
        np.testing.assert_allclose(actual, expected, rtol=1e-4)

    @pytest.mark.parametrize("output", ["linear", "sigmoid"])
    @pytest.mark.parametrize("learned", [False, True], ids=["fixed", "learned"])
    def test_gaussian_is_scipys_around_the_reconstruction(self, output, learned):
        model, variables = made(output=output, learned_std=learned)
        if learned:
            params = {**variables["params"], "elbo": {"log_std": jnp.asarray(0.4)}}
            variables = {**variables, "params": params}
        config, std = (LEARNED, np.exp(model.log_std(variables))) if learned else (GAUSSIAN, 0.5)
        actual = make_log_likelihood(config, model)(variables, self.OUTPUTS, INPUTS)
        recon = scipy.special.expit(self.OUTPUTS) if output == "sigmoid" else self.OUTPUTS
        np.testing.assert_allclose(actual, scipy.stats.norm.logpdf(INPUTS, recon, std).sum(axis=1), rtol=1e-4)

    def test_a_learned_deviation_rests_where_it_is_the_root_mean_square_of_the_errors(self):
        model, variables = made(learned_std=True)
        likelihood = make_log_likelihood(LEARNED, model)

        def mean_likelihood(free):
            own = {**variables, "params": {**variables["params"], "elbo": {"log_std": free}}}
            return jnp.mean(likelihood(own, self.OUTPUTS, INPUTS)), model.log_std(own)

        error = np.sqrt(np.mean(np.square(self.OUTPUTS - INPUTS)))
        pull = jax.grad(lambda free: mean_likelihood(free)[0])
        (_, log_std) = mean_likelihood(jnp.log(error))
        np.testing.assert_allclose(log_std, np.log(error), atol=0.01)
        np.testing.assert_allclose(pull(jnp.log(error)), 0, atol=0.02)
        assert pull(jnp.log(error) - 0.5) > 1
        assert pull(jnp.log(error) + 0.5) < -1


class TestObjective:
    def test_the_loss_is_the_weighted_divergence_minus_the_likelihood_of_one_draw_for_each_example(self):
        model, variables = made()
        posterior = model.posterior(variables, INPUTS)
        latents = posterior.sample(jax.random.normal(KEY, (200, LATENT)))
        kl = np.asarray(gaussian_kl(posterior)).sum(axis=1)
        likelihood = make_log_likelihood(GAUSSIAN, model)(variables, model.decode_logits(variables, latents), INPUTS)
        value, aux = objective(model, beta=3.0).loss(variables, BATCH, KEY)
        np.testing.assert_allclose(value, np.mean(3 * kl - likelihood), rtol=1e-5)
        np.testing.assert_allclose(aux.metrics["kl"], kl.mean(), rtol=1e-5)

    def test_evaluation_has_the_full_weight_no_free_bits_and_the_same_draws_whatever_the_step(self):
        model, variables = made()
        plain, eased = objective(model, beta=3.0), objective(model, beta=3.0, warmup_steps=100, free_bits=5.0)
        actual = [jax.jit(own.evaluate)(at_step(variables, step), BATCH) for own in (plain, eased) for step in (0, 7)]
        for other in actual[1:]:
            jax.tree.map(np.testing.assert_array_equal, other, actual[0])
        unweighted = jax.jit(objective(model, beta=0.0).evaluate)(variables, BATCH)
        np.testing.assert_allclose(actual[0]["loss"] - unweighted["loss"], 3 * actual[0]["kl"], rtol=1e-4, atol=1e-4)
        recon = model.reconstruct(variables, INPUTS)
        np.testing.assert_allclose(actual[0]["mse"], np.mean(np.square(recon - INPUTS), axis=1), rtol=1e-5)

    def test_the_gradient_is_that_of_finite_differences_with_the_same_noise(self):
        model, variables = made()
        own = objective(model, beta=2.0)
        _, _, gradient = loss_and_gradient(own, variables)
        norm = np.sqrt(sum(float(jnp.vdot(g, g)) for g in jax.tree.leaves(gradient)))

        def moved(distance):
            params = jax.tree.map(lambda p, g: p + distance / norm * g, variables["params"], gradient)
            return own.loss({**variables, "params": params}, BATCH, KEY)[0]

        np.testing.assert_allclose((moved(3e-3) - moved(-3e-3)) / 6e-3, norm, rtol=0.01)

    def test_the_divergences_weight_rises_from_zero_step_by_step_and_stays_at_beta(self):
        model, variables = made()
        warming, full = objective(model, beta=3.0, warmup_steps=10), objective(model, beta=3.0)
        loss = jax.jit(warming.loss)
        start, aux = loss(at_step(variables, 0), BATCH, KEY)
        assert aux.batch_stats["elbo"]["step"] == 1
        np.testing.assert_allclose(start, objective(model, beta=0.0).loss(variables, BATCH, KEY)[0], rtol=1e-6)
        for step, weight in [(1, 0.3), (5, 1.5), (9, 2.7), (10, 3.0), (500, 3.0)]:
            value, _ = loss(at_step(variables, step), BATCH, KEY)
            np.testing.assert_allclose(value - start, weight * aux.metrics["kl"], rtol=1e-4)
        np.testing.assert_allclose(value, full.loss(variables, BATCH, KEY)[0], rtol=1e-6)

    def test_below_its_free_bits_the_divergence_pulls_at_nothing(self):
        model, variables = made()
        kl = np.asarray(gaussian_kl(model.posterior(variables, INPUTS))).mean(axis=0)
        free = 2 * kl.max()
        value, _, gradient = loss_and_gradient(objective(model, beta=3.0, free_bits=float(free)), variables)
        without, _, expected = loss_and_gradient(objective(model, beta=0.0), variables)
        np.testing.assert_allclose(value - without, 3 * LATENT * free, rtol=1e-4)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), gradient, expected)

    def test_the_floor_is_each_units_own_and_on_the_batchs_mean(self):
        # The first unit's divergence is above the floor on average, though not for the examples in the middle.
        model, variables = made()
        kernel = variables["params"]["encoder"]["code"]["kernel"].at[:, 0].multiply(5.0).at[:, 1].multiply(0.1)
        variables = with_layer(variables, "encoder", "code", kernel=kernel)
        by_example = np.asarray(gaussian_kl(model.posterior(variables, INPUTS)))
        kl, floor = by_example.mean(axis=0), float(by_example.mean(axis=0).mean())
        assert kl[1] < floor < kl[0]
        assert np.any(by_example[:, 0] < floor)
        gradients = [
            loss_and_gradient(objective(model, beta=beta, free_bits=free), variables)[2]["encoder"]["code"]["kernel"]
            for beta, free in [(1.0, floor), (1.0, 0.0), (0.0, 0.0)]
        ]
        eased, charged, free = gradients
        np.testing.assert_allclose(eased[:, 0], charged[:, 0], rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(eased[:, 1], free[:, 1], rtol=1e-4, atol=1e-6)
        assert np.abs(charged[:, 1] - free[:, 1]).max() > 1e-4


def cosine(here, there) -> float:
    flat = [np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)]) for tree in (here, there)]
    return float(flat[0] @ flat[1] / np.linalg.norm(flat[0]) / np.linalg.norm(flat[1]))


@pytest.mark.parametrize("beta", [0.0, 1.0])
def test_as_both_deviations_go_to_zero_a_vae_becomes_the_autoencoder_of_its_layers(beta):
    """`2 std^2 / d` times the loss is the mean squared error, but for constants and a divergence fading as `std^2`.

    The posterior's deviation is at its least, e^-5, so that codes are means: what is left is the plain objective with
    the same weights, in value and in the direction of its gradient.
    """
    model, variables = made()
    narrow = {"kernel": jnp.zeros((7, LATENT)), "bias": jnp.full(LATENT, -100.0)}
    variables = with_layer(variables, "encoder", "log_variance", **narrow)
    plain = dense_autoencoder(ModelConfig(hidden=(7,), latent_dim=LATENT, output="linear", activation="tanh"), FEATURES)
    encoder = {name: layer for name, layer in variables["params"]["encoder"].items() if name != "log_variance"}
    same = {
        "params": {"encoder": encoder, "decoder": variables["params"]["decoder"]},
        "batch_stats": {"encoder": {}, "decoder": {}},
    }
    mse, _, expected = loss_and_gradient(autoencoder_objective(plain, squared_error), same)
    apart = []
    for std in (3.0, 0.3, 0.03):
        own = objective(model, ObjectiveConfig(likelihood="gaussian", decoder_std=std), beta=beta)
        value, aux, gradient = loss_and_gradient(own, variables)
        constant = FEATURES * (np.log(std) + 0.5 * np.log(2 * np.pi))
        scaled = 2 * std**2 / FEATURES * (value - constant - beta * aux.metrics["kl"])
        np.testing.assert_allclose(scaled, mse, rtol=0.01)
        del gradient["encoder"]["log_variance"]
        apart.append(1 - cosine({part: gradient[part] for part in expected}, expected))
    assert apart[-1] < 1e-4
    if beta:
        assert apart[0] > 0.1
        assert apart[0] > apart[1] > apart[2]
    else:
        assert max(apart) < 1e-4


def both_bounds(model, config, variables, samples):
    likelihood = make_log_likelihood(config, model)
    return jax.jit(lambda own: elbo_and_iwae(model, likelihood, own, INPUTS, samples))(variables)


@pytest.mark.parametrize("config", [GAUSSIAN, LEARNED], ids=["fixed", "learned"])
def test_the_lower_bound_is_below_the_weighted_one_for_every_example_and_equal_for_one_sample(config):
    model, variables = made(learned_std=config is LEARNED)
    elbo, weighted = both_bounds(model, config, variables, 20)
    assert np.all(elbo < weighted)
    np.testing.assert_allclose(*both_bounds(model, config, variables, 1), rtol=1e-5)


def broad(variables):
    """An encoder that gives everything a posterior as wide as the prior: no weight is far above the others."""
    hidden = variables["params"]["encoder"]["code"]["kernel"].shape[0]
    variables = with_layer(variables, "encoder", "log_variance", kernel=jnp.zeros((hidden, LATENT)))
    return with_layer(variables, "encoder", "code", kernel=jnp.full((hidden, LATENT), 0.05))


def test_the_importance_weighted_bound_rises_with_samples_and_the_lower_one_does_not():
    model, variables = made()
    variables = broad(variables)
    actual = [both_bounds(model, GAUSSIAN, variables, samples) for samples in (1, 4, 16)]
    elbos, weighted = (np.array([pair[index] for pair in actual], np.float64) for index in (0, 1))
    steps = np.diff(weighted, axis=0)
    standard_error = steps.std(axis=1) / np.sqrt(len(INPUTS))
    assert np.all(steps.mean(axis=1) > 4 * standard_error)
    drift = np.diff(elbos, axis=0)
    assert np.all(np.abs(drift.mean(axis=1)) < 4 * drift.std(axis=1) / np.sqrt(len(INPUTS)))


def exact_log_evidence(variables):
    """Of a linear decoder with Gaussian noise: `x ~ N(b, W'W + 0.25 I)`."""
    layer = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), variables["params"]["decoder"]["output"])
    covariance = layer["kernel"].T @ layer["kernel"] + 0.25 * np.eye(FEATURES)
    return scipy.stats.multivariate_normal(layer["bias"], covariance).logpdf(INPUTS)


def test_of_a_linear_gaussian_model_the_weighted_bound_approaches_the_exact_evidence_from_below():
    model, variables = made(hidden=())
    variables = broad(variables)
    exact = exact_log_evidence(variables)
    gaps = []
    for samples in (1, 100, 10_000):
        _, weighted = both_bounds(model, GAUSSIAN, variables, samples)
        gaps.append(np.mean(exact - weighted))
    assert gaps[0] > 1
    assert gaps[1] < 0.1 * gaps[0]
    assert abs(gaps[2]) < 0.02


def test_with_the_exact_posterior_both_bounds_are_the_exact_evidence_for_any_number_of_samples():
    # Orthogonal decoder weights make the true posterior diagonal, so that the encoder can be it.
    model, variables = made(hidden=())
    axes = np.linalg.qr(np.random.default_rng(0).normal(size=(FEATURES, LATENT)))[0] * [1.5, 0.6]
    precision = 1 + np.sum(axes**2, axis=0) / 0.25
    variables = with_layer(variables, "decoder", "output", kernel=jnp.asarray(axes.T, jnp.float32))
    to_mean = jnp.asarray(axes / 0.25 / precision, jnp.float32)
    variables = with_layer(variables, "encoder", "code", kernel=to_mean)
    variables = with_layer(
        variables,
        "encoder",
        "log_variance",
        kernel=jnp.zeros((FEATURES, LATENT)),
        bias=jnp.asarray(-np.log(precision), jnp.float32),
    )
    exact = exact_log_evidence(variables)
    for samples in (1, 7):
        for bound in both_bounds(model, GAUSSIAN, variables, samples):
            np.testing.assert_allclose(bound, exact, rtol=1e-4)


def test_the_evaluated_loss_of_a_vae_is_the_negative_lower_bound_on_average_over_draws():
    model, variables = made()
    elbo, _ = both_bounds(model, GAUSSIAN, variables, 64)
    evaluated = jax.jit(objective(model).evaluate)(variables, BATCH)
    difference = np.asarray(evaluated["loss"] + elbo)
    assert abs(difference.mean()) < 4 * difference.std() / np.sqrt(len(INPUTS))
