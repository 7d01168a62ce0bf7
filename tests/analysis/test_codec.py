import numpy as np
import pytest

from aejax.analysis import codec as codec_module
from aejax.analysis.codec import fit_pca, mean_squared_errors, psnr, subsample_rows


def test_principal_components_at_full_width_give_everything_back(inputs):
    np.testing.assert_allclose(fit_pca(inputs, 10).to_codec(10).reconstruct(inputs), inputs, atol=1e-5)


def test_the_error_of_principal_components_is_the_variance_they_leave_out(inputs):
    """Eckart and Young (1936): the trailing eigenvalues of the covariance."""
    eigenvalues = np.linalg.eigvalsh(np.cov(inputs.T, bias=True))
    errors = mean_squared_errors(fit_pca(inputs, 10).to_codec(3), inputs)
    assert 10 * errors.mean() == pytest.approx(eigenvalues[:7].sum(), rel=1e-4)


def test_no_linear_codec_of_the_same_width_is_better_than_principal_components(codec, inputs):
    assert (
        mean_squared_errors(fit_pca(inputs, 4).to_codec(4), inputs).mean() < mean_squared_errors(codec, inputs).mean()
    )


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


def test_the_psnr_of_noise_is_the_peak_over_its_deviation_in_decibels(rng):
    clean = rng.uniform(0, 16, (400, 300))
    noisy = clean + 2 * rng.standard_normal(clean.shape)
    assert psnr(noisy, clean, 16.0) == pytest.approx(20 * np.log10(16 / 2), abs=0.05)


def test_a_perfect_reconstruction_is_infinitely_good_and_alone_does_not_make_the_mean_so(rng):
    clean = rng.random((2, 5))
    recon = clean.copy()
    assert psnr(recon, clean, 1.0) == np.inf
    recon[1] += 0.1
    assert psnr(recon, clean, 1.0) == pytest.approx(10 * np.log10(1 / (0.01 / 2)))


def test_projecting_on_the_plane_of_the_data_takes_away_the_noise_outside_it(rng):
    """Isotropic noise in 20 dimensions leaves a tenth of its power in a plane: 10 dB."""
    clean = rng.standard_normal((2000, 2)) @ np.linalg.qr(rng.standard_normal((20, 2)))[0].T
    noisy = clean + 0.1 * rng.standard_normal(clean.shape)
    restored = fit_pca(clean, 2).to_codec(2).reconstruct(noisy)
    assert psnr(restored, clean, 1.0) - psnr(noisy, clean, 1.0) == pytest.approx(10, abs=0.3)
