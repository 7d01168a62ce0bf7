"""The examples that a page shows, `examples.npz` of a run: codes in two dimensions, images or rows, worst errors."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int, Num
from PIL import Image

from aejax.data.archives import open_archive
from aejax.errors import InputError
from aejax.report.image_grids import tile_images
from aejax.storage.atomic_io import write_atomically

EXAMPLES_FILE = "examples.npz"
MAX_CODES, MAX_WORST = 300, 12  # examples whose codes, and whose errors, are shown
MAX_PIXELS, MAX_COLUMNS = 32, 12  # across an image, and of a table's row


class Examples(NamedTuple):
    """Test examples; the first ones are those of the codes."""

    rows: Int[np.ndarray, " k"]  # their numbers in the data set
    labels: Int[np.ndarray, " k"]
    inputs: Num[np.ndarray, "k ..."]  # `(k, height, width, channel)` images, reduced to MAX_PIXELS, or table rows
    feature_names: list[str]  # of table rows
    codes: dict[str, Float[np.ndarray, "n 2"]]  # by method

    @property
    def are_images(self) -> bool:
        """Whether the examples are images."""
        return self.inputs.ndim == 4


def hardest_rows(
    log_prob: Float[np.ndarray, "trainings n_test"], test_index: Int[np.ndarray, "trainings n_test"], count: int
) -> Int[np.ndarray, " count"]:
    """Returns the rows whose true class has the lowest mean log-probability over trainings, the lowest first."""
    rows, inverse = np.unique(test_index, return_inverse=True)
    total = np.bincount(inverse.ravel(), np.maximum(log_prob, -1e3).ravel())
    return rows[np.argsort(total / np.bincount(inverse.ravel()), kind="stable")[:count]]


def shrink_images(images: Num[np.ndarray, "k height width channel"]) -> Num[np.ndarray, "k ..."]:
    """Returns images of at most MAX_PIXELS across, by leaving out pixels."""
    step = max(1, -(-max(images.shape[1:3]) // MAX_PIXELS))
    return images[:, ::step, ::step]


def write_examples(folder: Path, examples: Examples) -> None:
    """Writes `examples.npz`."""
    buffer = io.BytesIO()
    codes = {f"codes_{number}": points.astype(np.float32) for number, points in enumerate(examples.codes.values())}
    np.savez_compressed(
        buffer,
        rows=examples.rows,
        labels=examples.labels,
        inputs=examples.inputs,
        feature_names=np.array(examples.feature_names, str),
        code_names=np.array(list(examples.codes), str),
        **codes,  # type: ignore[arg-type]
    )
    write_atomically(folder / EXAMPLES_FILE, buffer.getvalue())


def read_examples(folder: Path | None) -> Examples | None:
    """Returns the examples of a run; None if it has none, or the file is damaged."""
    arrays = read_arrays(folder / EXAMPLES_FILE) if folder else {}
    if not {"rows", "labels", "inputs", "feature_names", "code_names"} <= set(arrays):
        return None
    names = arrays["code_names"].tolist()
    codes = {name: arrays[f"codes_{number}"] for number, name in enumerate(names) if f"codes_{number}" in arrays}
    return Examples(arrays["rows"], arrays["labels"], arrays["inputs"], arrays["feature_names"].tolist(), codes)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Returns the arrays of a file; none if there is no such file, or it is damaged."""
    try:
        with open_archive(path) as readers:
            return {name: read() for name, read in readers.items()}
    except (OSError, InputError):
        return {}


def sprite_sheet(examples: Examples) -> bytes:
    """Returns a PNG with every image in a row below the last one."""
    images = np.asarray(examples.inputs, float)
    low, high = float(np.nanmin(images)), float(np.nanmax(images))
    tall = [tile_images(image[None, None], (low, high)) for image in images]
    sheet = np.round(255 * np.concatenate(tall)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(sheet).save(buffer, format="png", optimize=True)
    return buffer.getvalue()


def describe_row(examples: Examples, position: int) -> str:
    """Returns the columns of a table's row as text."""
    values = np.ravel(examples.inputs[position])[:MAX_COLUMNS]
    names = examples.feature_names or [str(number) for number in range(len(values))]
    more = ", ..." if examples.inputs[position].size > MAX_COLUMNS else ""
    return ", ".join(f"{name} {value:.4g}" for name, value in zip(names, values, strict=False)) + more


class Predictions(NamedTuple):
    """What `scores.npz` has of predictions, by method."""

    predicted: Mapping[str, Int[np.ndarray, "trainings n_test"]]
    log_prob: Mapping[str, Float[np.ndarray, "trainings n_test"]]
    test_index: Int[np.ndarray, "trainings n_test"]
    test_label: Int[np.ndarray, "trainings n_test"]


def read_predictions(scores: Mapping[str, Any]) -> Predictions:
    """Returns the predictions among the arrays of `scores.npz`; of no method in those of earlier versions."""
    if not {"method", "predicted", "log_prob", "test_index", "test_label"} <= set(scores):
        return Predictions({}, {}, np.zeros((0, 0), int), np.zeros((0, 0), int))
    names, shape = scores["method"].tolist(), scores["predicted"].shape[1:]
    index, label = (np.broadcast_to(scores[name], shape) for name in ("test_index", "test_label"))
    predicted, log_prob = (dict(zip(names, scores[name], strict=True)) for name in ("predicted", "log_prob"))
    return Predictions(predicted, log_prob, index, label)
