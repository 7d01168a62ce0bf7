"""Which feature of a TFDS set says the class, and which are the inputs: by the set's own word where it has said."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from aejax.errors import require


class Column(NamedTuple):
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


class Choice(NamedTuple):
    """What of a set is read."""

    label: str
    class_names: tuple[str, ...] | None  # of labels 0, 1, ...; None where labels are called what they are
    image: str | None  # the feature that is an encoded image
    columns: tuple[Column, ...]  # without such: the features of numbers


def choose(kinds: Any, info: Any, label: str | None, source: str) -> Choice:
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
    require(isinstance(info.features, kinds.FeaturesDict), f"{source}: its records are not made of named features")
    features = dict(sorted(info.features.items()))  # TFDS's own order is another in every process
    own_inputs, own_label = info.supervised_keys if info.supervised_keys else ((), ())
    label = _label(kinds, features, label or next(_leaves(own_label), None), source)
    names = [name for name in _leaves(own_inputs) if name in features and name != label]
    images = [name for name, feature in features.items() if isinstance(feature, kinds.Image) and name != label]
    chosen = names or images or [name for name in features if name != label]
    class_names = None
    if isinstance(features[label], kinds.ClassLabel) and features[label].num_classes:
        class_names = tuple(features[label].names)
    if not isinstance(features[chosen[0]] if chosen else None, kinds.Image):
        columns = tuple(_columns(kinds, {name: features[name] for name in chosen}, (), source))
        require(columns, f"{source}: has no features beside {label}; expected images or numbers")
        return Choice(label, class_names, None, columns)
    require(len(chosen) == 1, f"{source}: its inputs are {' and '.join(chosen)}; expected one image")
    dtype = np.dtype(features[chosen[0]].np_dtype)
    require(dtype == np.uint8, f"{source}: {chosen[0]} has {dtype} pixels; expected uint8; give them as an .npz file")
    return Choice(label, class_names, chosen[0], ())


def _leaves(keys: Any) -> Iterator[str]:
    """The names in TFDS's supervised keys, which may be one, a tuple or a dict."""
    if isinstance(keys, str):
        yield keys
        return
    for key in keys.values() if isinstance(keys, Mapping) else keys:
        yield from _leaves(key)


def _label(kinds: Any, features: dict[str, Any], label: str | None, source: str) -> str:
    classes = [name for name, feature in features.items() if isinstance(feature, kinds.ClassLabel)]
    listed = f"expected one of {', '.join(features)}"
    if label is None:
        require(len(classes) == 1, f"{source}: does not say which feature is the label; give --label-column, {listed}")
        return classes[0]
    require(label in features, f"{source}: no feature named --label-column {label}; {listed}")
    require(
        isinstance(features[label], kinds.Tensor) and features[label].shape == (),
        f"{source}: {label} is {_called(features[label])}, no class of each record; give --label-column, {listed}",
    )
    return label


def _columns(kinds: Any, features: Mapping[str, Any], above: tuple[str, ...], source: str) -> Iterator[Column]:
    """The features of numbers; others are refused by name."""
    for name, feature in features.items():
        path = (*above, name)
        if type(feature) is kinds.FeaturesDict:
            yield from _columns(kinds, dict(sorted(feature.items())), path, source)
            continue
        plain = isinstance(feature, kinds.Tensor) and not isinstance(feature, kinds.ClassLabel)
        require(
            plain and np.dtype(feature.np_dtype).kind in "biuf" and None not in feature.shape,
            f"{source}: feature {'/'.join(path)} is {_called(feature)}; expected one image, or only numbers of one "
            "shape; export the columns you want as .csv or .parquet",
        )
        yield Column(path, tuple(feature.shape), np.dtype(feature.np_dtype))


def _called(feature: Any) -> str:
    return " ".join(repr(feature).split())[:80]
