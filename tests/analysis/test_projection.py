import numpy as np
import pytest
from sklearn.decomposition import PCA

from aejax.analysis.projection import project_codes, project_to_2d


def blobs(rng, width, count=90):
    """Three classes whose centres lie on a line of the space."""
    labels = np.arange(count) % 3
    centres = np.zeros((3, width))
    centres[:, 0] = [-20, 0, 20]
    return (centres[labels] + rng.standard_normal((count, width))).astype(np.float32), labels


@pytest.mark.parametrize("width", [1, 2, 9])
def test_points_are_in_two_dimensions_and_far_classes_are_separated(rng, width):
    codes, labels = blobs(rng, width)
    projection = project_codes(codes, labels, codes[:30], labels[:30])
    assert projection.points.shape == (30, 2)
    assert projection.knn_accuracy == 1
    assert 0.9 < projection.explained_variance_ratio <= 1


def test_a_code_of_two_units_is_drawn_as_it_is(rng):
    codes, labels = blobs(rng, 2)
    projection = project_codes(codes, labels, codes[:10], labels[:10])
    np.testing.assert_array_equal(projection.points, codes[:10])
    assert projection.explained_variance_ratio == 1


def test_the_plane_is_chosen_on_training_codes_alone(rng):
    train, labels = rng.standard_normal((50, 3)) * np.array([5.0, 3.0, 0.0]), np.arange(50) % 2
    test = rng.standard_normal((20, 3)) * np.array([0.0, 0.0, 100.0])
    np.testing.assert_allclose(
        np.ptp(project_codes(train, labels, test, np.zeros(20, int)).points, axis=0), 0, atol=1e-9
    )


def test_random_labels_give_chance_accuracy(rng):
    codes, labels = rng.standard_normal((2000, 5)), rng.integers(4, size=2000)
    assert project_codes(codes[:1000], labels[:1000], codes[1000:], labels[1000:]).knn_accuracy == pytest.approx(
        0.25, abs=0.06
    )


def test_the_plane_is_that_of_the_principal_components_but_for_the_axes_directions(rng):
    codes = rng.standard_normal((40, 5)) * np.arange(1, 6)
    (points,), explained = project_to_2d(codes)
    pca = PCA(2, svd_solver="full").fit(codes)
    np.testing.assert_allclose(np.abs(points), np.abs(pca.transform(codes)), rtol=1e-9)
    assert explained == pytest.approx(pca.explained_variance_ratio_.sum())


def test_a_code_that_collapsed_lies_in_one_point():
    (points,), explained = project_to_2d(np.full((6, 4), 3.0))
    np.testing.assert_array_equal(points, np.zeros((6, 2)))
    assert explained == 1
