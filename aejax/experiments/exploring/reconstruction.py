"""What comes back: reconstructions, restorations of corrupted examples, and codes that were stored in few bits."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, PRNGKeyArray

from aejax.analysis.compression import FLOAT_BITS, RateDistortionPoint, evaluate_compression
from aejax.analysis.denoising import denoise, psnr
from aejax.experiments.exploring.loaded_model import LoadedModel
from aejax.experiments.exploring.protocol import AnalysisResult, summarize_seeds
from aejax.objectives.corruption import CorruptFn, make_corruption, masking_noise, patch_mask, with_noise_seed
from aejax.report import analysis_plots as findings
from aejax.report import image_grids as gallery

IMAGE_EXAMPLES, TABLE_EXAMPLES = 12, 6  # examples drawn
BIT_DEPTHS = (FLOAT_BITS, 8, 4)  # of a stored number
CURVE_BITS = 8  # of a component, along the curve of principal components


def _first_examples(model: LoadedModel, inputs: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "..."]:
    return model.reshape_to_images(inputs[: IMAGE_EXAMPLES if model.is_image else TABLE_EXAMPLES])


def reconstructions(model: LoadedModel, out: Path) -> AnalysisResult:
    """Test examples, what the autoencoder makes of them, and what principal components of the same number make."""
    width = model.train_codes(model.config.seed).shape[1]
    components = min(width, model.test_inputs(0).shape[1])
    own, pca, mse = [], [], []
    for seed in model.seeds:
        test, peak = model.test_inputs(seed), model.value_range(seed)
        recon, principal = (c.reconstruct(test) for c in (model.codec(seed), model.pca(seed).to_codec(width)))
        own.append(psnr(recon, test, peak))
        pca.append(psnr(principal, test, peak))
        mse.append(float(np.mean(np.square(recon - test))))
        if seed == model.config.seed:
            rows = {
                "original": test,
                f"{model.kind}\n{own[-1]:.1f} dB": recon,
                f"PCA, {components}\n{pca[-1]:.1f} dB": principal,
            }
    figure = gallery.plot_example_rows(
        {name: _first_examples(model, row) for name, row in rows.items()},
        model.display_limits,
        "Test examples and their reconstructions; PSNR over all test examples",
        model.feature_names,
    )
    gallery.save_figure(figure, out / "reconstructions.png")
    numbers = {
        "psnr_db": summarize_seeds(own),
        "mse": summarize_seeds(mse),
        "pca": {"components": components, "psnr_db": summarize_seeds(pca)},
        "peak": [model.value_range(seed) for seed in model.seeds],
    }
    says = f"PSNR {np.mean(own):.2f} dB through {width} units, {np.mean(pca):.2f} dB through {_components_phrase(components)}."
    return AnalysisResult(says, numbers, {"reconstructions.png": "Test examples and their reconstructions"})


def _components_phrase(count: int) -> str:
    return f"{count} principal component{'' if count == 1 else 's'}"


def make_test_corruption(model: LoadedModel) -> tuple[CorruptFn, str, bool]:
    """What examples are corrupted by, in words, and whether this kind was trained to undo it."""
    config = model.pretrained.config.objective
    if model.kind == "masked":
        patch = config.patch if len(model.dataset.example_shape) == 3 else 1
        assert patch is not None
        what = f"patches of {patch} x {patch}" if len(model.dataset.example_shape) == 3 else "features"
        hide = patch_mask(config.masked_share, model.dataset.example_shape, patch)
        return with_noise_seed(hide, config.noise_seed), f"{config.masked_share:.0%} of the {what} set to 0", True
    if model.kind == "stacked":
        return (
            with_noise_seed(masking_noise(config.noise_share), config.noise_seed),
            f"{config.noise_share:.0%} of entries set to 0",
            False,
        )
    words = {
        "gaussian": f"Gaussian noise of deviation {config.noise_std:g}",
        "masking": f"{config.noise_share:.0%} of entries set to 0",
        "salt-and-pepper": f"{config.noise_share:.0%} of entries set to the lowest or highest value",
    }
    return make_corruption(config, model.is_bounded), words[config.corruption], "denoising" in model.kind


def denoising(model: LoadedModel, out: Path) -> AnalysisResult:
    """Corrupted test examples, what the autoencoder makes of them, and what principal components make."""
    corrupt, what, trained = make_test_corruption(model)
    noise_key, choice_key = jax.random.split(jax.random.key(0))
    width = model.train_codes(model.config.seed).shape[1]
    before, after, pca, same_width, chosen = [], [], [], [], []
    for seed in model.seeds:
        test, peak = model.test_inputs(seed), model.value_range(seed)
        noisy = np.asarray(corrupt(noise_key, jnp.asarray(test)).inputs)
        own = denoise(model.codec(seed), noisy, test, peak)
        chosen.append(select_pca_components(model, seed, corrupt, choice_key))
        principal = denoise(model.pca(seed).to_codec(chosen[-1]), noisy, test, peak)
        before.append(own.psnr_before)
        after.append(own.psnr_after)
        pca.append(principal.psnr_after)
        same_width.append(denoise(model.pca(seed).to_codec(width), noisy, test, peak).psnr_after)
        if seed == model.config.seed:
            rows = {
                "clean": test,
                f"corrupted\n{before[-1]:.1f} dB": noisy,
                f"{model.kind}\n{after[-1]:.1f} dB": own.denoised,
                f"PCA, {chosen[-1]}\n{pca[-1]:.1f} dB": principal.denoised,
            }
    title = f"Test examples with {what}, and what is made of them; PSNR over all test examples"
    shown = {name: _first_examples(model, row) for name, row in rows.items()}
    gallery.save_figure(
        gallery.plot_example_rows(shown, model.display_limits, title, model.feature_names), out / "denoising.png"
    )
    numbers = {
        "corruption": what,
        "trained_to_undo_it": trained,
        "psnr_before_db": summarize_seeds(before),
        "psnr_after_db": summarize_seeds(after),
        "pca": {
            "components": chosen,
            "psnr_after_db": summarize_seeds(pca),
            "at_code_width_db": summarize_seeds(same_width),
        },
    }
    says = (
        f"{what[0].upper()}{what[1:]}: PSNR {np.mean(before):.2f} dB before and {np.mean(after):.2f} dB after the "
        f"autoencoder, which was{'' if trained else ' not'} trained to undo it; {np.mean(pca):.2f} dB after "
        f"{_components_phrase(chosen[model.config.seed])}, the best number on corrupted training examples."
    )
    return AnalysisResult(says, numbers, {"denoising.png": "Clean, corrupted and restored test examples"})


def select_pca_components(model: LoadedModel, seed: int, corrupt: CorruptFn, key: PRNGKeyArray) -> int:
    """The number of principal components, of powers of two, that restores corrupted training examples best."""
    clean = model.scaled_inputs(model.coded_rows(seed), seed)
    noisy = np.asarray(corrupt(key, jnp.asarray(clean)).inputs)
    principal = model.pca(seed)
    return max(
        powers_of_two(len(principal.components)),
        key=lambda components: psnr(principal.to_codec(components).reconstruct(noisy), clean, model.value_range(seed)),
    )


def powers_of_two(largest: int) -> list[int]:
    """1, 2, 4, ... up to `largest`."""
    return [2**power for power in range(largest.bit_length()) if 2**power <= largest]


def compression(model: LoadedModel, out: Path) -> AnalysisResult:
    """How many bits a code takes, what comes back, and what principal components of the same size give back."""
    stored: dict[tuple[str, int], list[tuple[RateDistortionPoint, int, float]]] = defaultdict(list)
    for seed in model.seeds:
        for bits in BIT_DEPTHS:
            rates = evaluate_compression(
                model.codec(seed), model.train_codes(seed), model.test_inputs(seed), bits, model.value_range(seed)
            )
            for rate in rates:
                components = max(1, min(int(rate.bits_per_code // bits), len(model.pca(seed).components)))
                stored[rate.storage, bits].append((rate, components, _pca_rate(model, seed, components, bits).psnr))
    pixels = int(np.prod(model.dataset.example_shape[:2])) if model.is_image else model.test_inputs(0).shape[1]
    whole = {key: own for key, own in stored.items() if len(own) == len(model.seeds)}
    numbers = {
        "raw_bytes": int(model.dataset.inputs[0].nbytes),
        "pixels": pixels,
        "ranges": "levels lie evenly over the range of a unit's training codes; ranges and decoder do not count",
        "stored": [_rate_entry(key, own, pixels) for key, own in whole.items()],
    }
    curve = _plot_rates(model, whole, pixels, out)
    numbers["pca_curve"] = {"bits_per_number": CURVE_BITS, "bits_per_pixel": curve[0], "psnr_db": curve[1]}
    return AnalysisResult(
        _summarize_compression(numbers), numbers, {"compression.png": "PSNR by the size of what is stored"}
    )


def _pca_rate(model: LoadedModel, seed: int, components: int, bits: int) -> RateDistortionPoint:
    codec = model.pca(seed).to_codec(components)
    train_codes = codec.encode(model.scaled_inputs(model.coded_rows(seed), seed))
    return evaluate_compression(codec, train_codes, model.test_inputs(seed), bits, model.value_range(seed))[0]


def _rate_entry(key: tuple[str, int], own: list[tuple[RateDistortionPoint, int, float]], pixels: int) -> dict[str, Any]:
    bits = np.array([rate.bits_per_code for rate, _, _ in own])
    return {
        "store": key[0],
        "bits_per_number": key[1],
        "bytes_per_code": summarize_seeds((bits / 8).tolist()),
        "bits_per_pixel": float(bits.mean() / pixels),
        "psnr_db": summarize_seeds([rate.psnr for rate, _, _ in own]),
        "pca": {
            "components": [components for _, components, _ in own],
            "psnr_db": summarize_seeds([decibels for _, _, decibels in own]),
        },
    }


def _plot_rates(
    model: LoadedModel,
    stored: dict[tuple[str, int], list[tuple[RateDistortionPoint, int, float]]],
    pixels: int,
    out: Path,
) -> tuple[list[float], list[float]]:
    """Draw the chosen seed's rates; returns the curve of principal components."""
    seed = model.config.seed
    points: dict[str, list[tuple[float, float, int]]] = defaultdict(list)
    equal = []
    for (store, bits), own in stored.items():
        rate, components, decibels = own[seed]
        points[f"{model.kind}, {store}"].append((rate.bits_per_code / pixels, rate.psnr, bits))
        equal.append((components * bits / pixels, decibels))
    widths = powers_of_two(len(model.pca(seed).components))
    rates = [_pca_rate(model, seed, width, CURVE_BITS) for width in widths]
    curve = [(rate.bits_per_code / pixels, rate.psnr) for rate in rates]
    unit = "bits per pixel" if model.is_image else "bits per feature"
    findings.save_figure(findings.plot_rate_distortion(points, equal, curve, CURVE_BITS, unit), out / "compression.png")
    return [rate for rate, _ in curve], [decibels for _, decibels in curve]


def _summarize_compression(numbers: dict[str, Any]) -> str:
    """The smallest way to store codes at `CURVE_BITS` per number, in words."""
    own = [entry for entry in numbers["stored"] if entry["bits_per_number"] == CURVE_BITS][-1]
    return (
        f"Of {numbers['raw_bytes']:,} bytes an example's code keeps {own['bytes_per_code']['mean']:.4g} "
        f"({own['store']}, {CURVE_BITS} bits per number) and gives back {own['psnr_db']['mean']:.2f} dB; principal "
        f"components of the same size give {own['pca']['psnr_db']['mean']:.2f} dB. {numbers['ranges'].capitalize()}."
    )
