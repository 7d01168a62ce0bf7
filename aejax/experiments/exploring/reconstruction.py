"""Analyses of reconstructions: of test examples, of corrupted examples, and of codes stored in few bits."""

import functools
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, PRNGKeyArray
from matplotlib.figure import Figure

from aejax.analysis.codec import psnr
from aejax.analysis.compression import FLOAT_BITS, RateDistortionPoint, evaluate_compression
from aejax.evaluate.intervals import summarize_seeds
from aejax.experiments.exploring.loaded_model import AnalysisResult, LoadedModel, SeedView
from aejax.objectives.corruption import CorruptFn, make_corruption, masking_noise, patch_mask, with_noise_seed
from aejax.report import figures, image_grids

MAX_EXAMPLES = 12  # images in a row
BIT_DEPTHS = (FLOAT_BITS, 8, 4)  # bits per stored number
CURVE_BITS = 8  # bits per component along the PCA curve


def plot_examples(model: LoadedModel, rows: Mapping[str, Float[np.ndarray, "n d"]], title: str) -> Figure:
    """Draws the first examples of each array, one array per row of the figure."""
    count = model.max_shown(images=MAX_EXAMPLES, table_rows=6)
    shown = [(name, model.reshape_to_images(row[:count])) for name, row in rows.items()]
    return image_grids.plot_example_rows(shown, model.display_limits, title, model.feature_names)


def reconstructions(model: LoadedModel) -> AnalysisResult:
    """Compares reconstructions of test examples with those of as many principal components."""
    width = model.selected.code_width
    components = min(width, model.selected.test_inputs.shape[1])
    decibels, pca_decibels, mse = [], [], []
    for view in model.views():
        test = view.test_inputs
        reconstruction, pca = (codec.reconstruct(test) for codec in (view.codec, view.pca.to_codec(width)))
        decibels.append(psnr(reconstruction, test, view.value_range))
        pca_decibels.append(psnr(pca, test, view.value_range))
        mse.append(float(np.mean(np.square(reconstruction - test))))
        if view.seed == model.config.seed:
            rows = {
                "original": test,
                f"{model.kind}\n{decibels[-1]:.1f} dB": reconstruction,
                f"PCA, {components}\n{pca_decibels[-1]:.1f} dB": pca,
            }
    draw = functools.partial(
        plot_examples, model, rows, "Test examples and their reconstructions; PSNR over all test examples"
    )
    metrics = {
        "psnr_db": summarize_seeds(decibels),
        "mse": summarize_seeds(mse),
        "pca": {"components": components, "psnr_db": summarize_seeds(pca_decibels)},
        "peak": [view.value_range for view in model.views()],
    }
    summary = (
        f"PSNR {np.mean(decibels):.2f} dB with {width} units, {np.mean(pca_decibels):.2f} dB with "
        f"{_components_phrase(components)}."
    )
    caption = "Test examples and their reconstructions"
    return AnalysisResult(summary, metrics, {"reconstructions.png": (draw, caption)})


def _components_phrase(count: int) -> str:
    return f"{count} principal component{'' if count == 1 else 's'}"


def make_test_corruption(model: LoadedModel) -> tuple[CorruptFn, str, bool]:
    """Returns the corruption of test examples, its description, and whether the kind was trained to undo it."""
    config, shape = model.pretrained.config.objective, model.dataset.example_shape
    entries_set_to_0 = f"{config.noise_share:.0%} of entries set to 0"
    if model.kind == "masked":
        is_image = len(shape) == 3
        patch = config.patch if is_image else 1
        assert patch is not None
        what = f"patches of {patch} x {patch}" if is_image else "features"
        corrupt = with_noise_seed(patch_mask(config.masked_share, shape, patch), config.noise_seed)
        return corrupt, f"{config.masked_share:.0%} of the {what} set to 0", True
    if model.kind == "stacked":
        return with_noise_seed(masking_noise(config.noise_share), config.noise_seed), entries_set_to_0, False
    descriptions = {
        "gaussian": f"Gaussian noise of deviation {config.noise_std:g}",
        "masking": entries_set_to_0,
        "salt-and-pepper": f"{config.noise_share:.0%} of entries set to the lowest or highest value",
    }
    return make_corruption(config, model.is_bounded), descriptions[config.corruption], "denoising" in model.kind


def denoising(model: LoadedModel) -> AnalysisResult:
    """Compares reconstructions of corrupted test examples with those of principal components."""
    corrupt, what, trained = make_test_corruption(model)
    noise_key, choice_key = jax.random.split(jax.random.key(0))
    decibels: dict[str, list[float]] = defaultdict(list)
    components = []
    for view in model.views():
        test = view.test_inputs
        noisy = np.asarray(corrupt(noise_key, jnp.asarray(test)).inputs)
        components.append(select_pca_components(view, corrupt, choice_key))
        codecs = (view.codec, view.pca.to_codec(components[-1]), view.pca.to_codec(view.code_width))
        restored = dict(zip(("after", "pca", "at_code_width"), (c.reconstruct(noisy) for c in codecs), strict=True))
        for name, examples in {"before": noisy, **restored}.items():
            decibels[name].append(psnr(examples, test, view.value_range))
        if view.seed == model.config.seed:
            rows = {
                "clean": test,
                f"corrupted\n{decibels['before'][-1]:.1f} dB": noisy,
                f"{model.kind}\n{decibels['after'][-1]:.1f} dB": restored["after"],
                f"PCA, {components[-1]}\n{decibels['pca'][-1]:.1f} dB": restored["pca"],
            }
    title = f"Test examples with {what}, and their reconstructions; PSNR over all test examples"
    draw = functools.partial(plot_examples, model, rows, title)
    psnrs = {name: summarize_seeds(values) for name, values in decibels.items()}
    pca_psnrs = {"psnr_after_db": psnrs["pca"], "at_code_width_db": psnrs["at_code_width"]}
    metrics = {
        "corruption": what,
        "trained_to_undo_it": trained,
        "psnr_before_db": psnrs["before"],
        "psnr_after_db": psnrs["after"],
        "pca": {"components": components, **pca_psnrs},
    }
    summary = (
        f"{what[0].upper()}{what[1:]}: PSNR {psnrs['before']['mean']:.2f} dB before and {psnrs['after']['mean']:.2f} "
        f"dB after the autoencoder, which was{'' if trained else ' not'} trained to undo it; "
        f"{psnrs['pca']['mean']:.2f} dB after {_components_phrase(components[model.config.seed])}, the best number on "
        "corrupted training examples."
    )
    return AnalysisResult(summary, metrics, {"denoising.png": (draw, "Clean, corrupted and restored test examples")})


def select_pca_components(view: SeedView, corrupt: CorruptFn, key: PRNGKeyArray) -> int:
    """Returns the power of two of principal components that best restores corrupted training examples."""
    clean = view.coded_inputs
    noisy = np.asarray(corrupt(key, jnp.asarray(clean)).inputs)
    return max(
        powers_of_two(len(view.pca.components)),
        key=lambda components: psnr(view.pca.to_codec(components).reconstruct(noisy), clean, view.value_range),
    )


def powers_of_two(largest: int) -> list[int]:
    """Returns 1, 2, 4, ... up to `largest`."""
    return [2**power for power in range(largest.bit_length())]


class _StoredCode(NamedTuple):
    """One seed's codes, stored in one way, and the principal components of the same size."""

    rate: RateDistortionPoint
    components: int
    pca_psnr: float  # dB


def compression(model: LoadedModel) -> AnalysisResult:
    """Measures the size and the PSNR of quantized codes, and the PSNR of principal components of the same size."""
    stored: dict[tuple[str, int], list[_StoredCode]] = defaultdict(list)
    for view in model.views():
        for bits in BIT_DEPTHS:
            for rate in evaluate_compression(view.codec, view.train_codes, view.test_inputs, bits, view.value_range):
                components = max(1, min(int(rate.bits_per_code // bits), len(view.pca.components)))
                pca_psnr = _pca_rate(view, components, bits).psnr
                stored[rate.storage, bits].append(_StoredCode(rate, components, pca_psnr))
    complete = {key: seeds for key, seeds in stored.items() if len(seeds) == len(model.views())}
    view = model.selected
    pixels = int(np.prod(model.dataset.example_shape[:2])) if model.is_image else view.test_inputs.shape[1]
    curve = [_pca_rate(view, width, CURVE_BITS) for width in powers_of_two(len(view.pca.components))]
    pca_curve = [(rate.bits_per_code / pixels, rate.psnr) for rate in curve]
    entries = [_rate_entry(key, seeds, pixels) for key, seeds in complete.items()]
    ranges = "levels lie evenly over the range of a unit's training codes; ranges and decoder do not count"
    raw_bytes = int(model.dataset.inputs[0].nbytes)
    metrics = {
        "raw_bytes": raw_bytes,
        "pixels": pixels,
        "ranges": ranges,
        "stored": entries,
        "pca_curve": {
            "bits_per_number": CURVE_BITS,
            "bits_per_pixel": [rate for rate, _ in pca_curve],
            "psnr_db": [decibels for _, decibels in pca_curve],
        },
    }
    smallest = [entry for entry in entries if entry["bits_per_number"] == CURVE_BITS][-1]
    summary = (
        f"An example takes {raw_bytes:,} bytes, its code {smallest['bytes_per_code']['mean']:.4g} "
        f"({smallest['store']}, {CURVE_BITS} bits per number). PSNR of the decoded code "
        f"{smallest['psnr_db']['mean']:.2f} dB, of principal components of the same size "
        f"{smallest['pca']['psnr_db']['mean']:.2f} dB. {ranges.capitalize()}."
    )
    draw = functools.partial(_plot_rates, model, complete, pca_curve, pixels)
    return AnalysisResult(summary, metrics, {"compression.png": (draw, "PSNR by the size of what is stored")})


def _pca_rate(view: SeedView, components: int, bits: int) -> RateDistortionPoint:
    codec = view.pca.to_codec(components)
    return evaluate_compression(codec, codec.encode(view.coded_inputs), view.test_inputs, bits, view.value_range)[0]


def _rate_entry(key: tuple[str, int], seeds: list[_StoredCode], pixels: int) -> dict[str, Any]:
    bits = np.array([stored.rate.bits_per_code for stored in seeds])
    return {
        "store": key[0],
        "bits_per_number": key[1],
        "bytes_per_code": summarize_seeds((bits / 8).tolist()),
        "bits_per_pixel": float(bits.mean() / pixels),
        "psnr_db": summarize_seeds([stored.rate.psnr for stored in seeds]),
        "pca": {
            "components": [stored.components for stored in seeds],
            "psnr_db": summarize_seeds([stored.pca_psnr for stored in seeds]),
        },
    }


def _plot_rates(
    model: LoadedModel,
    stored: Mapping[tuple[str, int], list[_StoredCode]],
    pca_curve: list[tuple[float, float]],
    pixels: int,
) -> Figure:
    """Draws the rates of the selected seed."""
    points: dict[str, list[tuple[float, float, int]]] = defaultdict(list)
    same_size_pca = []
    for (store, bits), seeds in stored.items():
        rate, components, pca_psnr = seeds[model.config.seed]
        points[f"{model.kind}, {store}"].append((rate.bits_per_code / pixels, rate.psnr, bits))
        same_size_pca.append((components * bits / pixels, pca_psnr))
    unit = "bits per pixel" if model.is_image else "bits per feature"
    return figures.plot_rate_distortion(points, same_size_pca, pca_curve, CURVE_BITS, unit)
