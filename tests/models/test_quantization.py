"""Quantized codes consist of the entries that are nearest, codebooks of the means of their vectors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import entropy

from aejax.autoencoders.registry import KINDS
from aejax.errors import InputError
from aejax.evaluate.representation import compute_code_usage
from aejax.models.quantization import (
    DEAD_SHARE,
    FiniteScalarQuantizer,
    VectorQuantizer,
    nearest_entries,
    quantizer_of,
    update_codebook,
)
from aejax.objectives.penalties import ForwardPass, commitment_loss

RNG = np.random.default_rng(0)
CODES = jnp.asarray(RNG.normal(size=(60, 6)), jnp.float32)


def initial(module):
    return jax.tree.map(jnp.asarray, module.init(jax.random.key(0), CODES, train=False))


def test_a_code_is_made_of_the_nearest_entries_and_its_gradient_passes_straight_through():
    module = VectorQuantizer(units=2, entries=9)
    variables = initial(module)
    codebook = variables["batch_stats"]["codebook"]
    for train in (False, True):
        codes, _ = module.apply(variables, CODES, train=train, mutable=["batch_stats"])
        nearest = cdist(np.reshape(CODES, (-1, 2)), codebook).argmin(axis=1)
        np.testing.assert_array_equal(codes, codebook[nearest].reshape(60, 6))
    slopes = jax.grad(lambda z: jnp.sum(2 * module.apply(variables, z, train=False)))(CODES)
    np.testing.assert_array_equal(slopes, 2)


def test_with_as_many_entries_as_vectors_nothing_is_lost_after_the_first_step():
    module = VectorQuantizer(units=3, entries=120)
    variables = initial(module)
    _, stats = module.apply(variables, CODES, train=True, mutable=["batch_stats"])
    np.testing.assert_array_equal(module.apply(stats, CODES, train=False), CODES)


def test_entries_become_the_means_of_the_vectors_nearest_to_them():
    centers = jnp.asarray([[-5.0, 0], [5, 0], [0, 5]])
    vectors = jnp.repeat(centers, 40, axis=0) + 0.5 * jnp.asarray(RNG.normal(size=(120, 2)), jnp.float32)
    state = (centers + 1, jnp.full(3, 40.0))

    def step(state, _):
        return update_codebook(*state, vectors, nearest_entries(vectors, state[0])), None

    (codebook, usage), _ = jax.jit(lambda own: jax.lax.scan(step, own, length=1500))(state)
    np.testing.assert_allclose(codebook, vectors.reshape(3, 40, 2).mean(axis=1), atol=1e-4)
    np.testing.assert_allclose(usage, 40, rtol=1e-3)
    once, _ = step(state, None)
    expected = 0.99 * (centers + 1) + 0.01 * vectors.reshape(3, 40, 2).mean(axis=1)
    np.testing.assert_allclose(once[0], expected, rtol=1e-5)


def test_an_entry_that_is_hardly_used_becomes_a_vector_of_the_batch_and_others_stay():
    vectors = jnp.asarray(RNG.normal(size=(8, 2)), jnp.float32)
    codebook = jnp.asarray([[0.0, 0], [99, 99], [1, 1], [-99, 99]])
    usage = jnp.asarray([4.0, DEAD_SHARE, 4.0, DEAD_SHARE])  # equal use is 2
    new, used = update_codebook(codebook, usage, vectors, nearest_entries(vectors, codebook))
    np.testing.assert_array_equal(new[jnp.array([1, 3])], vectors[:2])
    np.testing.assert_array_equal(used[jnp.array([1, 3])], 2)
    assert np.all(np.abs(new[jnp.array([0, 2])] - codebook[jnp.array([0, 2])]) < 0.1)


@pytest.mark.parametrize("levels", [(2,), (3,), (4,), (5, 2), (8, 6, 5)], ids=str)
def test_a_finite_scalar_has_all_its_levels_and_no_other_values(levels):
    module = FiniteScalarQuantizer(levels)
    wide = jnp.asarray(np.linspace(-9, 9, 5001)[:, None].repeat(6, axis=1), jnp.float32)
    codes = np.asarray(module.apply({}, wide, train=True))
    for unit in range(6):
        count = levels[unit % len(levels)]
        np.testing.assert_allclose(np.unique(codes[:, unit]), np.arange(count) / (count // 2) - 1, atol=1e-6)
    assert np.all(np.diff(codes, axis=0) >= 0)
    assert (module.units, module.entries) == (len(levels), np.prod(levels))


def test_the_gradient_of_a_finite_scalar_is_that_of_its_bound():
    slopes = jax.grad(lambda z: jnp.sum(FiniteScalarQuantizer((5,)).apply({}, z, train=True)))(CODES)
    np.testing.assert_allclose(slopes, (1 - np.tanh(CODES) ** 2) * 4 * (1 - 1e-3) / 2 / 2, rtol=1e-4)


def test_the_commitment_loss_is_the_distance_to_the_quantized_code_and_moves_the_encoder_alone(make_problem_spec):
    model = KINDS["vq"](make_problem_spec((6,), model={"hidden": (5,), "latent_dim": 4})).model
    variables = model.init(jax.random.key(0))
    penalty = commitment_loss(0.5, model)

    def of(params):
        own = {**variables, "params": params}
        return penalty(ForwardPass(own, CODES, model.encode(own, CODES), jax.random.key(0), train=False))

    raw = model.encode_preactivations(variables, CODES, train=False)
    expected = 0.5 * np.sum(np.square(raw - model.encode(variables, CODES)), axis=1)
    np.testing.assert_allclose(of(variables["params"]), expected, rtol=1e-5)
    gradient = jax.grad(lambda params: jnp.sum(of(params)))(variables["params"])
    residual = np.sum(raw - model.encode(variables, CODES), axis=0)
    np.testing.assert_allclose(gradient["encoder"]["code"]["bias"], residual, rtol=1e-4)  # 2 * 0.5, codes are constants
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(gradient["decoder"]))


@pytest.mark.parametrize(
    ("width", "settings", "units", "entries"),
    [
        (16, {}, 4, 625),
        (6, {}, 3, 125),
        (7, {}, 7, 1024),  # vq has no more entries by default
        (16, {"levels": (8, 6, 5)}, 4, 1920),
        (16, {"vector_units": 2, "codebook_size": 12}, 2, 12),
    ],
    ids=str,
)
def test_codes_of_both_kinds_have_equal_bits_by_default(width, settings, units, entries, make_problem_spec):
    problem = make_problem_spec((32,), model={"latent_dim": width, **settings})
    vector, scalar = (quantizer_of(KINDS[name](problem).model) for name in ("vq", "fsq"))
    assert (vector.units, vector.entries) == (units, min(entries, 1024))
    assert scalar.units == units
    if not settings.get("codebook_size") and entries < 1024:
        assert scalar.entries == entries


def test_vectors_must_divide_the_code(make_problem_spec):
    with pytest.raises(InputError, match=r"^--vector-units 4: expected a divisor of --latent-dim 6$"):
        KINDS["vq"](make_problem_spec((32,), model={"latent_dim": 6, "vector_units": 4}))


def test_usage_is_the_number_of_different_vectors_and_the_perplexity_of_their_frequencies():
    codes = RNG.integers(-1, 2, size=(200, 4)).astype(np.float32) * [1, -1, 0.5, 1]
    different, counts = np.unique(codes.reshape(-1, 2), axis=0, return_counts=True)
    usage = compute_code_usage(jnp.asarray(codes, jnp.float32), 2)
    assert usage["entries_used"] == len(different)
    np.testing.assert_allclose(usage["perplexity"], np.exp(entropy(counts)), rtol=1e-5)
