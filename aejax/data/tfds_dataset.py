"""Loads labelled sets of tensorflow-datasets (TFDS) into memory."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, SupportsInt

import numpy as np
from tensorflow_datasets import features as feature_types

from aejax.config import DataConfig
from aejax.data.dataset import Dataset
from aejax.data.images import EncodedImage
from aejax.data.labelled_arrays import ArraySplits, LabelledArrays, dataset_from_splits, decode_splits
from aejax.data.memory import require_host_memory
from aejax.data.packages import tfds_data_dir
from aejax.data.tfds_records import open_builder, read_blocks, silence_tfds
from aejax.errors import list_names, require

TEST_SPLITS = ("test", "validation")  # the first that a set has is the official test split


class PreparedSet(NamedTuple):
    """What is read of a prepared TFDS set: a label, and either one encoded image or numeric columns."""

    builder: Any
    source: str  # its name in error messages
    splits: list[str]  # the training split and, if there is one, the official test split
    label: str
    class_names: tuple[str, ...] | None  # of labels 0, 1, ...; None if the labels are their own names
    image: str | None
    columns: dict[tuple[str, ...], Any]  # numeric features by their keys in nested records

    @property
    def input_names(self) -> tuple[str, ...]:
        """Top-level names of the inputs."""
        return (self.image,) if self.image else tuple(dict.fromkeys(path[0] for path in self.columns))

    @property
    def numbers_shape(self) -> tuple[int, ...]:
        """Shape of the numeric columns of one example; a single column keeps its own shape."""
        shapes = [tuple(feature.shape) for feature in self.columns.values()]
        return (shapes[0] if len(shapes) == 1 else ()) or (sum(int(np.prod(shape)) for shape in shapes),)

    @property
    def numbers_dtype(self) -> np.dtype:
        """The dtype that represents all numeric columns."""
        return np.result_type(*(np.dtype(feature.np_dtype) for feature in self.columns.values()))

    @property
    def names(self) -> list[str]:
        """Names of the numbers of one example."""
        sizes = {"/".join(path): int(np.prod(feature.shape)) for path, feature in self.columns.items()}
        return [name if size == 1 else f"{name}[{i}]" for name, size in sizes.items() for i in range(size)]

    def concatenate(self, records: list[dict[Any, Any]]) -> np.ndarray:
        """Returns the numeric columns of some records side by side, `(len(records), *numbers_shape)`."""
        parts = []
        for path in self.columns:
            values: list[Any] = records
            for name in path:
                values = [value[name] for value in values]
            parts.append(np.stack(values).reshape(len(records), -1))
        return np.concatenate(parts, axis=1, dtype=self.numbers_dtype).reshape(len(records), *self.numbers_shape)

    def describe_record(self, split: str, row: int) -> str:
        """Returns the name of a record for messages."""
        return f"{self.source}: record {row} of {split}"

    def encoded_images(
        self, records: list[dict[Any, Any]], split: str, rows: Iterable[SupportsInt]
    ) -> list[EncodedImage]:
        """Returns the images of some records, whose numbers are `rows`."""
        numbered = zip(records, rows, strict=True)
        return [EncodedImage(self.describe_record(split, int(row)), record[self.image]) for record, row in numbered]


def load_tfds(
    name: str, data_dir: Path | None = None, *, label: str | None = None, image_size: int | None = None
) -> Dataset:
    """Loads a TFDS set that is prepared in `data_dir`, or that TFDS can prepare there.

    Rows are those of the split `train`, then those of `test`, or of `validation` if there is no `test`, as the official
    test split; other splits are ignored. A set without `train` must have a single split. Records keep their order on
    disk, which TFDS has shuffled deterministically. Images are `(n, height, width, channels)` uint8, see
    `decode_images`; numeric features are concatenated, and a single one keeps its shape.

    Args:
        name: NAME, NAME/CONFIG, NAME:VERSION or NAME/CONFIG:VERSION.
        data_dir: TFDS's root folder; None: TFDS's own.
        label: the label feature; None: the set's own, see `describe_prepared`.
        image_size: resizes images to this height and width; None: they must have one size.

    Raises:
        InputError: the set does not exist, cannot be prepared or read, or has no class label or no suitable inputs.
    """
    builder = open_builder(name, tfds_data_dir(data_dir))
    splits = _read_splits(describe_prepared(builder, name, label, image_size), image_size)
    layout: Literal["auto", "channels-last"] = "channels-last" if splits.train.inputs.ndim == 4 else "auto"
    return dataset_from_splits(splits, DataConfig(layout=layout), name)


def _read_splits(prepared: PreparedSet, image_size: int | None) -> ArraySplits:
    """Returns the examples and labels of all splits."""
    source, label, available = prepared.source, prepared.label, prepared.builder.info.splits
    infos = [available[split] for split in prepared.splits]
    row_bytes = 0 if prepared.image else int(np.prod(prepared.numbers_shape)) * prepared.numbers_dtype.itemsize
    size = sum(info.num_bytes if prepared.image else info.num_examples * row_bytes for info in infos)
    require_host_memory(size, f"{source}: its examples")
    with silence_tfds():
        read = {split: _read_split(prepared, split) for split in prepared.splits}
    inputs: Any = {split: examples for split, (examples, _) in read.items()}
    if prepared.image:
        inputs = decode_splits(inputs, source, image_size)
    labels = {split: values for split, (_, values) in read.items()}
    _require_classes(np.concatenate(list(labels.values())), prepared.class_names, source)
    train, *test = (LabelledArrays(inputs[s], labels[s], (f"{s} examples", f"{s} {label}")) for s in prepared.splits)
    unused = [split for split in available if split not in prepared.splits]
    return ArraySplits(
        source,
        train,
        test=test[0] if test else None,
        notes=(f"splits not used: {list_names(unused)}",) if unused else (),
        label_source=f"feature {label!r}",
        class_names=prepared.class_names,
        feature_names=None if prepared.image else tuple(prepared.names),
    )


def _read_split(prepared: PreparedSet, split: str) -> tuple[Any, np.ndarray]:
    """Returns the encoded images or numbers of a split, and its labels `(n,)`."""
    inputs: list[Any] = []
    labels: list[Any] = []
    for block in read_blocks(prepared.builder, split, (*prepared.input_names, prepared.label)):
        rows = range(len(labels), len(labels) + len(block))
        inputs += prepared.encoded_images(block, split, rows) if prepared.image else [prepared.concatenate(block)]
        labels += [record[prepared.label] for record in block]
    return inputs if prepared.image else np.concatenate(inputs), np.array(labels)


def _require_classes(labels: np.ndarray, class_names: tuple[str, ...] | None, source: str) -> None:
    """Raises InputError for labels without a name; TFDS stores -1 for an unknown label."""
    if class_names is not None:
        unknown = labels[(labels < 0) | (labels >= len(class_names))]
        require(
            not unknown.size,
            f"{source}: {unknown.size} of {len(labels)} records have no label, such as {unknown[:1]}; expected one of "
            f"{len(class_names)} classes for each",
        )


def describe_prepared(builder: Any, name: str, label: str | None, image_size: int | None) -> PreparedSet:
    """Selects the features and splits to read.

    The label is `label`, else that of the set's supervised keys, else the only `ClassLabel`. Inputs are those of the
    supervised keys, else the only image, else all features except the label.

    Raises:
        InputError: the label is ambiguous, the inputs are neither one image nor numbers of fixed shape, there is no
            training split, or `image_size` is given for a set without images.
    """
    source, info = f"tfds:{name}", builder.info
    require(
        isinstance(info.features, feature_types.FeaturesDict), f"{source}: its records are not made of named features"
    )
    features = dict(sorted(info.features.items()))  # TFDS's own order differs between processes
    input_keys, label_key = info.supervised_keys if info.supervised_keys else ((), ())
    label = _select_label(features, label or next(_flatten_keys(label_key), None), source)
    classes = features[label]
    named = isinstance(classes, feature_types.ClassLabel) and classes.num_classes
    keys = [key for key in _flatten_keys(input_keys) if key in features and key != label]
    images = [key for key, feature in features.items() if isinstance(feature, feature_types.Image) and key != label]
    inputs = keys or images or [key for key in features if key != label]
    image, columns = None, {}
    if inputs and isinstance(features[inputs[0]], feature_types.Image):
        image, dtype = inputs[0], np.dtype(features[inputs[0]].np_dtype)
        require(len(inputs) == 1, f"{source}: its inputs are {' and '.join(inputs)}; expected one image")
        require(dtype == np.uint8, f"{source}: {image} has {dtype} pixels; expected uint8; give them as an .npz file")
    else:
        columns = dict(_numbers({key: features[key] for key in inputs}, (), source))
        require(columns, f"{source}: has no features besides {label}; expected images or numbers")
        require(image_size is None, f"--image-size {image_size}: {source} holds no encoded images; leave it out")
    splits = _select_splits(info.splits, source)
    return PreparedSet(builder, source, splits, label, tuple(classes.names) if named else None, image, columns)


def _select_splits(available: Mapping[str, Any], source: str) -> list[str]:
    """Returns the training split and, if there is one, the official test split."""
    names = [name for name, split in available.items() if split.num_examples]
    if "train" not in names:
        require(len(names) == 1, f"{source}: has splits {', '.join(names) or '(none)'}; expected one called train")
        return names
    return ["train", *[test for test in TEST_SPLITS if test in names][:1]]


def _flatten_keys(keys: Any) -> Iterator[str]:
    """Yields the names in supervised keys, which may be a name, a tuple or a dict."""
    if isinstance(keys, str):
        yield keys
        return
    for key in keys.values() if isinstance(keys, Mapping) else keys:
        yield from _flatten_keys(key)


def _select_label(features: dict[str, Any], label: str | None, source: str) -> str:
    classes = [name for name, feature in features.items() if isinstance(feature, feature_types.ClassLabel)]
    listed = f"expected one of {', '.join(features)}"
    if label is None:
        require(len(classes) == 1, f"{source}: does not say which feature is the label; give --label-column, {listed}")
        return classes[0]
    require(label in features, f"{source}: no feature named --label-column {label}; {listed}")
    feature = features[label]
    require(
        isinstance(feature, feature_types.Tensor) and feature.shape == (),
        f"{source}: {label} is {_describe_feature(feature)}, not one class per record; give --label-column, {listed}",
    )
    return label


def _numbers(
    features: Mapping[str, Any], parents: tuple[str, ...], source: str
) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yields the numeric features with their paths, nested ones too; raises InputError for any other."""
    for name, feature in features.items():
        path = (*parents, name)
        if type(feature) is feature_types.FeaturesDict:
            yield from _numbers(dict(sorted(feature.items())), path, source)
            continue
        plain = isinstance(feature, feature_types.Tensor) and not isinstance(feature, feature_types.ClassLabel)
        require(
            plain and np.dtype(feature.np_dtype).kind in "biuf" and None not in feature.shape,
            f"{source}: feature {'/'.join(path)} is {_describe_feature(feature)}; expected one image, or only numbers "
            "of fixed shape; export the columns you want as .csv or .parquet",
        )
        yield path, feature


def _describe_feature(feature: Any) -> str:
    return " ".join(repr(feature).split())[:80]
