"""Data sets on which defaults are chosen, and nothing is ever reported: generated ones, and patches of photographs."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int
from sklearn.datasets import load_sample_images, make_classification
from sklearn.feature_extraction.image import extract_patches_2d

from aejax.data.dataset import Dataset, make_dataset

N_EXAMPLES = 640
N_UNUSED = 32  # rows of the official test split, which nothing reads
SEED = 2026


def rotated_bars() -> Dataset:
    """Bars of 28x28 pixels at random places, of random length and brightness, with noise; 8 angles are the classes."""
    rng = np.random.default_rng(SEED)
    labels = np.arange(N_EXAMPLES) % 8
    angle, brightness = np.pi * labels / 8 + rng.normal(0, 0.06, N_EXAMPLES), rng.uniform(0.4, 1, N_EXAMPLES)
    down, right = _pixel_offsets(28, rng.uniform(9, 18, (N_EXAMPLES, 2)))
    cosine, sine = np.cos(angle)[:, None, None], np.sin(angle)[:, None, None]
    across, along = cosine * down - sine * right, sine * down + cosine * right
    length = rng.uniform(5, 10, N_EXAMPLES)[:, None, None]
    bars = brightness[:, None, None] * np.exp(-0.5 * (across / 1.2) ** 2) / (1 + np.exp(np.abs(along) - length))
    return _image_dataset("rotated bars", bars + rng.normal(0, 0.05, bars.shape), labels)


def blobs() -> Dataset:
    """Three Gaussian blobs in 16x16 pixels, near places that depend on the class; 6 classes, with noise."""
    rng = np.random.default_rng(SEED + 1)
    labels = np.arange(N_EXAMPLES) % 6
    places = rng.uniform(3, 13, (6, 3, 2))[labels] + rng.normal(0, 1.5, (N_EXAMPLES, 3, 2))
    images = np.zeros((N_EXAMPLES, 16, 16))
    for blob in range(3):
        down, right = _pixel_offsets(16, places[:, blob])
        brightness = rng.uniform(0.3, 0.9, N_EXAMPLES)[:, None, None]
        images = np.maximum(images, brightness * np.exp(-(down**2 + right**2) / 8))
    return _image_dataset("blobs", images + rng.normal(0, 0.05, images.shape), labels)


def photograph_patches() -> Dataset:
    """Grey patches of 12x12 pixels from scikit-learn's two photographs, each of which is a class."""
    rng = np.random.default_rng(SEED + 2)
    labels = np.arange(N_EXAMPLES) % 2
    patches = [
        extract_patches_2d(photograph.mean(axis=2), (12, 12), max_patches=N_EXAMPLES // 2, random_state=SEED)
        for photograph in load_sample_images().images
    ]
    order = rng.permutation(N_EXAMPLES)
    return _image_dataset(
        "photograph patches", np.stack(patches, axis=1).reshape(-1, 12, 12)[order] / 255, labels[order]
    )


def four_class_table() -> Dataset:
    """40 features, of which 10 are informative and 20 are their combinations; 4 classes."""
    return _table("four-class table", n_features=40, n_informative=10, n_redundant=20, n_classes=4, random_state=SEED)


def three_class_table() -> Dataset:
    """15 features, of which 6 are informative and 4 are their combinations; 3 classes."""
    return _table(
        "three-class table", n_features=15, n_informative=6, n_redundant=4, n_classes=3, random_state=SEED + 1
    )


DEVELOPMENT_SETS: tuple[Callable[[], Dataset], ...] = (
    rotated_bars,
    blobs,
    photograph_patches,
    four_class_table,
    three_class_table,
)


def _pixel_offsets(
    side: int, centers: Float[np.ndarray, "n 2"]
) -> tuple[Float[np.ndarray, "n side side"], Float[np.ndarray, "n side side"]]:
    """Returns how far down and right of each center each pixel is."""
    down, right = np.mgrid[:side, :side]
    return down[None] - centers[:, 0, None, None], right[None] - centers[:, 1, None, None]


def _image_dataset(name: str, images: Float[np.ndarray, "n height width"], labels: Int[np.ndarray, " n"]) -> Dataset:
    stored = np.round(255 * np.clip(images, 0, 1)).astype(np.uint8)[..., None]
    return make_dataset(name, stored, labels, source=name, value_range=(0.0, 255.0), test_rows=np.arange(N_UNUSED))


def _table(name: str, **settings: int) -> Dataset:
    inputs, labels = make_classification(N_EXAMPLES, class_sep=1.5, **settings)
    return make_dataset(name, inputs, labels, source=name, test_rows=np.arange(N_UNUSED))
