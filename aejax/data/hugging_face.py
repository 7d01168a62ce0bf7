"""Loads labelled sets of Hugging Face's library `datasets`: from a folder, from its cache, or from the hub."""

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd

from aejax.config import DataConfig
from aejax.data.array_names import SPLIT_NAMES
from aejax.data.dataset import Dataset
from aejax.data.frame_tables import PANDAS_INDEX_PREFIX, FrameTable, to_frame
from aejax.data.grouping import number_groups
from aejax.data.images import EncodedImage
from aejax.data.labelled_arrays import ArraySplits, LabelledArrays, dataset_from_splits, decode_splits
from aejax.data.links import require_within
from aejax.data.memory import require_host_memory
from aejax.data.packages import silence_loggers
from aejax.data.table_roles import TableFile
from aejax.data.tables import dataset_from_tables
from aejax.errors import InputError, list_names, require, summarize_error

SAVED_BY_LIBRARY = ("dataset_dict.json", "state.json")  # what save_to_disk writes
LABEL_NAMES = ("label", "labels", "target", "class", "y")  # of labels where no or several features are a ClassLabel
FOLDER_HINT = "check the name, or give hf:FOLDER with what save_to_disk wrote or with files that the library reads"
Splits = dict[str, Any]  # role (see SPLIT_NAMES): datasets.Dataset


def load_hugging_face(name: str, config: DataConfig, data_dir: Path | None) -> Dataset:
    """Loads the splits of a set: training rows, validation rows, then the official test rows.

    Inputs are its image feature, or else all features of numbers; a set of single values is read as a table. The label
    is `config.label_column`, else the only `ClassLabel`, else a feature with a usual name. No code of a set is run.

    Args:
        name: NAME or NAME:CONFIG, of a folder or of the hub.
        config: `label_column`, `group_column`, `drop_columns` and `unlabelled` are used; of images and arrays also
            `image_size`, `image_shape` and `layout`, of single values what tables use.
        data_dir: the library's cache; None: its own.

    Raises:
        InputError: the set does not exist, or has no class label or no suitable inputs.
    """
    source = f"hf:{name}"
    try:
        with _quiet():
            splits, notes = _choose_splits(_open_set(name, data_dir), source)
            label = _choose_label(splits["train"].features, config.label_column, source)
            splits, unlabelled = _drop_unlabelled_test(splits, label)
            return _read_splits(splits, label, config, source, (*notes, *unlabelled))
    except (InputError, MemoryError):
        raise
    except Exception as error:  # the library raises dozens of types
        raise InputError(f"--dataset {source}: cannot be loaded ({summarize_error(error)}); {FOLDER_HINT}") from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Suppresses progress bars, and log lines of the library and of its downloads."""
    bars = datasets.is_progress_bar_enabled()
    datasets.disable_progress_bars()
    try:
        with silence_loggers("datasets", "huggingface_hub"):
            yield
    finally:
        if bars:
            datasets.enable_progress_bars()


def _open_set(name: str, data_dir: Path | None) -> Mapping[str, Any]:
    """Returns the splits of a set by name."""
    place, _, subset = name.partition(":")
    folder = Path(place).expanduser()
    for path in folder.rglob("*") if folder.is_dir() else ():
        require_within(path, folder)
        require(path.suffix != ".py", f"{path}: code in a data set is not run; take it out of {folder}")
    if any((folder / file).is_file() for file in SAVED_BY_LIBRARY):
        opened = datasets.load_from_disk(str(folder))
    else:
        opened = datasets.load_dataset(
            str(folder) if folder.is_dir() else place, subset or None, cache_dir=data_dir and str(data_dir)
        )
        if folder.is_dir():
            # The library takes a name such as `test tubes.png` for a split, and leaves all other files out.
            require(
                next(iter(opened.values())).info.builder_name != "imagefolder" or any(folder.rglob("metadata.*")),
                f"hf:{folder}: a folder of images by class; give it without hf:",
            )
    return {"train": opened} if isinstance(opened, datasets.Dataset) else opened


def _choose_splits(opened: Mapping[str, Any], source: str) -> tuple[Splits, tuple[str, ...]]:
    """Returns the splits by role, in the order of `SPLIT_NAMES`, and a note of those that are not used."""
    filled = {name: split for name, split in opened.items() if len(split)}
    roles = {name: role for name in filled for role, words in SPLIT_NAMES.items() if name.lower() in words}
    if len(filled) == 1:
        roles = dict.fromkeys(filled, "train")
    require(
        "train" in roles.values() and len(set(roles.values())) == len(roles),
        f"{source}: has splits {list_names(list(filled)) or '(none)'}; expected one called train, and at most one for "
        "validation and one for test",
    )
    splits = {role: filled[name] for role in SPLIT_NAMES for name in roles if roles[name] == role}
    unused = [name for name in filled if name not in roles]
    return splits, ((f"splits not used: {list_names(unused)}",) if unused else ())


def _choose_label(features: Mapping[str, Any], label: str | None, source: str) -> str:
    """Returns the name of the label feature."""
    listed = f"it has {list_names(list(features))}"
    if label is not None:
        require(label in features, f"{source}: no feature named --label-column {label}; {listed}")
        return label
    classes = [name for name, feature in features.items() if isinstance(feature, datasets.ClassLabel)]
    known = classes if len(classes) == 1 else [name for name in features if name.lower() in LABEL_NAMES]
    require(len(known) == 1, f"{source}: does not say which feature is the label; give --label-column: {listed}")
    return known[0]


def _drop_unlabelled_test(splits: Splits, label: str) -> tuple[Splits, tuple[str, ...]]:
    """Returns the splits without a test split whose labels are all -1 or missing, as benchmarks publish them."""
    if "test" not in splits or not set(splits["test"][label]) <= {-1, None}:
        return splits, ()
    labelled = {role: split for role, split in splits.items() if role != "test"}
    note = "the test split has no labels and is not used"
    if "validation" not in labelled:
        return labelled, (note,)
    labelled["test"] = labelled.pop("validation")
    return labelled, (note, "the validation split is the test set")


def _read_splits(splits: Splits, label: str, config: DataConfig, source: str, notes: tuple[str, ...]) -> Dataset:
    """Returns the examples and labels of all splits."""
    features = splits["train"].features
    require_host_memory(sum(split.data.nbytes for split in splits.values()), f"{source}: its tables")
    if all(isinstance(feature, datasets.Value | datasets.ClassLabel) for feature in features.values()):
        dataset = _load_as_table(splits, dataclasses.replace(config, label_column=label), source)
        notes = (*notes, *dataset.description.notes)
        description = dataclasses.replace(dataset.description, label_source=f"feature {label!r}", notes=notes)
        return dataclasses.replace(dataset, name=_dataset_name(source), description=description)
    return _load_arrays(splits, label, config, source, notes)


def _load_arrays(splits: Splits, label: str, config: DataConfig, source: str, notes: tuple[str, ...]) -> Dataset:
    """Returns the images of all splits, or else their numbers, with labels and groups."""
    features = splits["train"].features
    candidates = _choose_candidates(features, label, config, source)
    images = [name for name in candidates if isinstance(features[name], datasets.Image)]
    names = images or _numeric_features({name: features[name] for name in candidates}, label, source)
    if images:
        fix = "expected one; --drop-columns leaves the others out"
        require(len(images) == 1, f"{source}: holds images {list_names(images)}; {fix}")
        require(config.layout == "auto" and config.image_shape is None, f"--layout: {source} holds encoded images")
        inputs = _decode(splits, images[0], config.image_size, source)
        config = dataclasses.replace(config, layout="channels-last")
    else:
        require(config.image_size is None, f"--image-size {config.image_size}: {source} holds no encoded images")
        inputs = {role: _stack(split, names, source) for role, split in splits.items()}
        notes = (*notes, f"inputs are {list_names(names)}")
    if unused := sorted({*features} - {*names, label, config.group_column}):
        notes = (*notes, f"features not used: {list_names(unused)}")
    if config.group_column is not None:
        notes = (*notes, f"groups: feature {config.group_column!r}")
    parts: dict[str, Any] = {
        role: LabelledArrays(
            inputs[role], _labels(split, label, config, source), (f"{role} examples", f"{role} {label}")
        )
        for role, split in splits.items()
    }
    classes = getattr(features[label], "names", None)
    arrays = ArraySplits(
        source,
        **parts,
        notes=notes,
        label_source=f"feature {label!r}",
        class_names=None if classes is None else tuple(classes),
        groups=_read_groups(splits, config.group_column, source),
    )
    return dataset_from_splits(arrays, config, _dataset_name(source))


def _choose_candidates(features: Mapping[str, Any], label: str, config: DataConfig, source: str) -> list[str]:
    """Returns the names of the features that may be inputs, after checking the options that name others."""
    for option in ("missing", "categorical"):
        value = getattr(config, option)
        is_default = value == getattr(DataConfig, option)
        require(is_default, f"--{option} {value}: {source} holds images or arrays, only tables have it; leave it out")
    groups = [] if config.group_column is None else [config.group_column]
    for flag, names in (("--drop-columns", config.drop_columns), ("--group-column", groups)):
        for name in names:
            require(name in features, f"{source}: no feature named {flag} {name}; it has {list_names(list(features))}")
            require(name != label, f"{source}: {name!r} is the label, and {flag}, too; --label-column names another")
    special = {label, *config.drop_columns, *groups}
    return [name for name in features if name not in special and not name.startswith(PANDAS_INDEX_PREFIX)]


def _read_groups(splits: Splits, name: str | None, source: str) -> np.ndarray | None:
    """Returns a number for the group of every row, in the order of `dataset_from_splits`."""
    if name is None:
        return None
    feature = splits["train"].features[name]
    is_single = isinstance(feature, datasets.Value | datasets.ClassLabel)
    require(is_single, f"--group-column {name}: {source} has no single values in it; name another feature")
    names = pd.Series([value for split in splits.values() for value in split[name][:]], dtype=object)
    numbers = number_groups(names.where(names != -1) if isinstance(feature, datasets.ClassLabel) else names)
    missing = numbers < 0
    require(
        not missing.any(),
        f"{source}: {name} names no group in {missing.sum()} of {len(numbers)} rows, such as row {missing.argmax()}; "
        "filter them out first, or leave out --group-column",
    )
    return numbers


def _dataset_name(source: str) -> str:
    """Returns `mnist` for `hf:ylecun/mnist:plain`."""
    return Path(source.split(":")[1]).name


def _labels(split: Any, label: str, config: DataConfig, source: str) -> np.ndarray:
    """Returns the labels of a split, `(n,)` of class numbers or text; -1 only if it marks unlabelled rows."""
    values = split[label][:]
    absent = (None,) if config.unlabelled == "-1" else (None, -1)
    missing = [row for row, value in enumerate(values) if value in absent]
    require(
        not missing,
        f"{source}: {len(missing)} of {len(values)} rows have no {label}, such as {missing[:1]}; filter them out first",
    )
    return np.array(values)


def _decode(splits: Splits, image: str, image_size: int | None, source: str) -> dict[str, np.ndarray]:
    """Returns the images of all splits, decoded to one shape."""
    encoded: dict[str, list[EncodedImage]] = {role: [] for role in splits}
    for role, split in splits.items():
        stored = split.cast_column(image, datasets.Image(decode=False))[image]
        for row, item in enumerate(stored):
            location = f"{source}: image {row} of {role}"
            require(item is not None, f"{location}: is missing; filter such rows out first")
            content = item["bytes"] if item["bytes"] is not None else Path(item["path"])
            encoded[role].append(EncodedImage(location, content))
    return decode_splits(encoded, source, image_size)


def _numeric_features(features: Mapping[str, Any], label: str, source: str) -> list[str]:
    """Returns the names of the features that are numbers, also in lists or arrays."""
    names = []
    for name, feature in features.items():
        while hasattr(feature, "feature"):  # a list of another feature
            feature = feature.feature
        is_number = getattr(feature, "dtype", "").startswith(("int", "uint", "float", "bool"))
        if name != label and is_number and not isinstance(feature, datasets.ClassLabel):
            names.append(name)
    require(
        names,
        f"{source}: has neither images nor numbers besides {label}: {list_names(list(features))}; make an .npz of "
        "embeddings of text or sound first",
    )
    return names


def _stack(split: Any, names: list[str], source: str) -> np.ndarray:
    """Returns the numeric features of a split side by side; a single one keeps its shape."""
    table = split.select_columns(names).with_format("numpy")[:]
    columns = [np.asarray(table[name]) for name in names]
    for name, column in zip(names, columns, strict=True):
        require(column.dtype.kind in "biuf", f"{source}: {name} differs in shape between rows; expected one shape")
    if len(columns) == 1 and columns[0].ndim > 1:
        return columns[0]
    return np.concatenate([column.reshape(len(column), -1) for column in columns], axis=1)


def _load_as_table(splits: Splits, config: DataConfig, source: str) -> Dataset:
    """Loads the splits by the rules for tables, so that text, dates and missing values are read as in any table."""
    for flag, value in (("image-size", config.image_size), ("image-shape", config.image_shape)):
        require(value is None, f"--{flag} {value}: {source} holds no images; leave it out")
    n_values = sum(split.num_rows * split.num_columns for split in splits.values())
    require_host_memory(16 * n_values, f"{source}: {n_values} values")
    files: list[TableFile] = [_open_split(split, Path(source, f"{role}.parquet")) for role, split in splits.items()]
    return dataset_from_tables(files, [role == "test" for role in splits], config, Path(source))


def _open_split(split: Any, path: Path) -> FrameTable:
    """Returns a split as the table that its library would publish as a Parquet file, with the names of classes."""
    frame = to_frame(split.with_format("arrow")[:].replace_schema_metadata())
    for name, feature in split.features.items():
        if isinstance(feature, datasets.ClassLabel):
            frame[name] = frame[name].map(dict(enumerate(feature.names)))  # -1 is a missing class
    index_columns = tuple(name for name in frame.columns if name.startswith(PANDAS_INDEX_PREFIX))
    return FrameTable(path=path, frame=frame, layout="Parquet", index_columns=index_columns)
