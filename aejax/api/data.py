"""Data for comparisons: a named dataset or file, or arrays and DataFrames in memory."""

import dataclasses
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from aejax.api.arguments import argument_errors
from aejax.api.array_arguments import as_array, as_column, as_groups, as_labels, as_mask, is_pair, require_length
from aejax.config import DataConfig
from aejax.config.settings import replace_settings
from aejax.data import registry
from aejax.data.dataset import Dataset
from aejax.data.dataset import make_dataset as dataset_from_arrays
from aejax.data.description import DataDescription
from aejax.data.frame_tables import FrameTable
from aejax.data.image_layout import arrange_images
from aejax.data.labelled_arrays import ArraySplits, LabelledArrays, dataset_from_splits
from aejax.data.table_roles import NO_LABEL
from aejax.data.tables import dataset_from_tables
from aejax.errors import require

ARRAY_NAMES = ("X", "y")
TEST_NAMES = ("test[0]", "test[1]")
SEPARATE_TEST = "groups: cannot be combined with a separate test set; give a mask as test"
DATA_SETTINGS = frozenset(field.name for field in dataclasses.fields(DataConfig)) - {"scaler"}
ARRAY_SETTINGS = ("image_shape", "layout", "unlabelled")
FRAME_SETTINGS = ("label_column", "group_column", "drop_columns", "categorical", "missing", "decimal", "unlabelled")
GROUP_COLUMN = "groups"


def load_dataset(dataset: str, **settings: Any) -> Dataset:
    """Loads a named dataset, a file or a folder.

    Args:
        dataset: what `--dataset` takes: `digits`, `mnist`, `table.csv`, `arrays.npz`, `hf:NAME`, ...
        settings: of the data, by the names of the flags: `data_dir`, `label_column`, `missing`, `image_size`, ...

    Raises:
        aejax.InputError: there is no such dataset, or it cannot be read or used.

    Example:
        >>> load_dataset("wine").inputs.shape
        (178, 13)
    """
    with argument_errors():
        return registry.load_dataset(_read_settings(dataset, settings))


def make_dataset(
    X: ArrayLike | pd.DataFrame,
    y: ArrayLike | str | None = None,
    *,
    test: Any = None,
    groups: ArrayLike | None = None,
    name: str = "data",
    **settings: Any,
) -> Dataset:
    """Makes a dataset of examples in memory.

    Arrays `(n, d)` are rows of numbers; `(n, height, width)` and `(n, height, width, channels)`, or channels first, are
    images. The columns of a DataFrame are read as those of a file: numbers, categories, truth values and dates.

    Args:
        X: `(n, ...)` array or list, or DataFrame.
        y: `(n,)` labels of any type, or the name of a DataFrame's column; None: no labels (only `pretrain` takes such
            data).
        test: a mask `(n,)` that is true for the rows of the test set, or a pair `(X_test, y_test)`; None: test rows are
            drawn. The rows of the dataset are those of `X` in their order, then those of `X_test`, but for rows that
            `missing="drop-rows"` leaves out and test rows of a DataFrame without label.
        groups: `(n,)`, equal for rows that must not be divided between training and test.
        name: of the dataset in results.
        settings: of arrays, `image_shape` ("28x28"), `layout` and `unlabelled`; of DataFrames, `label_column`,
            `group_column`, `drop_columns`, `categorical`, `missing` and `unlabelled`: see the flags of the same names.

    Raises:
        aejax.InputError: the data cannot be used; the message names row, column and fix.

    Example:
        >>> data = make_dataset([[0.0, 1.0], [1.0, 0.0]] * 20, ["a", "b"] * 20)
        >>> data.n_classes, data.inputs.shape
        (2, (40, 2))
    """
    with argument_errors():
        config = _read_settings(name, settings)
        if isinstance(X, pd.DataFrame):
            _require_used(config, settings, FRAME_SETTINGS, "a DataFrame")
            return _from_frames(X, y, test, groups, config)
        require(not isinstance(y, str), f"y={y!r}: names a column, but X is no DataFrame; give an array of labels")
        _require_used(config, settings, ARRAY_SETTINGS, "an array")
        return _from_arrays(X, y, test, groups, config)


def as_dataset(data: Any, y: Any, settings: Mapping[str, Any]) -> Dataset:
    """Returns a dataset, the one of a name, or one of examples, made with those of the settings that concern data.

    Raises `InputError` if there is none, or a setting of the data cannot be used.
    """
    given = {name: value for name, value in settings.items() if name in DATA_SETTINGS and _is_given(name, value)}
    require(
        y is None or not isinstance(data, Dataset | str),
        "y: the dataset has labels already; give y only with examples",
    )
    if isinstance(data, Dataset):
        name = next(iter(given), "")
        require(not given, f"{name}: the data are a Dataset already; give {name} to make_dataset or load_dataset")
        return data
    if isinstance(data, str):
        require("dataset" not in given, f"dataset: the data are {data!r} already; leave dataset out")
        return load_dataset(data, **given)
    require("test" not in given, "test: of examples in memory is given to make_dataset; pass the Dataset it returns")
    return make_dataset(data, y, **given)


def _is_given(name: str, value: Any) -> bool:
    """Returns whether a setting of the data has another value than by default; the name of a dataset has none."""
    default = getattr(DataConfig(), name)
    return name == "dataset" or type(value) is not type(default) or value != default


def _read_settings(dataset: str, settings: Mapping[str, Any]) -> DataConfig:
    config = replace_settings(DataConfig(dataset=dataset), settings)
    require(config.scaler is None, f"scaler={config.scaler}: is fitted in training; give it to compare or pretrain")
    return config


def _require_used(config: DataConfig, settings: Mapping[str, Any], used: Collection[str], examples: str) -> None:
    """Raises `InputError` for a setting that has no effect on examples in memory."""
    default = DataConfig(dataset=config.dataset, data_dir=config.data_dir)
    for name in settings:
        require(
            name in used or getattr(config, name) == getattr(default, name),
            f"{name}={settings[name]!r}: X is {examples}, which has no use for it, only for {', '.join(used)}; "
            "leave it out",
        )


def _from_arrays(X: ArrayLike, y: Any, test: Any, groups: Any, config: DataConfig) -> Dataset:
    inputs, name = as_array(X, "X"), config.dataset
    if y is None:
        without_labels = test is None and groups is None and config.unlabelled is None
        require(without_labels, "y: test, groups and unlabelled need labels; give y")
        images = arrange_images(inputs, config.layout, config.image_shape, name)
        description = DataDescription(layout=images.layout, notes=images.notes)
        return dataset_from_arrays(
            name, images.inputs, None, source=name, value_range=images.value_range, description=description
        )
    labels = as_labels(y, "y", config.unlabelled)
    require_length(len(inputs), labels, "y")
    test_part = test_rows = None
    if is_pair(test):
        require(groups is None, SEPARATE_TEST)
        test_labels = as_labels(test[1], "test[1]", config.unlabelled)
        test_part = LabelledArrays(as_array(test[0], "test[0]"), test_labels, TEST_NAMES)
    elif test is not None:
        test_rows = np.flatnonzero(as_mask(test, len(inputs)))
    parts = LabelledArrays(inputs, labels, ARRAY_NAMES)
    splits = ArraySplits(name, parts, test=test_part, test_rows=test_rows, label_source="y")
    dataset = dataset_from_splits(splits, config, name)
    return dataset if groups is None else dataclasses.replace(dataset, groups=as_groups(groups, len(inputs)))


def _from_frames(X: pd.DataFrame, y: Any, test: Any, groups: Any, config: DataConfig) -> Dataset:
    frame, label = X.copy(deep=False), config.label_column or NO_LABEL
    require(y is None or config.label_column is None, "label_column: y gives the labels already; give one of both")
    if isinstance(y, str):
        label = y
    elif y is not None:
        label = str((None if isinstance(y, pd.DataFrame) else getattr(y, "name", None)) or "y")
        require(label not in frame, f"y: its name {label!r} is that of a column of X, too; give y={label!r} alone")
        frame[label] = as_column(y, len(frame), "y")
    if groups is not None:
        require(config.group_column is None, "group_column: groups gives the groups already; give one of both")
        given = as_groups(groups, len(frame))
        is_given = GROUP_COLUMN not in frame or np.array_equal(as_groups(frame[GROUP_COLUMN], len(frame)), given)
        require(is_given, "groups: X has another column of that name; rename it")
        frame[GROUP_COLUMN] = given
        config = dataclasses.replace(config, group_column=GROUP_COLUMN)
    config = dataclasses.replace(config, label_column=label)
    require(config.unlabelled is None or label != NO_LABEL, "unlabelled: there are no labels; give y")
    frames: list[pd.DataFrame] = [frame]
    is_test: list[Any] = [False]
    if is_pair(test):
        require(groups is None, SEPARATE_TEST)
        require(label != NO_LABEL, "test: a test set needs labels; give y")
        frames, is_test = [frame, _test_frame(test[0], test[1], label)], [False, True]
    elif test is not None:
        is_test = [as_mask(test, len(frame))]
    files = [FrameTable(path=Path(config.dataset), frame=part) for part in frames]
    return dataset_from_tables(list(files), is_test, config, Path(config.dataset))


def _test_frame(X: Any, y: Any, label: str) -> pd.DataFrame:
    """Returns the examples of a test set with their column of labels, which they may have already."""
    require(
        isinstance(X, pd.DataFrame), f"test[0]: is a {type(X).__name__}; expected a DataFrame with the columns of X"
    )
    if y is None or isinstance(y, str):
        require(
            y in (None, label) and label in map(str, X.columns),
            f"test[0]: has no column {label!r} of labels; give them, test=(X_test, y_test)",
        )
        return X
    return X.assign(**{label: as_column(y, len(X), "test[1]")})
