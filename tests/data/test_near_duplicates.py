"""Shifted, re-encoded and rounded copies across the split are found, and other examples are not."""

import dataclasses
import io

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_image

from aejax.config import DataConfig, SplitConfig
from aejax.data import near_images
from aejax.data.dataset import Dataset, make_dataset
from aejax.data.leakage import find_duplicates
from aejax.data.mnist import load_mnist
from aejax.data.near_duplicates import TOLERANCE, find_near_duplicates
from aejax.data.registry import load_dataset
from aejax.data.splits import choose_test_rows, make_split

DIGITS = load_dataset(DataConfig(dataset="digits"))
N_PLANTED = 40


def near_duplicates(data: Dataset):
    test = choose_test_rows(data, SplitConfig())
    return find_near_duplicates(data, test, find_duplicates(data, test))


def plant(data: Dataset, change, rng):
    """Returns the data with changed copies of test examples outside the test, by row."""
    test = choose_test_rows(data, SplitConfig())
    rest = np.setdiff1d(np.arange(data.n_examples), test)
    rows, sources = rng.choice(rest, N_PLANTED, replace=False), rng.choice(test, N_PLANTED, replace=False)
    inputs = data.inputs.copy()
    inputs[rows] = change(inputs[sources])
    return dataclasses.replace(data, inputs=inputs), dict(zip(rows.tolist(), sources.tolist(), strict=True))


def shift(images, down, right):
    return np.roll(np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0))), (down, right), axis=(1, 2))[:, 2:-2, 2:-2]


def encode_again(images, high=255):
    def encode(image):
        buffer = io.BytesIO()
        Image.fromarray((image * (255 // high)).astype(np.uint8).squeeze()).save(buffer, "JPEG", quality=75)
        return np.round(np.asarray(Image.open(buffer)).reshape(image.shape) / (255 // high))

    return np.stack([encode(image) for image in images])


def photographs(size=32) -> Dataset:
    """Patches of two photographs, which do not overlap."""
    patches = [
        image[top : top + size, left : left + size]
        for image in map(load_sample_image, ("china.jpg", "flower.jpg"))
        for top in range(0, image.shape[0] - size, size)
        for left in range(0, image.shape[1] - size, size)
    ]
    patches = [patch for patch in patches if patch.std() > 20]  # of the sky, all are alike
    return make_dataset("photographs", np.stack(patches), np.arange(len(patches)) % 2, source="photographs")


IMAGE_CHANGES = {  # with the least share of copies that is found among many images; of few, all are
    "one pixel": (lambda images: shift(images, 1, 0), 0.95),
    "two pixels, diagonally": (lambda images: shift(images, -2, 2), 0.65),
    "less contrast": (lambda images: images // 2 + 3, 0.95),
}


@pytest.mark.parametrize(("change", "least"), IMAGE_CHANGES.values(), ids=IMAGE_CHANGES)
@pytest.mark.parametrize(
    # Shifts move a quarter of so small an image as a digit out of sight; few such are always compared in pairs.
    ("make", "exhaustive"), [(lambda: DIGITS, True), (photographs, True), (photographs, False)]
)  # fmt: skip
def test_shifted_copies_are_found_with_their_originals(change, least, make, exhaustive, monkeypatch):
    data = make()
    if not exhaustive:
        monkeypatch.setattr(near_images, "MAX_ALL_PAIRS", 0)
    changed, planted = plant(data, change, np.random.default_rng(0))
    found = near_duplicates(changed)
    pairs = dict(zip(found.rows.tolist(), found.test_rows.tolist(), strict=True))
    matched = sum(pairs.get(row) == source for row, source in planted.items())
    assert matched >= (0.95 if exhaustive else least) * N_PLANTED
    assert pairs.keys() <= planted.keys()


def test_re_encoded_copies_are_found():
    changed, planted = plant(DIGITS, lambda images: encode_again(images, high=16), np.random.default_rng(1))
    found = near_duplicates(changed)
    assert set(found.rows.tolist()) <= planted.keys()
    assert len(found.rows) >= 0.9 * N_PLANTED


@pytest.mark.parametrize("side", [8, 28, 100])
def test_random_images_are_no_copies(side):
    images = np.random.default_rng(0).integers(0, 256, size=(300, side, side, 3), dtype=np.uint8)
    data = make_dataset("random", images, np.arange(300) % 2, source="random")
    assert near_duplicates(data).rows.size == 0
    blank = dataclasses.replace(data, inputs=np.full_like(images, 7))
    blank.inputs[np.arange(300), 0, 0, 0] = np.arange(300) % 256  # hardly any contrast
    near_duplicates(blank)


@pytest.mark.parametrize("name", ["digits", "wine", "breast_cancer", "tabular"])
def test_known_datasets_have_none(name):
    assert near_duplicates(load_dataset(DataConfig(dataset=name))).rows.size == 0


@pytest.mark.slow
def test_mnist_has_none_and_copies_are_found_among_70000(mnist_folder):
    digits = load_mnist(mnist_folder)
    assert near_duplicates(digits).rows.size == 0
    for change in (lambda images: shift(images, 2, -1), encode_again):
        changed, planted = plant(digits, change, np.random.default_rng(0))
        found = near_duplicates(changed)
        pairs = set(zip(found.rows.tolist(), found.test_rows.tolist(), strict=True))
        assert pairs <= set(planted.items())
        assert len(pairs) >= 0.95 * N_PLANTED


@pytest.mark.parametrize("shape", [(300, 3), (300, 13), (600, 80)])
@pytest.mark.parametrize("decimals", [2, 3])
def test_rounded_rows_are_found_in_their_columns_scale(shape, decimals):
    rng = np.random.default_rng(0)
    scale, center = 10.0 ** rng.integers(-3, 4, shape[1]), rng.normal(size=shape[1])
    inputs = rng.normal(size=shape)
    data = make_dataset("table", (inputs + center) * scale, np.arange(shape[0]) % 2, source="table")
    changed, planted = plant(data, lambda rows: np.round(rows / scale, decimals) * scale, rng)
    found = near_duplicates(changed)
    assert dict(zip(found.rows.tolist(), found.test_rows.tolist(), strict=True)) == planted
    assert near_duplicates(data).rows.size == 0
    coarse, _ = plant(data, lambda rows: np.round(rows / scale, 0) * scale, rng)
    assert near_duplicates(coarse).rows.size == 0


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_rows_that_are_close_by_chance_are_not_reported(dimensions):
    rng = np.random.default_rng(0)
    latent = rng.normal(size=(4000, dimensions))
    inputs = np.tanh(latent @ rng.normal(size=(dimensions, 6)))  # six columns of fewer degrees of freedom
    assert near_duplicates(make_dataset("crowded", inputs, np.arange(4000) % 2, source="crowded")).rows.size == 0


def test_exact_copies_and_missing_values_are_not_nearly_equal():
    rng = np.random.default_rng(0)
    data = make_dataset("table", rng.normal(size=(200, 5)), np.arange(200) % 2, source="table")
    exact, _ = plant(data, lambda rows: rows, rng)
    assert near_duplicates(exact).rows.size == 0

    def hide(rows):
        rows = rows.copy()
        rows[:, 0] = np.nan
        return rows

    hidden, _ = plant(data, hide, rng)
    assert near_duplicates(hidden).rows.size == 0
    both, planted = plant(
        dataclasses.replace(data, inputs=hide(data.inputs)), lambda rows: rows + np.float32(0.1 * TOLERANCE), rng
    )
    assert set(near_duplicates(both).rows.tolist()) == planted.keys()


def test_near_duplicates_are_dropped_with_exact_ones():
    rng = np.random.default_rng(0)
    data = make_dataset("table", rng.normal(size=(200, 5)), np.arange(200) % 2, source="table")
    changed, planted = plant(data, lambda rows: rows + np.float32(0.1 * TOLERANCE), rng)
    kept, dropped = (make_split(changed, SplitConfig(duplicates=how), 2) for how in ("drop", "drop-near"))
    np.testing.assert_array_equal(kept.test, dropped.test)
    assert np.isin(list(planted), kept.labelled).all()
    assert not np.isin(list(planted), dropped.labelled).any()
    assert dropped.labelled.shape[1] == kept.labelled.shape[1] - N_PLANTED
