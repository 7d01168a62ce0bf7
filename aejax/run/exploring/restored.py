"""What comes back: reconstructions, restorations of corrupted examples, and codes that were stored in few bits."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, PRNGKeyArray

from aejax.explore.compression import FLOAT_BITS, Rate, compress
from aejax.explore.restoration import psnr, restore
from aejax.objectives.corruption import Corrupt, hiding, make_corruption, masking, seeded
from aejax.report import findings, gallery
from aejax.run.exploring.part import Found, over_seeds
from aejax.run.exploring.subject import Subject

SHOWN, TABLE_SHOWN = 12, 6  # examples drawn
BITS = (FLOAT_BITS, 8, 4)  # of a stored number
CURVE_BITS = 8  # of a component, along the curve of principal components


def _first(subject: Subject, inputs: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "..."]:
    return subject.shaped(inputs[: SHOWN if subject.is_image else TABLE_SHOWN])


def reconstructions(subject: Subject, out: Path) -> Found:
    """Test examples, what the autoencoder makes of them, and what principal components of the same number make."""
    width = subject.train_codes(subject.config.seed).shape[1]
    components = min(width, subject.test(0).shape[1])
    own, pca, mse = [], [], []
    for seed in subject.seeds:
        test, peak = subject.test(seed), subject.peak(seed)
        recon, principal = (c.reconstruct(test) for c in (subject.codec(seed), subject.principal(seed).codec(width)))
        own.append(psnr(recon, test, peak))
        pca.append(psnr(principal, test, peak))
        mse.append(float(np.mean(np.square(recon - test))))
        if seed == subject.config.seed:
            rows = {
                "original": test,
                f"{subject.name}\n{own[-1]:.1f} dB": recon,
                f"PCA, {components}\n{pca[-1]:.1f} dB": principal,
            }
    figure = gallery.examples_in_rows(
        {name: _first(subject, row) for name, row in rows.items()},
        subject.limits,
        "Test examples and their reconstructions; PSNR over all test examples",
        subject.features,
    )
    gallery.save(figure, out / "reconstructions.png")
    numbers = {
        "psnr_db": over_seeds(own),
        "mse": over_seeds(mse),
        "pca": {"components": components, "psnr_db": over_seeds(pca)},
        "peak": [subject.peak(seed) for seed in subject.seeds],
    }
    says = f"PSNR {np.mean(own):.2f} dB through {width} units, {np.mean(pca):.2f} dB through {_components(components)}."
    return Found(says, numbers, {"reconstructions.png": "Test examples and their reconstructions"})


def _components(count: int) -> str:
    return f"{count} principal component{'' if count == 1 else 's'}"


def corruption_of(subject: Subject) -> tuple[Corrupt, str, bool]:
    """What examples are corrupted by, in words, and whether this kind was trained to undo it."""
    config = subject.run.config.objective
    if subject.name == "masked":
        patch = config.patch if len(subject.dataset.shape) == 3 else 1
        assert patch is not None
        what = f"patches of {patch} x {patch}" if len(subject.dataset.shape) == 3 else "features"
        hide = hiding(config.masked_share, subject.dataset.shape, patch)
        return seeded(hide, config.noise_seed), f"{config.masked_share:.0%} of the {what} set to 0", True
    if subject.name == "stacked":
        return (
            seeded(masking(config.noise_share), config.noise_seed),
            f"{config.noise_share:.0%} of entries set to 0",
            False,
        )
    words = {
        "gaussian": f"Gaussian noise of deviation {config.noise_std:g}",
        "masking": f"{config.noise_share:.0%} of entries set to 0",
        "salt-and-pepper": f"{config.noise_share:.0%} of entries set to the lowest or highest value",
    }
    return make_corruption(config, subject.bounded), words[config.corruption], "denoising" in subject.name


def denoising(subject: Subject, out: Path) -> Found:
    """Corrupted test examples, what the autoencoder makes of them, and what principal components make."""
    corrupt, what, trained = corruption_of(subject)
    noise_key, choice_key = jax.random.split(jax.random.key(0))
    width = subject.train_codes(subject.config.seed).shape[1]
    before, after, pca, same_width, chosen = [], [], [], [], []
    for seed in subject.seeds:
        test, peak = subject.test(seed), subject.peak(seed)
        noisy = np.asarray(corrupt(noise_key, jnp.asarray(test)).inputs)
        own = restore(subject.codec(seed), noisy, test, peak)
        chosen.append(best_components(subject, seed, corrupt, choice_key))
        principal = restore(subject.principal(seed).codec(chosen[-1]), noisy, test, peak)
        before.append(own.psnr_before)
        after.append(own.psnr_after)
        pca.append(principal.psnr_after)
        same_width.append(restore(subject.principal(seed).codec(width), noisy, test, peak).psnr_after)
        if seed == subject.config.seed:
            rows = {
                "clean": test,
                f"corrupted\n{before[-1]:.1f} dB": noisy,
                f"{subject.name}\n{after[-1]:.1f} dB": own.restored,
                f"PCA, {chosen[-1]}\n{pca[-1]:.1f} dB": principal.restored,
            }
    title = f"Test examples with {what}, and what is made of them; PSNR over all test examples"
    shown = {name: _first(subject, row) for name, row in rows.items()}
    gallery.save(gallery.examples_in_rows(shown, subject.limits, title, subject.features), out / "denoising.png")
    numbers = {
        "corruption": what,
        "trained_to_undo_it": trained,
        "psnr_before_db": over_seeds(before),
        "psnr_after_db": over_seeds(after),
        "pca": {"components": chosen, "psnr_after_db": over_seeds(pca), "at_code_width_db": over_seeds(same_width)},
    }
    says = (
        f"{what[0].upper()}{what[1:]}: PSNR {np.mean(before):.2f} dB before and {np.mean(after):.2f} dB after the "
        f"autoencoder, which was{'' if trained else ' not'} trained to undo it; {np.mean(pca):.2f} dB after "
        f"{_components(chosen[subject.config.seed])}, the best number on corrupted training examples."
    )
    return Found(says, numbers, {"denoising.png": "Clean, corrupted and restored test examples"})


def best_components(subject: Subject, seed: int, corrupt: Corrupt, key: PRNGKeyArray) -> int:
    """The number of principal components, of powers of two, that restores corrupted training examples best."""
    clean = subject.inputs(subject.coded_rows(seed), seed)
    noisy = np.asarray(corrupt(key, jnp.asarray(clean)).inputs)
    principal = subject.principal(seed)
    return max(
        powers_of_two(len(principal.axes)),
        key=lambda components: psnr(principal.codec(components).reconstruct(noisy), clean, subject.peak(seed)),
    )


def powers_of_two(largest: int) -> list[int]:
    """1, 2, 4, ... up to `largest`."""
    return [2**power for power in range(largest.bit_length()) if 2**power <= largest]


def compression(subject: Subject, out: Path) -> Found:
    """How many bits a code takes, what comes back, and what principal components of the same size give back."""
    stored: dict[tuple[str, int], list[tuple[Rate, int, float]]] = defaultdict(list)
    for seed in subject.seeds:
        for bits in BITS:
            rates = compress(
                subject.codec(seed), subject.train_codes(seed), subject.test(seed), bits, subject.peak(seed)
            )
            for rate in rates:
                components = max(1, min(int(rate.bits_per_code // bits), len(subject.principal(seed).axes)))
                stored[rate.store, bits].append(
                    (rate, components, _principal_rate(subject, seed, components, bits).psnr)
                )
    pixels = int(np.prod(subject.dataset.shape[:2])) if subject.is_image else subject.test(0).shape[1]
    whole = {key: own for key, own in stored.items() if len(own) == len(subject.seeds)}
    numbers = {
        "raw_bytes": int(subject.dataset.inputs[0].nbytes),
        "pixels": pixels,
        "ranges": "levels lie evenly over the range of a unit's training codes; ranges and decoder do not count",
        "stored": [_rate_entry(key, own, pixels) for key, own in whole.items()],
    }
    curve = _draw_rates(subject, whole, pixels, out)
    numbers["pca_curve"] = {"bits_per_number": CURVE_BITS, "bits_per_pixel": curve[0], "psnr_db": curve[1]}
    return Found(_compression_says(numbers), numbers, {"compression.png": "PSNR by the size of what is stored"})


def _principal_rate(subject: Subject, seed: int, components: int, bits: int) -> Rate:
    codec = subject.principal(seed).codec(components)
    train_codes = codec.encode(subject.inputs(subject.coded_rows(seed), seed))
    return compress(codec, train_codes, subject.test(seed), bits, subject.peak(seed))[0]


def _rate_entry(key: tuple[str, int], own: list[tuple[Rate, int, float]], pixels: int) -> dict[str, Any]:
    bits = np.array([rate.bits_per_code for rate, _, _ in own])
    return {
        "store": key[0],
        "bits_per_number": key[1],
        "bytes_per_code": over_seeds((bits / 8).tolist()),
        "bits_per_pixel": float(bits.mean() / pixels),
        "psnr_db": over_seeds([rate.psnr for rate, _, _ in own]),
        "pca": {
            "components": [components for _, components, _ in own],
            "psnr_db": over_seeds([decibels for _, _, decibels in own]),
        },
    }


def _draw_rates(
    subject: Subject, stored: dict[tuple[str, int], list[tuple[Rate, int, float]]], pixels: int, out: Path
) -> tuple[list[float], list[float]]:
    """Draw the chosen seed's rates; returns the curve of principal components."""
    seed = subject.config.seed
    points: dict[str, list[tuple[float, float, int]]] = defaultdict(list)
    equal = []
    for (store, bits), own in stored.items():
        rate, components, decibels = own[seed]
        points[f"{subject.name}, {store}"].append((rate.bits_per_code / pixels, rate.psnr, bits))
        equal.append((components * bits / pixels, decibels))
    widths = powers_of_two(len(subject.principal(seed).axes))
    rates = [_principal_rate(subject, seed, width, CURVE_BITS) for width in widths]
    curve = [(rate.bits_per_code / pixels, rate.psnr) for rate in rates]
    unit = "bits per pixel" if subject.is_image else "bits per feature"
    findings.save(findings.rate_distortion(points, equal, curve, CURVE_BITS, unit), out / "compression.png")
    return [rate for rate, _ in curve], [decibels for _, decibels in curve]


def _compression_says(numbers: dict[str, Any]) -> str:
    """The smallest way to store codes at `CURVE_BITS` per number, in words."""
    own = [entry for entry in numbers["stored"] if entry["bits_per_number"] == CURVE_BITS][-1]
    return (
        f"Of {numbers['raw_bytes']:,} bytes an example's code keeps {own['bytes_per_code']['mean']:.4g} "
        f"({own['store']}, {CURVE_BITS} bits per number) and gives back {own['psnr_db']['mean']:.2f} dB; principal "
        f"components of the same size give {own['pca']['psnr_db']['mean']:.2f} dB. {numbers['ranges'].capitalize()}."
    )
