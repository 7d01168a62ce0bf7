import numpy as np
import pytest

from aejax.analysis import codec as codec_module
from aejax.analysis.codec import fit_pca, mean_squared_errors, psnr, subsample_rows


def test_the_error_of_principal_components_is_the_variance_they_leave_out(inputs):
    """Eckart and Young (1936): the trailing eigenvalues of the covariance."""
    eigenvalues = np.linalg.eigvalsh(np.cov(inputs.T, bias=True))
    errors = mean_squared_errors(fit_pca(inputs, 10).to_codec(3), inputs)
    assert 10 * errors.mean() == pytest.approx(eigenvalues[:7].sum(), rel=1e-4)


def test_more_components_than_there_are_dimensions_or_rows_are_not_taken(inputs):
    assert fit_pca(inputs, 50).to_codec(50).encode(inputs).shape == (200, 10)
    assert fit_pca(inputs[:5], 50).to_codec(50).encode(inputs).shape == (200, 5)


def test_a_large_array_is_fitted_on_distinct_rows_of_it_the_same_every_time(monkeypatch):
    inputs = np.arange(300.0, dtype=np.float32).reshape(100, 3)
    assert subsample_rows(inputs) is inputs
    monkeypatch.setattr(codec_module, "MAX_FIT_VALUES", 60)
    drawn = subsample_rows(inputs)
    assert drawn.shape == (20, 3)
    assert len(np.unique(drawn[:, 0])) == 20
    assert set(drawn[:, 0]) <= set(inputs[:, 0])
    np.testing.assert_array_equal(drawn, subsample_rows(inputs))


def test_a_perfect_reconstruction_is_infinitely_good_and_alone_does_not_make_the_mean_so(rng):
    clean = rng.random((2, 5))
    recon = clean.copy()
    assert psnr(recon, clean, 1.0) == np.inf
    recon[1] += 0.1
    assert psnr(recon, clean, 16.0) == pytest.approx(10 * np.log10(16**2 / (0.01 / 2)))
