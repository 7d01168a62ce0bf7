"""The image problems of Larochelle et al. (2007) have the properties that their paper describes."""

import numpy as np
import pytest
import scipy.stats
from loading import load
from scipy.spatial import ConvexHull

from aejax.data import larochelle
from aejax.data.dataset import make_dataset

N = 400


@pytest.fixture(scope="module")
def digits():
    """Discs away from the center, which a rotation moves around it."""
    down, right = np.mgrid[:28, :28]
    disc = 255 * ((down - 14) ** 2 + (right - 21) ** 2 <= 9)
    return np.repeat(disc[None].astype(np.uint8), N, axis=0)


def test_rotations_have_uniform_angles_and_keep_the_distance_from_the_center(digits):
    rotated = larochelle.rotate_digits(digits, np.random.default_rng(0)).astype(float)
    offsets = np.arange(28) - 13.5
    down, right = ((rotated.sum(axis=axis) * offsets).sum(axis=1) / rotated.sum(axis=(1, 2)) for axis in (2, 1))
    np.testing.assert_allclose(np.hypot(down, right), np.hypot(0.5, 7.5), atol=0.15)
    quadrants = np.bincount(2 * (down > 0) + (right > 0), minlength=4)
    assert ((quadrants - N / 4) ** 2 / (N / 4)).sum() < 16.3  # chi-squared, p = 0.001


def test_noise_is_uniform_where_there_is_no_digit_and_never_darkens_one(digits):
    noisy = larochelle.add_noise(digits, np.random.default_rng(0))
    background = noisy[digits == 0]
    assert (noisy >= digits).all()
    counts = np.histogram(background, bins=16, range=(0, 256))[0]
    assert ((counts / counts.mean() - 1) ** 2).max() < 1e-3


def test_patches_have_texture_and_neighbouring_pixels_are_alike(digits):
    patches = larochelle.texture_patches(N, np.random.default_rng(0)).astype(float)
    assert patches.std(axis=(1, 2)).min() >= larochelle.LEAST_DEVIATION
    centered = patches - patches.mean(axis=(1, 2), keepdims=True)
    for axis in (1, 2):
        shifted = np.roll(centered, 1, axis=axis)
        assert (centered * shifted).mean() / (centered**2).mean() > 0.3
    combined = larochelle.add_textures(digits, np.random.default_rng(0))
    np.testing.assert_array_equal(combined, np.maximum(digits, patches))


def test_a_variant_is_the_same_every_time_and_draws_its_test_rows_from_all_digits():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (22_100, 28, 28, 1), np.uint8)
    images[:, 0, 0, 0] = np.arange(22_100) % 251  # marks that a background leaves or raises
    mnist = make_dataset("mnist", images, np.arange(22_100) % 10, source="mnist", test_rows=np.arange(10))
    first, again = (larochelle.vary_mnist(mnist, "mnist_background_noise") for _ in range(2))
    assert first.sha256 == again.sha256
    assert first.inputs.shape == (22_000, 28, 28, 1)
    assert len(first.test_rows) == 10_000
    assert (np.bincount(first.labels, minlength=10) > 2000).all()


def test_rectangles_are_borders_whose_sides_differ_by_three_pixels():
    rectangles = load("rectangles")
    images = rectangles.inputs[..., 0] == 255
    sides = np.stack([images.any(axis=axis).sum(axis=1) for axis in (2, 1)], axis=1)
    assert (np.abs(sides[:, 0] - sides[:, 1]) >= 3).all()
    np.testing.assert_array_equal(images.sum(axis=(1, 2)), 2 * sides.sum(axis=1) - 4)  # of a border, and no inside
    np.testing.assert_array_equal(rectangles.labels, sides[:, 0] < sides[:, 1])
    assert (rectangles.name, rectangles.class_names) == ("rectangles", ("tall", "wide"))


@pytest.fixture(scope="module")
def regions():
    return larochelle.draw_regions(N, np.random.default_rng(0))


def test_regions_equal_their_convex_hull_or_do_not(regions):
    grid = np.stack(np.mgrid[:28, :28], axis=-1).reshape(-1, 2)
    for label, of_class in enumerate(regions):
        for region in of_class[:30].reshape(30, -1):
            sides = ConvexHull(grid[region]).equations  # normal and offset of each
            hull = (grid @ sides[:, :2].T + sides[:, 2] <= 1e-9).all(axis=1)
            assert (hull != region).any() == label


def test_areas_do_not_tell_regions_of_the_two_classes_apart(regions):
    areas = [of_class.sum(axis=(1, 2)) for of_class in regions]
    assert [len(of_class) for of_class in areas] == [N, N]
    assert scipy.stats.ks_2samp(*areas).pvalue > 0.01
