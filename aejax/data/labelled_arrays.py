"""Makes a `Dataset` of arrays with labels and official splits, and records how they were understood."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int, Shaped

from aejax.config import DataConfig
from aejax.data.dataset import Dataset, make_dataset
from aejax.data.description import DataDescription
from aejax.data.image_layout import arrange_images
from aejax.data.images import EncodedImage, decode_images
from aejax.data.label_encoding import find_marked
from aejax.data.memory import require_host_memory
from aejax.errors import InputError, require

NO_TEST_NOTE = "no test files: test rows are drawn from the training files"


class LabelledArrays(NamedTuple):
    """Inputs and labels of one split as a file holds them."""

    inputs: Shaped[np.ndarray, "n ..."]
    labels: Shaped[np.ndarray, "n ..."]
    names: tuple[str, str]  # of the two arrays, for messages


class ArraySplits(NamedTuple):
    """What a file or folder of arrays holds."""

    source: str  # for messages
    train: LabelledArrays
    validation: LabelledArrays | None = None
    test: LabelledArrays | None = None
    notes: tuple[str, ...] = ()
    label_source: str | None = None  # for the description; default: the array of the training labels
    class_names: tuple[str, ...] | None = None  # of labels 0, 1, ..., of which some may not occur
    feature_names: tuple[str, ...] | None = None  # of the columns of inputs `(n, d)`
    test_rows: Int[np.ndarray, " n_test"] | None = None  # of the training rows, where they hold the test set, too
    groups: Int[np.ndarray, " n"] | None = None  # of the rows of all splits, see `dataset_from_splits`


def dataset_from_splits(splits: ArraySplits, config: DataConfig, name: str) -> Dataset:
    """Returns the training rows, then the validation rows, then the official test rows as one dataset.

    Args:
        splits: the arrays.
        config: `layout`, `image_shape` and `unlabelled` are used.
        name: the dataset's name in results.

    Raises:
        InputError: arrays do not match, or cannot be understood.
    """
    parts = [part for part in (splits.train, splits.validation, splits.test) if part]
    for part in parts:
        _require_equal_lengths(part, splits.source)
    flat = [flatten_labels(part.labels, f"{splits.source}: {part.names[1]}") for part in parts]
    sizes = [len(part.inputs) for part in parts]
    require_host_memory(sum(part.inputs.nbytes for part in parts[1:]), f"{splits.source}: all splits together")
    labels = _concatenate([labels for labels, _ in flat], [part.names[1] for part in parts], splits.source, "biuf")
    # uint8 images would lose their range among floats.
    inputs = _concatenate([part.inputs for part in parts], [part.names[0] for part in parts], splits.source, "f")
    images = arrange_images(inputs, config.layout, config.image_shape, splits.source)
    notes = [*splits.notes, *images.notes, *dict.fromkeys(note for _, note in flat if note)]
    if splits.validation:
        notes.append(f"the {len(splits.validation.labels)} validation rows join the training rows")
    n, mark = sum(sizes), config.unlabelled
    unlabelled = np.zeros(n, bool)
    if mark is not None and labels.ndim == 1:  # `make_dataset` rejects others
        unlabelled = find_marked(labels, mark)
        require(unlabelled.any(), f"--unlabelled {mark}: no row of {splits.source} has this label; leave it out")
        notes.append(f"{np.count_nonzero(unlabelled)} rows with label {mark} have no label")
    label_source = splits.label_source or f"array {splits.train.names[1]!r}"
    return make_dataset(
        name,
        images.inputs,
        labels,
        source=splits.source,
        value_range=images.value_range,
        test_rows=np.arange(n - sizes[-1], n) if splits.test else splits.test_rows,
        class_names=None
        if splits.class_names is None
        else [splits.class_names[i] for i in np.unique(labels[~unlabelled])],
        feature_names=splits.feature_names if inputs.ndim == 2 else None,
        unlabelled=unlabelled,
        groups=splits.groups,
        description=DataDescription(label_source=label_source, layout=images.layout, notes=tuple(notes)),
    )


def flatten_labels(labels: Shaped[np.ndarray, "n ..."], source: str) -> tuple[np.ndarray, str | None]:
    """Returns labels `(n,)` of a column or of one-hot rows and a note of this; other labels stay as they are."""
    if labels.ndim < 2 or len(labels) == 0:
        return labels, None
    if all(size == 1 for size in labels.shape[1:]):
        return labels.reshape(-1), f"labels {labels.shape} flattened"
    ones = labels == 1
    if labels.ndim > 2 or labels.dtype.kind not in "biuf" or not (ones | (labels == 0)).all():
        return labels, None
    per_row = ones.sum(axis=1)
    row = int(np.argmax(per_row != 1))
    require(
        (per_row == 1).all(),
        f"{source}: labels of shape {labels.shape} have {per_row[row]} classes in row {row}; expected one class for "
        "each row; choose a column, --label-column 0",
    )
    return ones.argmax(axis=1), f"one-hot labels {labels.shape} taken as classes 0 to {labels.shape[1] - 1}"


def add_test_file(splits: ArraySplits, other: ArraySplits) -> ArraySplits:
    """Returns `splits` with the rows of another file (`--test`) as the official test rows.

    The other file may name its only pair as it likes; of several splits its test split is taken.
    """
    require(
        splits.test is None,
        f"--test {other.source}: {splits.source} holds an official test split already; leave --test out",
    )
    require(
        other.validation is None,
        f"--test {other.source}: holds a validation split, too; give a file with the test rows alone",
    )
    test = other.test or other.train
    notes = (*splits.notes, f"test rows from {other.source}", *other.notes)
    return splits._replace(test=test, notes=tuple(note for note in notes if note != NO_TEST_NOTE))


def decode_splits(
    encoded: Mapping[str, Sequence[EncodedImage]], source: str, image_size: int | None
) -> dict[str, np.ndarray]:
    """Returns the decoded images of every split, of one shape; see `decode_images`."""
    decoded = decode_images([image for images in encoded.values() for image in images], source, image_size)
    ends = np.cumsum([len(images) for images in encoded.values()])
    return dict(zip(encoded, np.split(decoded, ends[:-1]), strict=True))


def _require_equal_lengths(part: LabelledArrays, source: str) -> None:
    (input_name, label_name), inputs, labels = part.names, part.inputs, part.labels
    equal = inputs.ndim >= 1 and labels.ndim >= 1 and len(inputs) == len(labels)
    transposed = not equal and inputs.ndim == 2 and inputs.shape[1:] == labels.shape[:1]
    hint = f"; is it one column for each example? save {input_name}.T" if transposed else ""
    require(
        equal,
        f"{source}: {input_name} has shape {inputs.shape} and {label_name} {labels.shape}; expected one label for each "
        f"row of inputs{hint}",
    )


def _concatenate(arrays: list[np.ndarray], names: list[str], source: str, mixable: str) -> np.ndarray:
    """Returns all splits in one array; dtypes may differ among the kinds in `mixable` and in the width of text."""
    first = arrays[0]
    kinds = set(mixable) if first.dtype.kind in mixable else {first.dtype.kind} & set("SU")
    for array, name in zip(arrays[1:], names[1:], strict=True):
        compatible = {array.dtype.kind, first.dtype.kind} <= kinds or array.dtype == first.dtype
        if array.shape[1:] != first.shape[1:] or not compatible:
            raise InputError(
                f"{source}: {names[0]} is {first.dtype} of shape {first.shape}, {name} {array.dtype} of {array.shape}; "
                "expected one dtype and one shape of example"
            )
    return first if len(arrays) == 1 else np.concatenate(arrays)
