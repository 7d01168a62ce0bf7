"""Examples and predictions on a page: `examples.npz` of a run, codes in the plane, confusion matrices, worst errors."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Int, Num
from PIL import Image

from aejax.data.archives import open_archive
from aejax.errors import InputError
from aejax.report.image_grids import tile_images
from aejax.report.page.blocks import Charts, Matrices, Matrix, Section, Tile, Tiles
from aejax.report.page.charts import scatter_chart
from aejax.report.results import Results, best_method
from aejax.report.style import CLASS_COLORS, label_text
from aejax.storage.atomic_io import write_atomically

EXAMPLES_FILE = "examples.npz"
MAX_CODES, MAX_WORST = 300, 12  # examples whose codes, and whose errors, are shown
MAX_PIXELS, MAX_COLUMNS = 32, 12  # across an image, and of a table's row
MAX_MATRIX_CLASSES = 20


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
    log_prob: Float[np.ndarray, "*trainings n_test"], test_index: Int[np.ndarray, "*trainings n_test"], count: int
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


def read_predictions(results: Results, scores: Mapping[str, Any]) -> dict[str, pd.DataFrame]:
    """Returns the predictions of the best method that is no control, and of the best control, from `scores.npz`.

    Each has a line for every training and test example: `row` of the data set, `label`, `predicted`, and `log_prob` of
    the label. Scores of earlier versions have none.
    """
    if not {"method", "predicted", "log_prob", "test_index", "test_label"} <= set(scores):
        return {}
    names, shape, predictions = scores["method"].tolist(), scores["predicted"].shape[1:], {}
    for method in (best_method(results, control=control) for control in (False, True)):
        if method is not None and method["name"] in names:
            number = names.index(method["name"])
            columns = {"row": scores["test_index"], "label": scores["test_label"]}
            columns |= {name: scores[name][number] for name in ("predicted", "log_prob")}
            lines = {name: np.broadcast_to(values, shape).ravel() for name, values in columns.items()}
            predictions[method["name"]] = pd.DataFrame(lines)
    return predictions


def class_name(results: Results, label: int) -> str:
    """Returns the name of a class, or its number in results without names."""
    names = results["dataset"].get("class_names") or []
    return str(names[label]) if 0 <= label < len(names) else "no label" if label < 0 else str(label)


def describe_examples(results: Results, examples: Examples) -> list[str]:
    """Returns what each example is: its row of the data set, its class and, of tables, its columns."""
    said = []
    for position, (row, label) in enumerate(zip(examples.rows.tolist(), examples.labels.tolist(), strict=True)):
        columns = "" if examples.are_images else f": {describe_row(examples, position)}"
        said.append(f"row {row}, class {class_name(results, label)}{columns}")
    return said


def codes_section(results: Results, examples: Examples | None) -> Section:
    """Returns the codes of the first test examples of seed 0 in two dimensions."""
    title = "Codes in two dimensions"
    if examples is None or not examples.codes:
        return Section(title, [])
    labels = examples.labels.tolist()
    few = max(labels, default=0) < len(CLASS_COLORS)
    charts = []
    for name, points in examples.codes.items():
        kinds = [f"class-{label}" if few else "class-0" for label in labels[: len(points)]]
        said = f"Codes of {name}, {len(points)} test examples; arrow keys show one after the other"
        charts.append(scatter_chart(name, points, kinds, said))
    caption = (
        f"The first {len(next(iter(examples.codes.values())))} test examples of seed 0, in the first two principal "
        "components of the code, or its two units. Hover, or use the arrow keys, to see an example. Axes have no unit."
    )
    keys = [(f"class-{label}", label_text(class_name(results, label))) for label in sorted(set(labels))] if few else []
    return Section(title, [Charts(charts, caption, keys)])


def confusion_section(results: Results, predictions: Mapping[str, pd.DataFrame]) -> Section:
    """Returns the confusion matrices of the best autoencoder and of the best control, over all trainings."""
    n_classes, matrices = results["dataset"].get("classes") or 0, []
    for method, lines in predictions.items() if 1 < n_classes <= MAX_MATRIX_CLASSES else ():
        counts = np.zeros((n_classes, n_classes), int)
        np.add.at(counts, (lines["label"], lines["predicted"]), 1)
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        names = [label_text(class_name(results, label), 12) for label in range(n_classes)]
        matrices.append(Matrix(method, names, counts.tolist(), shares.tolist()))
    return Section("Confusion matrices", [Matrices(matrices)] if matrices else [])


def worst_section(results: Results, predictions: Mapping[str, pd.DataFrame], examples: Examples | None) -> Section:
    """Returns the errors with the lowest probability of the true class, of the same two methods."""
    tiles = [Tiles(method, _worst_tiles(results, lines, examples)) for method, lines in predictions.items()]
    return Section("The worst errors", [block for block in tiles if block.tiles])


def _worst_tiles(results: Results, predictions: pd.DataFrame, examples: Examples | None) -> list[Tile]:
    positions = {} if examples is None else {int(row): number for number, row in enumerate(examples.rows)}
    tiles: list[Tile] = []
    log_prob, rows = predictions["log_prob"].to_numpy(), predictions["row"].to_numpy()
    for row in hardest_rows(log_prob, rows, MAX_WORST).tolist():
        lines = predictions[rows == row]
        votes = np.bincount(lines["predicted"])
        label, voted = int(lines["label"].iloc[0]), int(votes.argmax())
        if voted == label:
            continue
        probability = float(np.exp(lines["log_prob"]).mean())
        times = f" in {votes.max()} of {votes.sum()} trainings" if votes.sum() > 1 else ""
        said = (
            f"row {row}: {class_name(results, label)}, taken for {class_name(results, voted)}{times}; "
            f"probability of its class {probability:.2g}"
        )
        position = positions.get(row)
        if examples is not None and position is not None and not examples.are_images:
            said, position = f"{said}. {describe_row(examples, position)}", None
        tiles.append(Tile(position, said))
    return tiles
