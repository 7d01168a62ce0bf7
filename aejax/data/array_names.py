"""Finds inputs, labels and official splits among named arrays by the names that people give them."""

import re
from collections import Counter
from collections.abc import Sequence

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
ArrayPair = tuple[str, str]  # names of the inputs and the labels of one split


def choose_arrays(
    names: Sequence[str], source: str, label_column: str | None = None
) -> tuple[dict[str, ArrayPair], int | None]:
    """Returns the arrays to read by split (see `SPLIT_NAMES`), and the column of labels `(n, k)` with the class.

    Upper and lower case, underscores and hyphens make no difference.

    Args:
        names: of all arrays in the file.
        source: the file, for messages.
        label_column: the array with the labels where the names do not tell, a column of it, or both: NAME, INDEX or
            NAME[INDEX].

    Raises:
        InputError: no pair has known names, or several do.
    """
    label_array, index = label_column, None
    if label_column is not None and label_column not in names and (match := LABEL_COLUMN.fullmatch(label_column)):
        label_array, index = match["name"], int(match["index"] or match["only_index"])
    if label_array is not None:
        return {"train": (_choose_inputs_of(label_array, names, source), label_array)}, index
    by_key, count = {_normalize(name): name for name in names}, Counter(map(_normalize, names))
    found = [splits for pair in INPUT_LABEL_NAMES if "train" in (splits := _find_splits(pair, by_key))]
    require(
        len(found) == 1 and all(count[_normalize(name)] == 1 for pair in found[0].values() for name in pair),
        f"{source}: holds arrays {list_names(list(names)) or '(none)'}; {EXPECTED_NAMES}",
    )
    return found[0], index


def _choose_inputs_of(label_array: str, names: Sequence[str], source: str) -> str:
    """Returns the only array that can be the inputs of the given labels."""
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
    return known[0]


def _find_splits(pair: ArrayPair, by_key: dict[str, str]) -> dict[str, ArrayPair]:
    """Returns the arrays that follow one naming, by split; training arrays need no word of their split."""
    words = {**SPLIT_NAMES, "train": ("", *SPLIT_NAMES["train"])}
    found = {split: _find_split(pair, words[split], by_key) for split in words}
    return {split: arrays for split, arrays in found.items() if arrays}


def _find_split(pair: ArrayPair, words: Sequence[str], by_key: dict[str, str]) -> ArrayPair | None:
    inputs, labels = map(_normalize, pair)
    for word in words:
        for input_key, label_key in ((inputs + word, labels + word), (word + inputs, word + labels)):
            if input_key in by_key and label_key in by_key:
                return by_key[input_key], by_key[label_key]
    return None


def _normalize(name: str) -> str:
    return re.sub(r"[\W_]", "", name.lower())
