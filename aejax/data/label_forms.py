"""Converts the forms in which arrays store labels, a column or one-hot rows, to one label for each row."""

import numpy as np
from jaxtyping import Shaped

from aejax.errors import require


def flatten_labels(labels: Shaped[np.ndarray, "n ..."], source: str) -> tuple[np.ndarray, str | None]:
    """Returns labels `(n,)` and a note of what was converted; other shapes than `(n, k)` stay as they are.

    Raises:
        InputError: `(n, k)` labels are not one-hot: several classes or none in a row, or probabilities.
    """
    if labels.ndim < 2 or len(labels) == 0:
        return labels, None
    if all(size == 1 for size in labels.shape[1:]):
        return labels.reshape(-1), f"labels {labels.shape} flattened"
    if labels.ndim != 2 or labels.dtype.kind not in "biuf":
        return labels, None
    ones = labels == 1
    if (ones | (labels == 0)).all():
        per_row = ones.sum(axis=1)
        row = int(np.argmax(per_row != 1))
        require(
            (per_row == 1).all(),
            f"{source}: labels of shape {labels.shape} have {per_row[row]} classes in row {row}; expected one "
            "class for each row (several labels for a row are not supported); choose a column, --label-column 0",
        )
        return ones.argmax(axis=1), f"one-hot labels {labels.shape} taken as classes 0 to {labels.shape[1] - 1}"
    return labels, None
