"""Arrays in memory as a source, for a dataset that is streamed although it would not need to be."""

import numpy as np
from jaxtyping import Int, Shaped

from aejax.data.dataset import Dataset


class ArraySource:
    """Some rows of a dataset."""

    has_labels = True
    is_encoded = False

    def __init__(self, dataset: Dataset, rows: Int[np.ndarray, " k"]) -> None:
        self._inputs, self._labels = dataset.inputs[rows], dataset.labels[rows]
        self.name, self.n_examples, self.nbytes = dataset.name, len(rows), self._inputs.nbytes
        self.example_shape, self.dtype = dataset.example_shape, dataset.inputs.dtype
        self.value_range: tuple[float, float] | None = dataset.value_range
        self.class_names: tuple[str, ...] | None = dataset.class_names

    def read(self, rows: Int[np.ndarray, " k"]) -> Shaped[np.ndarray, "k *shape"]:
        """Returns examples, as `DataSource.read`."""
        return self._inputs[rows]

    def read_labels(self, rows: Int[np.ndarray, " k"]) -> Shaped[np.ndarray, " k"]:
        """Returns labels, as `DataSource.read_labels`."""
        return self._labels[rows]

    def describe_row(self, row: int) -> str:
        """Returns the dataset and the row."""
        return f"{self.name}: row {row}"
