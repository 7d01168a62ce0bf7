"""Selects the label and the inputs among the features of a TFDS set."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from tensorflow_datasets import features as feature_types

from aejax.errors import require


class FeatureColumn(NamedTuple):
    """A numeric feature among the inputs."""

    path: tuple[str, ...]  # keys of nested records
    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def size(self) -> int:
        """Number of values."""
        return int(np.prod(self.shape))

    @property
    def names(self) -> list[str]:
        """Names of the values."""
        name = "/".join(self.path)
        return [name] if self.size == 1 else [f"{name}[{i}]" for i in range(self.size)]


class FeatureSelection(NamedTuple):
    """The features that are read: a label, and either one encoded image or numeric columns."""

    label: str
    class_names: tuple[str, ...] | None  # of labels 0, 1, ...; None if the labels are their own names
    image: str | None
    columns: tuple[FeatureColumn, ...]

    @property
    def input_names(self) -> tuple[str, ...]:
        """Top-level names of the inputs."""
        return (self.image,) if self.image else tuple(dict.fromkeys(column.path[0] for column in self.columns))

    @property
    def numbers_shape(self) -> tuple[int, ...]:
        """Shape of the numeric columns of one example; a single column keeps its own shape."""
        shape = self.columns[0].shape if len(self.columns) == 1 else ()
        return shape or (sum(column.size for column in self.columns),)

    @property
    def numbers_dtype(self) -> np.dtype:
        """The dtype that represents all numeric columns."""
        return np.result_type(*(column.dtype for column in self.columns))

    def concatenate(self, records: list[dict[str, Any]]) -> np.ndarray:
        """Returns the numeric columns of some records side by side, `(len(records), *numbers_shape)`."""
        parts = []
        for column in self.columns:
            values: list[Any] = records
            for name in column.path:
                values = [value[name] for value in values]
            parts.append(np.stack(values).reshape(len(records), -1))
        return np.concatenate(parts, axis=1, dtype=self.numbers_dtype).reshape(len(records), *self.numbers_shape)


def select_features(info: Any, label: str | None, source: str) -> FeatureSelection:
    """Selects the label and the inputs of a set.

    Inputs are those of TFDS's supervised keys, else the only image, else all features except the label.

    Args:
        info: the set's `DatasetInfo`.
        label: the label feature; None: that of the supervised keys, else the only `ClassLabel`.
        source: name of the set in error messages.

    Raises:
        InputError: the label is ambiguous, or the inputs are neither one image nor numbers of fixed shape.
    """
    require(
        isinstance(info.features, feature_types.FeaturesDict), f"{source}: its records are not made of named features"
    )
    features = dict(sorted(info.features.items()))  # TFDS's own order differs between processes
    input_keys, label_key = info.supervised_keys if info.supervised_keys else ((), ())
    label = _select_label(features, label or next(_flatten_keys(label_key), None), source)
    class_names = None
    if isinstance(features[label], feature_types.ClassLabel) and features[label].num_classes:
        class_names = tuple(features[label].names)
    names = [name for name in _flatten_keys(input_keys) if name in features and name != label]
    images = [name for name, feature in features.items() if isinstance(feature, feature_types.Image) and name != label]
    inputs = names or images or [name for name in features if name != label]
    if inputs and isinstance(features[inputs[0]], feature_types.Image):
        require(len(inputs) == 1, f"{source}: its inputs are {' and '.join(inputs)}; expected one image")
        dtype = np.dtype(features[inputs[0]].np_dtype)
        require(
            dtype == np.uint8, f"{source}: {inputs[0]} has {dtype} pixels; expected uint8; give them as an .npz file"
        )
        return FeatureSelection(label, class_names, inputs[0], ())
    columns = tuple(_numeric_columns({name: features[name] for name in inputs}, (), source))
    require(columns, f"{source}: has no features besides {label}; expected images or numbers")
    return FeatureSelection(label, class_names, None, columns)


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


def _numeric_columns(features: Mapping[str, Any], parent_path: tuple[str, ...], source: str) -> Iterator[FeatureColumn]:
    """Yields the numeric features, nested ones too; raises InputError for any other."""
    for name, feature in features.items():
        path = (*parent_path, name)
        if type(feature) is feature_types.FeaturesDict:
            yield from _numeric_columns(dict(sorted(feature.items())), path, source)
            continue
        plain = isinstance(feature, feature_types.Tensor) and not isinstance(feature, feature_types.ClassLabel)
        require(
            plain and np.dtype(feature.np_dtype).kind in "biuf" and None not in feature.shape,
            f"{source}: feature {'/'.join(path)} is {_describe_feature(feature)}; expected one image, or only numbers "
            "of fixed shape; export the columns you want as .csv or .parquet",
        )
        yield FeatureColumn(path, tuple(feature.shape), np.dtype(feature.np_dtype))


def _describe_feature(feature: Any) -> str:
    return " ".join(repr(feature).split())[:80]
