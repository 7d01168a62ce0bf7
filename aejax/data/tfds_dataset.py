"""Loads labelled sets of tensorflow-datasets (TFDS) into memory."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from aejax.data.dataset import Dataset, make_dataset
from aejax.data.images import EncodedImage, decode_images
from aejax.data.memory import require_host_memory
from aejax.data.tfds_builder import (
    Preparers,
    download_and_prepare,
    find_prepared_builder,
    read_blocks,
    silence_tfds,
    tfds_data_dir,
)
from aejax.data.tfds_features import FeatureSelection, select_features
from aejax.errors import require

TRAIN_SPLIT = "train"
TEST_SPLITS = ("test", "validation")  # the first that a set has is the official test split


class PreparedSet(NamedTuple):
    """A prepared TFDS set, and what is read of it."""

    builder: Any
    source: str  # its name in error messages
    selection: FeatureSelection
    splits: list[str]  # the training split and, if there is one, the official test split


def load_tfds(
    name: str,
    data_dir: Path | None = None,
    *,
    label: str | None = None,
    image_size: int | None = None,
    preparers: Preparers | None = None,
) -> Dataset:
    """Loads a TFDS set that is prepared in `data_dir`, or that TFDS can prepare there.

    Rows are those of the split `train`, then those of `test`, or of `validation` if there is no `test`, as the official
    test split; other splits are ignored. A set without `train` must have a single split. Records keep their order on
    disk, which TFDS has shuffled deterministically. Images are `(n, height, width, channels)` uint8, see
    `decode_images`; numeric features are concatenated, and a single one keeps its shape.

    Args:
        name: NAME, NAME/CONFIG, NAME:VERSION or NAME/CONFIG:VERSION.
        data_dir: TFDS's root folder; None: TFDS's own.
        label: the label feature; None: the set's own, see `select_features`.
        image_size: resizes images to this height and width; None: they must have one size.
        preparers: functions that replace TFDS's own code for preparing some sets into a root folder.

    Raises:
        InputError: the set does not exist, cannot be prepared or read, or has no class label or no suitable inputs.
    """
    root = tfds_data_dir(data_dir)
    builder = find_prepared_builder(name, root, preparers) or download_and_prepare(name, root)
    return read_prepared(builder, name, label=label, image_size=image_size)


def read_prepared(builder: Any, name: str, *, label: str | None = None, image_size: int | None = None) -> Dataset:
    """Loads the set of a builder whose files are prepared; see `load_tfds`."""
    prepared = describe_prepared(builder, name, label, image_size)
    selection, infos = prepared.selection, [builder.info.splits[split] for split in prepared.splits]
    with silence_tfds():
        if selection.image:
            require_host_memory(sum(info.num_bytes for info in infos), f"{prepared.source}: its files")
            images, labels = _read_encoded_images(prepared)
            inputs = decode_images(images, prepared.source, image_size)
        else:
            n, width = sum(info.num_examples for info in infos), int(np.prod(selection.numbers_shape))
            size = n * width * selection.numbers_dtype.itemsize
            require_host_memory(size, f"{prepared.source}: {n} rows of {width} numbers")
            inputs, labels = _read_numbers(prepared)
    counts = [info.num_examples for info in infos]
    return make_dataset(
        name,
        inputs,
        labels,
        source=prepared.source,
        value_range=(0.0, 255.0) if inputs.dtype == np.uint8 and inputs.ndim == 4 else None,
        test_rows=np.arange(counts[0], sum(counts)) if len(counts) == 2 else None,
        class_names=_present_class_names(labels, selection.class_names, prepared.source),
        feature_names=[name for column in selection.columns for name in column.names] if inputs.ndim == 2 else None,
    )


def describe_prepared(builder: Any, name: str, label: str | None, image_size: int | None) -> PreparedSet:
    """Selects the features and splits to read.

    Raises:
        InputError: there is no suitable label, input or split, or `image_size` is given for a set without images.
    """
    source = f"tfds:{name}"
    selection = select_features(builder.info, label, source)
    require(
        image_size is None or selection.image,
        f"--image-size {image_size}: {source} holds no encoded images; leave it out",
    )
    return PreparedSet(builder, source, selection, _select_splits(builder.info.splits, source))


def _select_splits(available: Mapping[str, Any], source: str) -> list[str]:
    """Returns the training split and, if there is one, the official test split."""
    names = [name for name, split in available.items() if split.num_examples]
    if TRAIN_SPLIT not in names:
        require(len(names) == 1, f"{source}: has splits {', '.join(names) or '(none)'}; expected one called train")
        return names
    return [TRAIN_SPLIT, *[test for test in TEST_SPLITS if test in names][:1]]


def _read_encoded_images(prepared: PreparedSet) -> tuple[list[EncodedImage], np.ndarray]:
    """Returns encoded images and their labels `(n,)`."""
    image, label = prepared.selection.image, prepared.selection.label
    assert image is not None
    contents, labels = [], []
    for split in prepared.splits:
        for block in read_blocks(prepared.builder, split, (image, label), (image,)):
            contents += [record[image] for record in block]
            labels += [record[label] for record in block]
    images = [EncodedImage(f"{prepared.source}: image {row}", content) for row, content in enumerate(contents)]
    return images, np.array(labels)


def _read_numbers(prepared: PreparedSet) -> tuple[np.ndarray, np.ndarray]:
    """Returns numeric inputs and their labels `(n,)`."""
    selection, blocks, labels = prepared.selection, [], []
    for split in prepared.splits:
        for block in read_blocks(prepared.builder, split, (*selection.input_names, selection.label)):
            blocks.append(selection.concatenate(block))
            labels += [record[selection.label] for record in block]
    return np.concatenate(blocks), np.array(labels)


def _present_class_names(labels: np.ndarray, class_names: tuple[str, ...] | None, source: str) -> list[str] | None:
    """Returns the names of the classes that occur; TFDS stores -1 for an unknown label."""
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
