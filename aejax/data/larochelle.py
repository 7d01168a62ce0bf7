"""The image problems of Larochelle et al. (2007), generated after their description with fixed seeds.

H. Larochelle, D. Erhan, A. Courville, J. Bergstra and Y. Bengio, An Empirical Evaluation of Deep Architectures on
Problems with Many Factors of Variation, ICML 2007, section 4. Sizes of training sets are theirs (training and
validation rows together); test sets have 10,000 rows instead of 50,000. Their backgrounds are patches of 20 photographs
from the internet; here they are patches of 20 generated textures.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Int, Shaped, UInt8
from PIL import Image

from aejax.data.dataset import Dataset, make_dataset
from aejax.data.description import DataDescription

SIDE = 28  # pixels of an image
N_TRAIN, N_TEST = 12_000, 10_000
N_RECTANGLES, N_CONVEX = 1_200, 8_000  # training rows of the two problems without digits
N_TEXTURES, TEXTURE_SIDE = 20, 256
LEAST_DEVIATION = 20.0  # of the grey values 0 to 255 of a patch; others have too little texture
SEED = 2007

Images = UInt8[np.ndarray, "n 28 28"]
Regions = Bool[np.ndarray, "_ 28 28"]


def rotate_digits(images: Images, rng: np.random.Generator) -> Images:
    """Returns every image rotated by an angle between 0 and 2π, uniform, with bilinear interpolation."""
    angles = rng.uniform(0, 360, len(images))
    rotated = [
        Image.fromarray(image).rotate(angle, Image.Resampling.BILINEAR)
        for image, angle in zip(images, angles, strict=True)
    ]
    return np.stack([np.asarray(image) for image in rotated])


def add_noise(images: Images, rng: np.random.Generator) -> Images:
    """Returns the larger of each pixel and a background pixel, uniform from 0 to 255."""
    return np.maximum(images, rng.integers(0, 256, images.shape, np.uint8))


def add_textures(images: Images, rng: np.random.Generator) -> Images:
    """Returns the larger of each pixel and that of a patch of a texture."""
    return np.maximum(images, texture_patches(len(images), rng))


def rotate_and_add_textures(images: Images, rng: np.random.Generator) -> Images:
    """Returns rotated digits on patches of textures."""
    return add_textures(rotate_digits(images, rng), rng)


MNIST_VARIANTS: dict[str, Callable[[Images, np.random.Generator], Images]] = {
    "mnist_rotated": rotate_digits,
    "mnist_background_noise": add_noise,
    "mnist_background_images": add_textures,
    "mnist_rotated_background": rotate_and_add_textures,
}


def vary_mnist(mnist: Dataset, name: str) -> Dataset:
    """Returns 22,000 digits of MNIST, drawn from all 70,000 and changed by the variant: 10,000 are the test rows."""
    rng = np.random.default_rng([SEED, list(MNIST_VARIANTS).index(name)])
    rows = rng.permutation(mnist.n_examples)[: N_TRAIN + N_TEST]
    return _images_with_test(name, MNIST_VARIANTS[name](mnist.inputs[rows, :, :, 0], rng), mnist.labels[rows])


def rectangles() -> Dataset:
    """White borders of rectangles, wide or tall, at uniform places; sides differ by at least three pixels."""
    rng = np.random.default_rng([SEED, 10])
    sides = rng.integers(2, SIDE + 1, (4 * (N_RECTANGLES + N_TEST), 2))  # height and width
    sides = sides[np.abs(sides[:, 0] - sides[:, 1]) >= 3][: N_RECTANGLES + N_TEST]
    start = rng.integers(0, SIDE - sides + 1)
    pixels = np.arange(SIDE)[None, None]
    first, last = start[..., None], (start + sides - 1)[..., None]
    inside, border = (pixels >= first) & (pixels <= last), (pixels == first) | (pixels == last)  # (n, 2, 28), by axis
    images = (border[:, 0, :, None] & inside[:, 1, None]) | (inside[:, 0, :, None] & border[:, 1, None])
    labels = np.where(sides[:, 0] > sides[:, 1], "tall", "wide")
    return _images_with_test("rectangles", 255 * images.astype(np.uint8), labels)


def convex() -> Dataset:
    """White regions that are convex or not, see `draw_regions`."""
    rng = np.random.default_rng([SEED, 11])
    per_class = (N_CONVEX + N_TEST) // 2
    regions = np.concatenate(draw_regions(per_class, rng))
    order = rng.permutation(2 * per_class)
    labels = np.repeat(["convex", "not convex"], per_class)
    return _images_with_test("convex", 255 * regions[order].astype(np.uint8), labels[order])


def draw_regions(n: int, rng: np.random.Generator) -> tuple[Regions, Regions]:
    """Returns `n` convex regions and `n` others, with the same distribution of their area.

    Convex ones are intersections of half-planes at uniform places and of uniform orientation; the others are unions of
    two such regions that fail `is_convex`.
    """
    chosen: tuple[list[Regions], list[Regions]] = ([], [])
    while sum(map(len, chosen[0])) < n:
        first, second, alone = (_half_planes(2 * n, count, rng) for count in (5, 5, 3))
        union = first[: len(second)] | second[: len(first)]
        for kept, regions in zip(chosen, _match_areas(alone, union[~is_convex(union)]), strict=True):
            kept.append(regions)
    return np.concatenate(chosen[0])[:n], np.concatenate(chosen[1])[:n]


def is_convex(regions: Regions) -> Bool[np.ndarray, " _"]:
    """Returns whether each region holds the midpoints of all its pairs of pixels, as far as they are pixels.

    The convolution of a region with itself counts the pairs with a sum of coordinates, twice their midpoint.
    """
    spectra = np.fft.rfft2(regions.astype(np.float32), (2 * SIDE, 2 * SIDE))
    pairs = np.fft.irfft2(spectra**2, (2 * SIDE, 2 * SIDE))[:, ::2, ::2]
    return ~((pairs > 0.5) & ~regions).any(axis=(1, 2))


def make_textures() -> UInt8[np.ndarray, "textures 256 256"]:
    """Returns 20 textures: noise whose amplitude falls with frequency, as in photographs, along an axis of its own."""
    rng = np.random.default_rng([SEED, 12])
    frequency = np.fft.fftfreq(TEXTURE_SIDE)
    textures = []
    for _ in range(N_TEXTURES):
        angle, stretch, exponent = rng.uniform(0, np.pi), rng.uniform(1, 6), rng.uniform(0.8, 1.6)
        along = np.cos(angle) * frequency[:, None] + np.sin(angle) * frequency[None]
        across = np.cos(angle) * frequency[None] - np.sin(angle) * frequency[:, None]
        radius = np.hypot(stretch * along, across)
        radius[0, 0] = np.inf  # the mean is set below
        noise = rng.normal(size=(TEXTURE_SIDE, TEXTURE_SIDE))
        texture = np.fft.ifft2(np.fft.fft2(noise) / radius**exponent).real
        textures.append(127.5 + 60 * texture / texture.std())
    return np.clip(np.round(textures), 0, 255).astype(np.uint8)


def texture_patches(n: int, rng: np.random.Generator) -> Images:
    """Returns patches of textures at uniform places; those with a low deviation are drawn again."""
    windows = np.lib.stride_tricks.sliding_window_view(make_textures(), (SIDE, SIDE), axis=(1, 2))
    patches = np.empty((n, SIDE, SIDE), np.uint8)
    flat = np.arange(n)
    while len(flat):
        image, down, right = (rng.integers(0, size, len(flat)) for size in windows.shape[:3])
        patches[flat] = windows[image, down, right]
        flat = flat[patches[flat].std(axis=(1, 2)) < LEAST_DEVIATION]
    return patches


def _half_planes(n: int, largest_count: int, rng: np.random.Generator) -> Regions:
    """Returns intersections of one to `largest_count` half-planes, without those of fewer than 20 pixels."""
    down, right = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    count = rng.integers(1, largest_count + 1, n)
    regions = np.ones((n, SIDE, SIDE), bool)
    for index in range(largest_count):
        place, angle = SIDE * rng.random((2, n, 1, 1), "f4"), 2 * np.pi * rng.random((n, 1, 1), "f4")
        side = np.cos(angle) * (down - place[0]) + np.sin(angle) * (right - place[1]) >= 0
        regions &= side | (index >= count)[:, None, None]
    return regions[regions.sum(axis=(1, 2)) >= 20]


def _match_areas(first: Regions, second: Regions) -> tuple[Regions, Regions]:
    """Returns equally many regions of both with areas in each interval of 28 pixels."""
    kept: tuple[list[Int[np.ndarray, " k"]], list[Int[np.ndarray, " k"]]] = ([], [])
    bins = [regions.sum(axis=(1, 2)) // SIDE for regions in (first, second)]
    for area in range(SIDE + 1):
        rows = [np.flatnonzero(areas == area) for areas in bins]
        for one, found in zip(kept, rows, strict=True):
            one.append(found[: min(map(len, rows))])
    return first[np.concatenate(kept[0])], second[np.concatenate(kept[1])]


def _images_with_test(name: str, images: Images, labels: Shaped[np.ndarray, " n"]) -> Dataset:
    """Returns images of which the last 10,000 are the test rows."""
    return make_dataset(
        name,
        images[..., None],
        labels,
        source=name,
        value_range=(0.0, 255.0),
        test_rows=np.arange(len(images) - N_TEST, len(images)),
        description=DataDescription(label_source="the generator", layout=f"images {SIDE}x{SIDE}x1"),
    )
