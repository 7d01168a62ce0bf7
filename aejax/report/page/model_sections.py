"""Sections about trained models: learning curves, reconstructions, codes, confusion matrices and the worst errors."""

from pathlib import Path

import numpy as np

from aejax.report.examples import MAX_WORST, Examples, Predictions, describe_row, hardest_rows
from aejax.report.page.blocks import Charts, Matrices, Matrix, Section, Tile, Tiles, read_pictures
from aejax.report.page.charts import scatter_chart
from aejax.report.results import Results, best_method
from aejax.report.style import CLASS_COLORS, label_text

MAX_MATRIX_CLASSES = 20
PICTURES = {  # of a run folder, by section
    "Learning curves": {
        "learning_curves.png": "Loss by epoch, on a scale of its own: mean over seeds in a band from the lowest to the "
        "highest seed"
    },
    "Reconstructions and samples": {
        "reconstructions.png": "Originals and their reconstructions by every autoencoder, seed 0",
        "samples.png": "Decoded draws from the prior of every variational autoencoder, seed 0, below test examples",
    },
}


def picture_sections(folder: Path | None) -> list[Section]:
    """Returns the pictures of learning curves, reconstructions and samples."""
    return [Section(title, read_pictures(folder, captions)) for title, captions in PICTURES.items()]


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


def _shown_first(results: Results, predictions: Predictions) -> list[str]:
    """Returns the best method that is no control, and the best control, if their predictions are known."""
    best = [best_method(results, control=control) for control in (False, True)]
    return [method["name"] for method in best if method is not None and method["name"] in predictions.predicted]


def confusion_section(results: Results, predictions: Predictions) -> Section:
    """Returns the confusion matrices of the best autoencoder and of the best control, over all trainings."""
    n_classes, matrices = results["dataset"].get("classes") or 0, []
    for method in _shown_first(results, predictions) if 1 < n_classes <= MAX_MATRIX_CLASSES else ():
        counts = np.zeros((n_classes, n_classes), int)
        np.add.at(counts, (predictions.test_label, predictions.predicted[method]), 1)
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        names = [label_text(class_name(results, label), 12) for label in range(n_classes)]
        matrices.append(Matrix(method, names, counts.tolist(), shares.tolist()))
    return Section("Confusion matrices", [Matrices(matrices)] if matrices else [])


def worst_section(results: Results, predictions: Predictions, examples: Examples | None) -> Section:
    """Returns the errors with the lowest probability of the true class, of the same two methods."""
    methods = _shown_first(results, predictions)
    tiles = [Tiles(method, _worst_tiles(results, method, predictions, examples)) for method in methods]
    return Section("The worst errors", [block for block in tiles if block.tiles])


def _worst_tiles(results: Results, method: str, predictions: Predictions, examples: Examples | None) -> list[Tile]:
    positions = {} if examples is None else {int(row): number for number, row in enumerate(examples.rows)}
    tiles: list[Tile] = []
    for row in hardest_rows(predictions.log_prob[method], predictions.test_index, MAX_WORST).tolist():
        where = predictions.test_index == row
        votes = np.bincount(predictions.predicted[method][where])
        label, voted = int(predictions.test_label[where][0]), int(votes.argmax())
        if voted == label:
            continue
        probability = float(np.exp(predictions.log_prob[method][where]).mean())
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
