"""Finds inputs, labels and official splits among named arrays by the names that people give them."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from aejax.errors import InputError, list_names, require

INPUT_LABEL_NAMES = (
    ("x", "y"),
    ("inputs", "labels"),
    ("inputs", "targets"),
    ("images", "labels"),
    ("imgs", "labels"),
    ("data", "target"),
    ("data", "targets"),
    ("data", "labels"),
    ("data", "label"),
    ("features", "labels"),
    ("embeddings", "labels"),
    ("arr_0", "arr_1"),
)
LABEL_COLUMN = re.compile(r"(?P<name>.*?)\[(?P<index>-?\d+)\]|(?P<only_index>-?\d+)")
SPLIT_NAMES = {  # words before or after a name, as in x_train or train_images
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
EXPECTED_NAMES = (
    f"expected exactly one pair of {'; '.join(', '.join(pair) for pair in INPUT_LABEL_NAMES)}, or such a pair for "
    "train, test and, if there is one, val (x_train, y_train, x_test, y_test; train_images, train_labels, ...)"
)


class ArrayPair(NamedTuple):
    """Names of the arrays of one split."""

    inputs: str
    labels: str


class ArrayNames(NamedTuple):
    """The arrays to read."""

    train: ArrayPair
    validation: ArrayPair | None
    test: ArrayPair | None
    unused: tuple[str, ...]
    label_index: int | None = None  # the column of labels `(n, k)` that holds the class

    @property
    def array_names(self) -> list[str]:
        """Inputs and labels of all splits: train, validation, test."""
        return [name for pair in (self.train, self.validation, self.test) if pair for name in pair]


def choose_arrays(names: Sequence[str], source: str, label_column: str | None = None) -> ArrayNames:
    """Returns the arrays to read from a file that holds arrays with these names.

    Upper and lower case, underscores and hyphens make no difference.

    Args:
        names: all names in the file.
        source: the file, for messages.
        label_column: the array with the labels where the names do not tell, a column of it, or both: NAME, INDEX or
            NAME[INDEX].

    Raises:
        InputError: no pair has known names, or several do.
    """
    if label_column is not None and label_column not in names:
        match = LABEL_COLUMN.fullmatch(label_column)
        if match:
            index = int(match["index"] or match["only_index"])
            return choose_arrays(names, source, match["name"])._replace(label_index=index)
    if label_column is not None:
        return _choose_inputs_of(label_column, names, source)
    by_key: dict[str, list[str]] = {}
    for name in names:
        by_key.setdefault(_normalize(name), []).append(name)
    found = [choice for pair in INPUT_LABEL_NAMES if (choice := _find_pair(pair, by_key))]
    require(
        len(found) == 1 and all(len(by_key[_normalize(name)]) == 1 for name in found[0].array_names),
        f"{source}: holds arrays {list_names(list(names)) or '(none)'}; {EXPECTED_NAMES}",
    )
    return found[0]._replace(unused=tuple(name for name in names if name not in found[0].array_names))


def _choose_inputs_of(label_array: str, names: Sequence[str], source: str) -> ArrayNames:
    """Returns the given label array with the only array that can be its inputs."""
    require(
        label_array in names, f"{source}: no array named --label-column {label_array}; it holds {list_names(names)}"
    )
    others = [name for name in names if name != label_array]
    input_keys = {_normalize(inputs) for inputs, _ in INPUT_LABEL_NAMES}
    known = others if len(others) == 1 else [name for name in others if _normalize(name) in input_keys]
    if len(known) != 1:
        raise InputError(
            f"{source}: holds {list_names(others) or 'nothing'} besides --label-column {label_array}; expected one "
            f"array named {', '.join(dict.fromkeys(inputs for inputs, _ in INPUT_LABEL_NAMES))}"
        )
    unused = tuple(name for name in others if name != known[0])
    return ArrayNames(ArrayPair(known[0], label_array), None, None, unused)


def _find_pair(pair: tuple[str, str], by_key: dict[str, list[str]]) -> ArrayNames | None:
    """Returns the arrays that follow one naming, if its training pair exists."""
    splits = {split: _find_split(pair, words, by_key) for split, words in SPLIT_NAMES.items()}
    train = _find_split(pair, ("",), by_key) or splits["train"]
    return ArrayNames(train, splits["validation"], splits["test"], ()) if train else None


def _find_split(pair: tuple[str, str], words: Sequence[str], by_key: dict[str, list[str]]) -> ArrayPair | None:
    inputs, labels = map(_normalize, pair)
    for word in words:
        for input_key, label_key in ((inputs + word, labels + word), (word + inputs, word + labels)):
            if input_key in by_key and label_key in by_key:
                return ArrayPair(by_key[input_key][0], by_key[label_key][0])
    return None


def _normalize(name: str) -> str:
    return re.sub(r"[\W_]", "", name.lower())
