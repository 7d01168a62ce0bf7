"""Reads `.npz` archives of inputs and labels, which are found by the names of the arrays."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from aejax.data.archives import open_archive
from aejax.data.array_names import ArrayNames, choose_arrays
from aejax.data.labelled_arrays import ArraySplits, LabelledArrays
from aejax.errors import list_names, require


def read_npz(path: Path, label_column: str | None = None) -> ArraySplits:
    """Returns the inputs, labels and splits of an archive, which `choose_arrays` finds by name.

    Raises:
        InputError: the file is damaged or needs pickle, or its arrays have other names.
    """
    with open_archive(path) as readers:
        chosen = choose_arrays(list(readers), str(path), label_column)
        return splits_of({name: readers[name]() for name in chosen.array_names}, chosen, str(path))


def splits_of(arrays: Mapping[str, np.ndarray], chosen: ArrayNames, source: str) -> ArraySplits:
    """Returns the chosen arrays by split, with a note of those that are not used."""
    train, validation, test = (
        LabelledArrays(arrays[pair.inputs], _select_column(arrays[pair.labels], chosen.label_index, source), pair)
        if pair
        else None
        for pair in (chosen.train, chosen.validation, chosen.test)
    )
    assert train is not None
    notes = (f"arrays not used: {list_names(chosen.unused)}",) if chosen.unused else ()
    if chosen.label_index is not None:
        notes = (*notes, f"labels are column {chosen.label_index} of {chosen.train.labels}")
    return ArraySplits(source, train, validation, test, notes)


def _select_column(labels: np.ndarray, index: int | None, source: str) -> np.ndarray:
    """Returns the labels, or one column of them."""
    if index is None:
        return labels
    require(
        labels.ndim == 2 and -labels.shape[1] <= index < labels.shape[1],
        f"{source}: labels have shape {labels.shape}; expected a column {index} for --label-column",
    )
    return labels[:, index]
