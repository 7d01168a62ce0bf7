"""Corruptions fall where and as often as they say, and nowhere else."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax.config import ObjectiveConfig
from aejax.objectives.corruption import (
    corrupt_per_example,
    gaussian_noise,
    make_corruption,
    masking_noise,
    patch_mask,
    salt_and_pepper_noise,
    with_noise_seed,
)

INPUTS = jax.random.uniform(jax.random.key(0), (2000, 50), minval=0.1, maxval=0.9)
KEY = jax.random.key(3)
SHARES = [0.05, 0.9]
CORRUPTIONS = {
    "gaussian": gaussian_noise(0.3),
    "masking": masking_noise(0.3),
    "salt and pepper": salt_and_pepper_noise(0.3, bounded=True),
    "salt and pepper, unbounded": salt_and_pepper_noise(0.3, bounded=False),
    "hidden features": patch_mask(0.3, (50,), 1),
    "hidden patches": patch_mask(0.3, (10, 5, 1), 2),
}
every_corruption = pytest.mark.parametrize("corrupt", CORRUPTIONS.values(), ids=CORRUPTIONS)


def within_binomial_bounds(hits, share: float) -> bool:
    """Whether the number of hits is within four standard deviations of what independent draws would give."""
    return abs(np.mean(hits) - share) < 4 * np.sqrt(share * (1 - share) / np.size(hits))


@pytest.mark.parametrize("noise_std", [0.1, 2.0])
def test_gaussian_noise_has_the_asked_deviation_no_mean_and_is_independent_of_the_inputs(noise_std):
    inputs = jax.random.normal(jax.random.key(0), (2000, 50))
    noise = np.asarray(gaussian_noise(noise_std)(KEY, inputs).inputs - inputs)
    np.testing.assert_allclose(noise.std(), noise_std, rtol=0.01)  # four standard errors
    assert abs(noise.mean()) < 4 * noise_std / np.sqrt(noise.size)
    assert abs(np.corrcoef(noise.ravel(), np.asarray(inputs).ravel())[0, 1]) < 4 / np.sqrt(noise.size)
    assert abs(np.corrcoef(noise[0], noise[1])[0, 1]) < 0.6  # not one draw for all examples
    kurtosis = np.mean((noise / noise.std()) ** 4)
    np.testing.assert_allclose(kurtosis, 3, atol=0.1)


@every_corruption
def test_the_entries_said_to_be_touched_are_those_that_changed_and_the_others_are_bit_equal(corrupt):
    # No input is 0, 1, or twice the same, so that replacing always shows; a batch's own extremes replace themselves.
    actual = corrupt(KEY, INPUTS)
    changed = np.asarray(actual.inputs != INPUTS)
    extremes = np.asarray((INPUTS.max(axis=0)[None] == INPUTS) | (INPUTS.min(axis=0)[None] == INPUTS))
    assert not np.any(changed & ~actual.mask)
    assert not np.any(actual.mask & ~changed & ~extremes)
    assert 0 < changed.mean() <= 1


def test_gaussian_noise_touches_every_entry():
    assert np.all(gaussian_noise(0.3)(KEY, INPUTS).mask)


@pytest.mark.parametrize("share", SHARES)
def test_masking_zeroes_each_entry_with_its_probability(share):
    actual = masking_noise(share)(KEY, INPUTS)
    zeroed = np.asarray(actual.inputs == 0)
    np.testing.assert_array_equal(zeroed, actual.mask)
    assert within_binomial_bounds(zeroed, share)
    for axis in (0, 1):  # each feature and each example alike: no more of them far off than independence allows
        size = zeroed.shape[axis]
        deviations = (zeroed.mean(axis=axis) - share) / np.sqrt(share * (1 - share) / size)
        np.testing.assert_allclose(np.std(deviations), 1, atol=0.5)


@pytest.mark.parametrize("share", SHARES)
def test_salt_and_pepper_are_half_and_half_and_together_the_share(share):
    actual = salt_and_pepper_noise(share, bounded=True)(KEY, INPUTS)
    salt, pepper = np.asarray(actual.inputs == 1), np.asarray(actual.inputs == 0)
    np.testing.assert_array_equal(salt | pepper, actual.mask)
    assert within_binomial_bounds(salt, share / 2)
    assert within_binomial_bounds(pepper, share / 2)


def test_without_bounds_salt_and_pepper_are_each_features_extremes_in_the_batch():
    inputs = INPUTS * jnp.arange(1.0, 51.0)[None] - 7.0
    actual = salt_and_pepper_noise(0.3, bounded=False)(KEY, inputs)
    lowest, highest = inputs.min(axis=0)[None], inputs.max(axis=0)[None]
    replaced = np.asarray(actual.mask)
    is_lowest, is_highest = np.asarray(actual.inputs == lowest), np.asarray(actual.inputs == highest)
    assert np.all((is_lowest | is_highest)[replaced])
    assert within_binomial_bounds(is_lowest[replaced], 0.5)
    assert not np.any((actual.inputs == 0) | (actual.inputs == 1))


def test_without_bounds_salt_and_pepper_of_a_single_example_are_the_extremes_of_its_features():
    actual = salt_and_pepper_noise(0.9, bounded=False)(KEY, INPUTS[:1])
    replaced = np.unique(actual.inputs[actual.mask])
    np.testing.assert_array_equal(replaced, [INPUTS[0].min(), INPUTS[0].max()])


@pytest.mark.parametrize("share", [0.3, 0.99])
def test_of_a_table_exactly_the_share_of_every_examples_features_is_hidden(share):
    hidden = patch_mask(share, (50,), 1)(KEY, INPUTS).mask
    np.testing.assert_array_equal(hidden.sum(axis=1), round(share * 50) if share < 0.99 else 49)
    assert len(np.unique(hidden, axis=0)) > 40  # not the same features of all examples
    each = np.asarray(hidden).mean(axis=0)
    assert np.abs(each - each.mean()).max() < 5 * np.sqrt(each.mean() * (1 - each.mean()) / 2000)


@pytest.mark.parametrize(
    ("height", "width", "channels", "patch", "share"),
    [(8, 8, 3, 4, 0.25), (7, 5, 1, 2, 0.5), (9, 10, 2, 4, 0.75), (5, 5, 3, 1, 0.5), (3, 11, 1, 3, 0.25)],
)
def test_of_an_image_exactly_the_share_of_whole_square_patches_is_hidden_in_all_channels(
    height, width, channels, patch, share
):
    shape = (height, width, channels)
    inputs = jax.random.uniform(jax.random.key(1), (64, height * width * channels), minval=0.1)
    hidden = np.asarray(patch_mask(share, shape, patch)(KEY, inputs).mask).reshape(64, *shape)
    assert np.all(hidden == hidden[..., :1])
    corners = hidden[:, ::patch, ::patch, 0]
    rows, columns = np.arange(height) // patch, np.arange(width) // patch
    np.testing.assert_array_equal(hidden[..., 0], corners[:, rows][:, :, columns])
    patches = corners[0].size
    assert patches == -(-height // patch) * -(-width // patch)
    np.testing.assert_array_equal(corners.sum(axis=(1, 2)), round(share * patches))
    assert np.all(corners.any(axis=0) & ~corners.all(axis=0))  # every patch is hidden somewhere and nowhere always


@pytest.mark.parametrize(("share", "hidden"), [(1e-6, 1), (1 - 1e-6, 5)])
def test_however_small_or_large_the_share_something_is_hidden_and_something_is_not(share, hidden):
    touched = patch_mask(share, (6,), 1)(KEY, INPUTS[:, :6]).mask
    np.testing.assert_array_equal(touched.sum(axis=1), hidden)


@every_corruption
def test_another_key_or_another_seed_is_another_draw_and_the_same_ones_the_same(corrupt):
    draws = [with_noise_seed(corrupt, seed)(jax.random.key(key), INPUTS).inputs for seed in (0, 1) for key in (3, 4)]
    again = with_noise_seed(corrupt, 0)(jax.random.key(3), INPUTS).inputs
    np.testing.assert_array_equal(again, draws[0])
    for index, one in enumerate(draws):
        assert all(np.mean(one != other) > 0.05 for other in draws[:index])


@pytest.mark.parametrize(
    ("settings", "bounded", "expected"),
    [
        ({"corruption": "gaussian", "noise_std": 0.7}, True, gaussian_noise(0.7)),
        ({"corruption": "masking", "noise_share": 0.2}, True, masking_noise(0.2)),
        ({"corruption": "salt-and-pepper", "noise_share": 0.2}, True, salt_and_pepper_noise(0.2, bounded=True)),
        ({"corruption": "salt-and-pepper", "noise_share": 0.2}, False, salt_and_pepper_noise(0.2, bounded=False)),
    ],
    ids=["gaussian", "masking", "bounded", "unbounded"],
)
def test_a_config_names_the_corruption_its_level_and_its_seed(settings, bounded, expected):
    for seed in (0, 5):
        actual = make_corruption(ObjectiveConfig(noise_seed=seed, **settings), bounded)(KEY, INPUTS)
        drawn = with_noise_seed(expected, seed)(KEY, INPUTS)
        jax.tree.map(np.testing.assert_array_equal, actual, drawn)


@pytest.mark.parametrize("name", ["gaussian", "hidden features"])
def test_in_evaluation_corruption_depends_on_the_example_and_not_on_its_position(name):
    inputs = INPUTS[:50]
    whole = corrupt_per_example(CORRUPTIONS[name], inputs)
    few = jax.jit(lambda some: corrupt_per_example(CORRUPTIONS[name], some))(inputs[40:43])
    np.testing.assert_array_equal(few.mask, whole.mask[40:43])
    np.testing.assert_allclose(few.inputs, whole.inputs[40:43], atol=1e-6)
    noise = np.asarray(whole.inputs - inputs)
    drawn = noise if name == "gaussian" else np.asarray(whole.mask, float)
    np.testing.assert_array_equal(np.abs(np.corrcoef(drawn)) > 0.99, np.eye(50))
