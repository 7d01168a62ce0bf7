"""Finds copies of images that were shifted by up to two pixels or encoded again.

Two images are compared by the correlation of their pixels on their overlap, at the best of 25 shifts. Few images are
compared with all test images. Of many, each is compared with the test images whose low frequencies have the most
similar magnitudes, which a shift hardly changes.
"""

import itertools

import numpy as np
from jaxtyping import Complex64, Float32, Int, Shaped
from sklearn.neighbors import NearestNeighbors

from aejax.data.shuffling import make_generator

MAX_SHIFT = 2  # pixels, in each direction
MAX_SIDE = 32  # larger images are reduced by means of blocks
SEARCHED_WAVES = 4  # exclusive limit of the waves across an image by whose magnitudes candidates are found
ALIGNED_WAVES = 12  # exclusive limit of the waves by whose phases they are aligned
SURE_DISTANCE = 0.006  # 1 minus the correlation of an image and its copy, at most
MAX_DISTANCE = 0.025  # of a copy, if the next test image is much less like it
DISTINCT_RATIO = 0.1  # of the distances of the closest test image and of the next
MAX_ALL_PAIRS = 1e9  # pairs times pixels that are compared exhaustively
MAX_CANDIDATE_PAIRS = 2e9  # pairs of images and test images; of more test images, random ones are compared
CANDIDATES = 5  # test images that each of many images is compared with
IMAGES_PER_BLOCK = 4096
MIN_NORM = 1e-3  # images of less contrast are taken for constant ones

Window = tuple[slice, slice, slice]
Images = Float32[np.ndarray, "_n _height _width"]


def find_image_pairs(
    inputs: Shaped[np.ndarray, "n height width channels"],
    rows: Int[np.ndarray, " m"],
    test_rows: Int[np.ndarray, " n_test"],
) -> Int[np.ndarray, "pairs 2"]:
    """Returns pairs of a row and the test row that it is a copy of."""
    if len(rows) * len(test_rows) > MAX_CANDIDATE_PAIRS:
        count = max(1, int(MAX_CANDIDATE_PAIRS / len(rows)))
        test_rows = np.sort(make_generator(0, "compared test rows").choice(test_rows, count, replace=False))
    pixels = _reduce(inputs[:1])[0].size
    if len(rows) * len(test_rows) * pixels <= MAX_ALL_PAIRS:
        distances = _compare_all(_reduce(inputs[rows]), _reduce(inputs[test_rows]))
        closest = np.argsort(distances, axis=1)[:, :2]
        is_copy = _is_copy(np.take_along_axis(distances, closest, axis=1))
        return np.stack([rows[is_copy], test_rows[closest[is_copy, 0]]], axis=1)
    return _search_copies(inputs, rows, test_rows)


def _is_copy(distances: Float32[np.ndarray, "m k"]) -> np.ndarray:
    """Returns which images are copies, from ascending distances to the closest test images."""
    closest, following = distances[:, 0], distances[:, 1] if distances.shape[1] > 1 else np.inf
    return (closest <= SURE_DISTANCE) | ((closest <= MAX_DISTANCE) & (closest <= DISTINCT_RATIO * following))


def _reduce(images: Shaped[np.ndarray, "n height width channels"]) -> Images:
    """Returns grey images of at most MAX_SIDE pixels a side, with mean 0."""
    height, width = images.shape[1:3]
    block = -(-max(height, width) // MAX_SIDE)
    height, width = max(1, height // block) * block, max(1, width // block) * block
    grey = images[:, :height, :width].astype(np.float32).mean(axis=3)
    block_rows, block_columns = min(block, grey.shape[1]), min(block, grey.shape[2])
    shape = len(grey), grey.shape[1] // block_rows, block_rows, grey.shape[2] // block_columns, block_columns
    grey = grey.reshape(shape).mean(axis=(2, 4)) if block > 1 else grey
    return grey - grey.mean(axis=(1, 2), keepdims=True)


def _overlaps(height: int, width: int) -> list[tuple[Window, Window]]:
    """Returns what two images have in common if the first is the second, shifted; for every shift."""

    def slices(length: int) -> list[tuple[slice, slice]]:
        return [
            (slice(max(by, 0), length + min(by, 0)), slice(max(-by, 0), length + min(-by, 0))) for by in _shifts(length)
        ]

    return [
        ((slice(None), down[0], right[0]), (slice(None), down[1], right[1]))
        for down, right in itertools.product(slices(height), slices(width))
    ]


def _shifts(length: int) -> range:
    """Returns the shifts along a side of an image."""
    most = min(MAX_SHIFT, length - 1)
    return range(-most, most + 1)


def _normalize(images: Images) -> Float32[np.ndarray, "n pixels"]:
    """Returns flat images of mean 0 and norm 1; constant ones are 0."""
    flat = images.reshape(len(images), -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    norms = np.sqrt(np.einsum("np,np->n", flat, flat))
    return flat / np.maximum(norms, MIN_NORM)[:, None]


def _compare_all(images: Images, tests: Images) -> Float32[np.ndarray, "m n_test"]:
    """Returns the distance of every pair: 1 minus the correlation at the best shift."""
    best = np.full((len(images), len(tests)), -1, np.float32)
    for one, other in _overlaps(*images.shape[1:]):
        np.maximum(best, _normalize(images[one]) @ _normalize(tests[other]).T, out=best)
    return 1 - best


def _compare_pairs(images: Images, tests: Images, shifts: Int[np.ndarray, " n"]) -> Float32[np.ndarray, " n"]:
    """Returns the same of each image and the test image at its position, at one shift."""
    distances = np.empty(len(images), np.float32)
    for shift, (one, other) in enumerate(_overlaps(*images.shape[1:])):
        at = np.flatnonzero(shifts == shift)
        if at.size:
            distances[at] = 1 - (_normalize(images[at][one]) * _normalize(tests[at][other])).sum(axis=1)
    return distances


def _search_copies(
    inputs: Shaped[np.ndarray, "n height width channels"], rows: Int[np.ndarray, " m"], test_rows: Int[np.ndarray, " k"]
) -> Int[np.ndarray, "pairs 2"]:
    """Returns the copies among pairs of similar low frequencies."""
    magnitudes, test_magnitudes = (np.abs(_spectra(inputs, which, SEARCHED_WAVES)) for which in (rows, test_rows))
    neighbors = NearestNeighbors(n_neighbors=min(CANDIDATES, len(test_rows)), algorithm="brute")
    found = neighbors.fit(test_magnitudes).kneighbors(magnitudes, return_distance=False)
    test_spectra = _spectra(inputs, test_rows, ALIGNED_WAVES)
    blocks = [slice(start, start + IMAGES_PER_BLOCK) for start in range(0, len(rows), IMAGES_PER_BLOCK)]
    return np.concatenate(
        [_check_candidates(inputs, rows[block], test_rows, found[block], test_spectra) for block in blocks]
    )


def _check_candidates(
    inputs: Shaped[np.ndarray, "n height width channels"],
    rows: Int[np.ndarray, " m"],
    test_rows: Int[np.ndarray, " k"],
    candidates: Int[np.ndarray, "m c"],
    test_spectra: Complex64[np.ndarray, "k d"],
) -> Int[np.ndarray, "pairs 2"]:
    """Returns the copies among images and their candidates, of which the two are compared that can be aligned best."""
    images = _reduce(inputs[rows])
    spectra = _spectra(inputs, rows, ALIGNED_WAVES)
    aligned = [_align(spectra, test_spectra[ranked], images.shape[1:]) for ranked in candidates.T]
    correlations, shifts = (np.stack(values, axis=1) for values in zip(*aligned, strict=True))
    best = np.argsort(-correlations, axis=1)[:, :2]
    partners, shifts = test_rows[np.take_along_axis(candidates, best, axis=1)], np.take_along_axis(shifts, best, axis=1)
    compared = zip(partners.T, shifts.T, strict=True)
    distances = np.stack([_compare_pairs(images, _reduce(inputs[tests]), shift) for tests, shift in compared], axis=1)
    closest = np.take_along_axis(partners, distances.argmin(axis=1)[:, None], axis=1)[:, 0]
    return np.stack([rows, closest], axis=1)[_is_copy(np.sort(distances, axis=1))]


def _spectra(
    inputs: Shaped[np.ndarray, "n height width channels"], rows: Int[np.ndarray, " m"], waves: int
) -> Complex64[np.ndarray, "m d"]:
    """Returns the amplitudes of up to `waves` - 1 waves across images of mean 0 and norm 1, faded at the borders."""
    height, width = _reduce(inputs[:1]).shape[1:]
    weights = _fade(height)[:, None] * _fade(width)
    vertical, horizontal = (_waves(length, np.arange(length), waves) for length in (height, width))
    blocks = []
    for start in range(0, len(rows), IMAGES_PER_BLOCK):
        images = _reduce(inputs[rows[start : start + IMAGES_PER_BLOCK]])
        means = np.einsum("nhw,hw->n", images, weights) / weights.sum()
        images = (images - means[:, None, None]) * weights
        norms = np.sqrt(np.einsum("nhw,nhw->n", images, images))
        spectrum = vertical @ (images @ horizontal[waves - 1 :].T)  # of real images, half is redundant
        blocks.append(spectrum.reshape(len(images), -1) / np.maximum(norms, MIN_NORM)[:, None])
    return np.concatenate(blocks)


def _fade(length: int) -> Float32[np.ndarray, " length"]:
    """Returns weights that rise from the borders, where a shift brings other content."""
    position = np.arange(length) + 0.5
    border = np.minimum(position, length - position) / (3 * MAX_SHIFT)
    return (np.sin(np.pi / 2 * np.minimum(border, 1)) ** 2).astype(np.float32)


def _waves(length: int, positions: Int[np.ndarray, " k"], waves: int) -> Complex64[np.ndarray, "frequencies k"]:
    return np.exp(-2j * np.pi * np.outer(np.arange(1 - waves, waves), positions) / length).astype(np.complex64)


def _align(
    spectra: Complex64[np.ndarray, "m d"], tests: Complex64[np.ndarray, "m d"], side: tuple[int, ...]
) -> tuple[Float32[np.ndarray, " m"], Int[np.ndarray, " m"]]:
    """Returns the correlation of the slopes of each image and its test image at the best shift, and this shift.

    Slopes, whose amplitudes are those of the image times the frequency, align more sharply than the image.
    """
    down, right = (_waves(length, np.array(_shifts(length)), ALIGNED_WAVES).conj() for length in side)
    frequencies = np.arange(1 - ALIGNED_WAVES, ALIGNED_WAVES)
    squares = ((frequencies**2)[:, None] + frequencies[ALIGNED_WAVES - 1 :] ** 2).astype(np.float32)
    phases = down[:, None, :, None] * right[ALIGNED_WAVES - 1 :][None, :, None, :] * squares[:, :, None, None]
    products = ((spectra * tests.conj()) @ phases.reshape(tests.shape[1], -1)).real
    norms = np.prod([np.sqrt(np.abs(amplitudes) ** 2 @ squares.ravel()) for amplitudes in (spectra, tests)], axis=0)
    return products.max(axis=1) / np.maximum(norms, MIN_NORM), products.argmax(axis=1)
