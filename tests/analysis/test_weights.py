import numpy as np
import pytest

from aejax.analysis.codec import Codec
from aejax.analysis.weights import (
    baseline_code,
    coherence,
    compute_atoms,
    constant_units,
    first_layer_filters,
    most_active_units,
    typical_activity,
)


def layer(*shape):
    return {"kernel": np.arange(np.prod(shape), dtype=np.float32).reshape(shape), "bias": np.zeros(shape[-1])}


def test_dense_filters_are_the_first_kernels_columns():
    encoder = {"code": layer(6, 2), "hidden": {"Dense_0": layer(6, 6), "Dense_10": layer(6, 6)}}
    name, filters = first_layer_filters(encoder, 6)
    assert name == "hidden.Dense_0.kernel"
    np.testing.assert_array_equal(filters, encoder["hidden"]["Dense_0"]["kernel"].T)
    assert first_layer_filters({"code": layer(6, 2)}, 6)[0] == "code.kernel"
    assert first_layer_filters(encoder, 7) is None


def test_convolutional_filters_are_images():
    kernel = layer(3, 5, 2, 8)["kernel"]
    _, filters = first_layer_filters({"code": layer(9, 4), "hidden": {"Conv_0": {"kernel": kernel}}}, 9)
    assert filters.shape == (8, 3, 5, 2)
    np.testing.assert_array_equal(filters[6], kernel[..., 6])


def test_atoms_of_a_linear_decoder_are_its_rows(rng):
    dictionary, bias = rng.standard_normal((4, 10)).astype(np.float32), rng.standard_normal(10).astype(np.float32)
    affine = Codec(encode=lambda inputs: inputs[:, :4], decode=lambda codes: codes @ dictionary + bias)
    rest = rng.standard_normal(4).astype(np.float32)
    np.testing.assert_allclose(compute_atoms(affine, rest, np.ones(4, np.float32), range(4)), dictionary, atol=1e-5)
    strong = compute_atoms(affine, rest, np.array([1, 2, 3, 4], np.float32), [3, 1])
    np.testing.assert_allclose(strong, dictionary[[3, 1]] * np.array([[4], [2]]), atol=1e-5)


def test_a_unit_at_rest_is_zero_if_it_ever_is_and_else_at_its_mean():
    codes = np.array([[0.0, 1.0], [5.0, 2.0], [1.0, 6.0]], np.float32)
    assert baseline_code(codes).tolist() == [0, 3]


def test_a_rare_unit_is_typically_as_active_as_where_it_is_active():
    codes = np.zeros((1000, 4), np.float32)
    codes[:10, 0] = 7.0
    codes[:, 1] = np.linspace(0.001, 1, 1000)
    codes[:, 3] = 5.0 + codes[:, 1]
    rest = np.array([0, 0, 0, 5.0], np.float32)
    np.testing.assert_allclose(typical_activity(codes, rest), [7.0, 0.95, 0.0, 0.95], atol=0.01)


def test_units_are_ordered_by_activity_and_dead_ones_are_left_out():
    codes = np.array([[0.0, 1.0, -5.0, 9.0], [0.0, 2.0, -6.0, 9.0]])
    np.testing.assert_array_equal(constant_units(codes), [True, False, False, True])
    assert most_active_units(codes, 9).tolist() == [2, 1]
    assert most_active_units(codes, 1).tolist() == [2]


def test_coherence_is_one_for_copies_and_their_negatives_and_none_for_orthogonal_vectors():
    vectors = np.array([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, -9.0, 0.0], [0.0, 0.0, 0.0]])
    assert coherence(vectors).tolist() == pytest.approx([0, 1, 1, 0])
