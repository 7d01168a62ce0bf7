import numpy as np
import pytest

from aejax.analysis.codec import Codec, fit_pca
from aejax.analysis.denoising import denoise, psnr


@pytest.mark.parametrize(("deviation", "peak"), [(0.1, 1.0), (0.3, 1.0), (2.0, 16.0)])
def test_the_psnr_of_noise_is_the_peak_over_its_deviation_in_decibels(rng, deviation, peak):
    clean = rng.uniform(0, peak, (400, 300))
    noisy = clean + deviation * rng.standard_normal(clean.shape)
    assert psnr(noisy, clean, peak) == pytest.approx(20 * np.log10(peak / deviation), abs=0.05)


def test_the_psnr_does_not_change_with_the_unit(rng):
    clean, recon = rng.random((2, 20, 5))
    assert psnr(255 * recon, 255 * clean, 255.0) == pytest.approx(psnr(recon, clean, 1.0))


def test_a_perfect_reconstruction_is_infinitely_good_and_alone_does_not_make_the_mean_so(rng):
    clean = rng.random((2, 5))
    recon = clean.copy()
    assert psnr(recon, clean, 1.0) == np.inf
    recon[1] += 0.1
    assert psnr(recon, clean, 1.0) == pytest.approx(10 * np.log10(1 / (0.01 / 2)))


def test_a_codec_that_returns_its_input_restores_nothing(identity, rng):
    clean = rng.random((50, 6))
    noisy = clean + 0.2 * rng.standard_normal(clean.shape)
    restoration = denoise(identity, noisy, clean, 1.0)
    np.testing.assert_array_equal(restoration.denoised, noisy)
    assert restoration.psnr_after == restoration.psnr_before


def test_projecting_on_the_plane_of_the_data_takes_away_the_noise_outside_it(rng):
    """Isotropic noise in 20 dimensions leaves a tenth of its power in a plane: 10 dB."""
    clean = rng.standard_normal((2000, 2)) @ np.linalg.qr(rng.standard_normal((20, 2)))[0].T
    noisy = clean + 0.1 * rng.standard_normal(clean.shape)
    restoration = denoise(fit_pca(clean, 2).to_codec(2), noisy, clean, 1.0)
    assert restoration.psnr_after - restoration.psnr_before == pytest.approx(10, abs=0.3)


def test_what_is_restored_is_compared_with_the_clean_input_and_not_with_the_corrupted(rng):
    clean, noisy = rng.random((2, 10, 4))
    knows = Codec(encode=lambda inputs: inputs[:, :1], decode=lambda codes: clean)
    assert denoise(knows, noisy, clean, 1.0).psnr_after == np.inf
