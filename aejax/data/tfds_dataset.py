"""Any labelled set of tensorflow-datasets as a `Dataset`."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from aejax.data.dataset import Dataset, make_dataset
from aejax.data.images import EncodedImage, decode_images
from aejax.data.memory import require_host_memory
from aejax.data.tfds_builder import (
    TFDS_NAME,
    download_and_prepare,
    find_prepared_builder,
    import_tfds,
    read_blocks,
    silence_tfds,
    tfds_data_dir,
)
from aejax.data.tfds_features import FeatureColumn, FeatureSelection, select_features
from aejax.errors import require

TRAIN_SPLIT = "train"
TEST_SPLITS = ("test", "validation")  # the first that a set has is the official test


def load_tfds(
    name: str,
    data_dir: Path | None = None,
    *,
    label: str | None = None,
    image_size: int | None = None,
    preparers: Mapping[str, Callable[[Path], object]] | None = None,
) -> Dataset:
    """A TFDS set that is prepared in `data_dir`, or that TFDS can prepare there now.

    Rows are those of the split `train`, then those of `test`, or of `validation` where there is no `test`, as the
    official test; other splits are left alone. A set without `train` must have one split only, and no official test.
    Records keep their order on disk, which TFDS has shuffled, always in the same way. Images are `(n, height, width,
    channels)` uint8, as `decode` has them; numbers are flat, unless they are one feature with a shape of its own.

    Args:
        name: NAME, NAME/CONFIG, NAME:VERSION or NAME/CONFIG:VERSION.
        data_dir: TFDS's root folder; None: TFDS's own.
        label: the feature that says the class; None: the set's own word, else its only class feature.
        image_size: resize images to this many pixels square; None: they must have one size.
        preparers: for some names, what prepares the set into a root folder instead of TFDS's own code.

    Raises:
        InputError: there is no such set, it cannot be prepared or read here, or has no class or no plain inputs.
    """
    asked = f"--dataset tfds:{name}"
    require(
        TFDS_NAME.fullmatch(name), f"{asked}: not a name; expected tfds:NAME, tfds:NAME/CONFIG or tfds:NAME:VERSION"
    )
    tfds = import_tfds(asked)
    root = tfds_data_dir(tfds, data_dir)
    builder = find_prepared_builder(tfds, name, root)
    if builder is None and preparers and name in preparers:
        preparers[name](root)
        builder = find_prepared_builder(tfds, name, root)
    return read_prepared(
        tfds, builder or download_and_prepare(tfds, name, root), name, label=label, image_size=image_size
    )


def read_prepared(
    tfds: Any, builder: Any, name: str, *, label: str | None = None, image_size: int | None = None
) -> Dataset:
    """The set of a builder whose files are there; see `load_tfds`."""
    source = f"tfds:{name}"
    choice = select_features(tfds.features, builder.info, label, source)
    splits = select_splits(builder.info.splits, source)
    resizable = image_size is None or choice.image
    require(resizable, f"--image-size {image_size}: {source} holds no encoded images; leave it out")
    with silence_tfds():
        if choice.image:
            pictures, labels = _read_encoded_images(tfds, builder, choice, splits, source)
            inputs = decode_images(pictures, source, image_size)
        else:
            inputs, labels = _read_numbers(tfds, builder, choice, splits, source)
    counts = [builder.info.splits[split].num_examples for split in splits]
    return make_dataset(
        name,
        inputs,
        labels,
        source=source,
        value_range=(0.0, 255.0) if inputs.dtype == np.uint8 and inputs.ndim == 4 else None,
        test_rows=np.arange(counts[0], sum(counts)) if len(counts) == 2 else None,
        class_names=_present_class_names(labels, choice.class_names, source),
        feature_names=[name for column in choice.columns for name in column.names] if inputs.ndim == 2 else None,
    )


def select_splits(available: Mapping[str, Any], source: str) -> list[str]:
    """The split to learn from and, where there is one, the split to be judged by."""
    filled = [name for name, split in available.items() if split.num_examples]
    if TRAIN_SPLIT not in filled:
        require(len(filled) == 1, f"{source}: has splits {', '.join(filled) or '(none)'}; expected one called train")
        return filled
    return [TRAIN_SPLIT, *[test for test in TEST_SPLITS if test in filled][:1]]


def _read_encoded_images(
    tfds: Any, builder: Any, choice: FeatureSelection, splits: list[str], source: str
) -> tuple[list[EncodedImage], np.ndarray]:
    """Encoded images and their labels `(n,)`."""
    stored = sum(builder.info.splits[split].num_bytes for split in splits)
    require_host_memory(stored, f"{source}: its files")
    image, label = choice.image, choice.label
    assert image is not None
    pictures: list[EncodedImage] = []
    labels: list[Any] = []
    for split in splits:
        for block in read_blocks(tfds, builder, split, (image, label), (image,)):
            first = len(pictures)
            pictures += [
                EncodedImage(f"{source}: image {first + row}", record[image]) for row, record in enumerate(block)
            ]
            labels += [record[label] for record in block]
    return pictures, np.array(labels)


def _read_numbers(
    tfds: Any, builder: Any, choice: FeatureSelection, splits: list[str], source: str
) -> tuple[np.ndarray, np.ndarray]:
    """The columns side by side in a dtype that holds them all, and the labels `(n,)`; one column keeps its shape."""
    columns = choice.columns
    shape = columns[0].shape if len(columns) == 1 and columns[0].shape else (-1,)
    n = sum(builder.info.splits[split].num_examples for split in splits)
    width = sum(column.size for column in columns)
    dtype = np.result_type(*(column.dtype for column in columns))
    require_host_memory(n * width * dtype.itemsize, f"{source}: {n} rows of {width} numbers")
    top = tuple(dict.fromkeys(column.path[0] for column in columns))
    blocks, labels = [], []
    for split in splits:
        for block in read_blocks(tfds, builder, split, (*top, choice.label), ()):
            blocks.append(concatenate_columns(block, columns, dtype).reshape(len(block), *shape))
            labels += [record[choice.label] for record in block]
    return np.concatenate(blocks), np.array(labels)


def concatenate_columns(block: list[dict[str, Any]], columns: Sequence[FeatureColumn], dtype: np.dtype) -> np.ndarray:
    """The columns of some records side by side, `(records, numbers)`."""
    parts = [_stack_feature(block, column.path).reshape(len(block), -1) for column in columns]
    return np.concatenate(parts, axis=1, dtype=dtype)


def _stack_feature(block: list[dict[str, Any]], path: tuple[str, ...]) -> np.ndarray:
    """One feature of every record of a block."""
    values: list[Any] = block
    for name in path:
        values = [value[name] for value in values]
    return np.stack(values)


def _present_class_names(labels: np.ndarray, class_names: tuple[str, ...] | None, source: str) -> list[str] | None:
    """The names of the classes that occur; TFDS writes -1 where a label is not known."""
    if class_names is None:
        return None
    unknown = np.count_nonzero(labels < 0)
    require(unknown == 0, f"{source}: {unknown} of {len(labels)} records have no label; expected one class for each")
    require(
        labels.max() < len(class_names),
        f"{source}: damaged (label {labels.max()}, and names for {len(class_names)} classes); delete its folder to "
        "prepare it again",
    )
    return [class_names[label] for label in np.unique(labels)]
