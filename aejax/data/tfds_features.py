"""Which feature of a TFDS set says the class, and which are the inputs: by the set's own word where it has said."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from aejax.errors import require


class FeatureColumn(NamedTuple):
    """One feature of numbers among the inputs."""

    path: tuple[str, ...]  # where a record holds it
    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def size(self) -> int:
        """Numbers in it."""
        return int(np.prod(self.shape))

    @property
    def names(self) -> list[str]:
        """What to call each of them."""
        name = "/".join(self.path)
        return [name] if self.size == 1 else [f"{name}[{i}]" for i in range(self.size)]


class FeatureSelection(NamedTuple):
    """What of a set is read."""

    label: str
    class_names: tuple[str, ...] | None  # of labels 0, 1, ...; None where labels are called what they are
    image: str | None  # the feature that is an encoded image
    columns: tuple[FeatureColumn, ...]  # without such: the features of numbers


def select_features(feature_types: Any, info: Any, label: str | None, source: str) -> FeatureSelection:
    """The label and the inputs.

    Inputs are what the set itself calls its inputs (TFDS's supervised keys), else its only image, else all features but
    the label.

    Args:
        kinds: the module `tensorflow_datasets.features`.
        info: the set's description.
        label: the feature that says the class; None: the set's own word, else its only class feature.
        source: what messages call the set.

    Raises:
        InputError: no one feature says the class, or the inputs are neither one image nor numbers of one shape.
    """
    require(
        isinstance(info.features, feature_types.FeaturesDict), f"{source}: its records are not made of named features"
    )
    features = dict(sorted(info.features.items()))  # TFDS's own order is another in every process
    own_inputs, own_label = info.supervised_keys if info.supervised_keys else ((), ())
    label = _select_label(feature_types, features, label or next(_flatten_keys(own_label), None), source)
    names = [name for name in _flatten_keys(own_inputs) if name in features and name != label]
    images = [name for name, feature in features.items() if isinstance(feature, feature_types.Image) and name != label]
    chosen = names or images or [name for name in features if name != label]
    class_names = None
    if isinstance(features[label], feature_types.ClassLabel) and features[label].num_classes:
        class_names = tuple(features[label].names)
    if not isinstance(features[chosen[0]] if chosen else None, feature_types.Image):
        columns = tuple(_numeric_columns(feature_types, {name: features[name] for name in chosen}, (), source))
        require(columns, f"{source}: has no features beside {label}; expected images or numbers")
        return FeatureSelection(label, class_names, None, columns)
    require(len(chosen) == 1, f"{source}: its inputs are {' and '.join(chosen)}; expected one image")
    dtype = np.dtype(features[chosen[0]].np_dtype)
    require(dtype == np.uint8, f"{source}: {chosen[0]} has {dtype} pixels; expected uint8; give them as an .npz file")
    return FeatureSelection(label, class_names, chosen[0], ())


def _flatten_keys(keys: Any) -> Iterator[str]:
    """The names in TFDS's supervised keys, which may be one, a tuple or a dict."""
    if isinstance(keys, str):
        yield keys
        return
    for key in keys.values() if isinstance(keys, Mapping) else keys:
        yield from _flatten_keys(key)


def _select_label(feature_types: Any, features: dict[str, Any], label: str | None, source: str) -> str:
    classes = [name for name, feature in features.items() if isinstance(feature, feature_types.ClassLabel)]
    listed = f"expected one of {', '.join(features)}"
    if label is None:
        require(len(classes) == 1, f"{source}: does not say which feature is the label; give --label-column, {listed}")
        return classes[0]
    require(label in features, f"{source}: no feature named --label-column {label}; {listed}")
    require(
        isinstance(features[label], feature_types.Tensor) and features[label].shape == (),
        f"{source}: {label} is {_describe_feature(features[label])}, no class of each record; give --label-column, {listed}",
    )
    return label


def _numeric_columns(
    feature_types: Any, features: Mapping[str, Any], parent_path: tuple[str, ...], source: str
) -> Iterator[FeatureColumn]:
    """The features of numbers; others are refused by name."""
    for name, feature in features.items():
        path = (*parent_path, name)
        if type(feature) is feature_types.FeaturesDict:
            yield from _numeric_columns(feature_types, dict(sorted(feature.items())), path, source)
            continue
        plain = isinstance(feature, feature_types.Tensor) and not isinstance(feature, feature_types.ClassLabel)
        require(
            plain and np.dtype(feature.np_dtype).kind in "biuf" and None not in feature.shape,
            f"{source}: feature {'/'.join(path)} is {_describe_feature(feature)}; expected one image, or only numbers of one "
            "shape; export the columns you want as .csv or .parquet",
        )
        yield FeatureColumn(path, tuple(feature.shape), np.dtype(feature.np_dtype))


def _describe_feature(feature: Any) -> str:
    return " ".join(repr(feature).split())[:80]
