"""Rows of a comparison from files: `--features NAME=FILE[:KEY]`, and encoders, `--encoder NAME=FOLDER`."""

import dataclasses
import functools
import importlib.util
import itertools
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float

from aejax.config import CompareConfig
from aejax.data.archives import open_archive, open_npy
from aejax.data.dataset import Dataset
from aejax.data.frame_tables import open_arrow_table
from aejax.data.memory import require_host_memory
from aejax.data.registry import expand_path
from aejax.data.table_schema import Column
from aejax.errors import InputError, list_names, require, summarize_error
from aejax.methods.external import Representation, encoder, precomputed
from aejax.storage.hub import PREFIX, open_encoder_folder
from aejax.storage.manifest import verify_manifest
from aejax.storage.pretrained_encoder import load_encoder
from aejax.storage.sparse_coders import SparseCoder

ROW_NAME = "row"  # of an array or a column with the number of the data's row, from 0, that each row of features is of
FeaturesAndRows = tuple[Float[np.ndarray, "..."], np.ndarray | None]


def load_own_rows(config: CompareConfig) -> dict[str, Representation]:
    """Returns the representations that the flags name, by name.

    Raises:
        InputError: a name is given twice, or a file cannot be read.
    """
    rows: dict[str, Representation] = {}
    for flag, specs in (("--features", config.features), ("--encoder", config.encoder)):
        for spec in specs:
            name, equals, place = spec.partition("=")
            expected = "NAME=FILE.npy, .npz, .safetensors or .parquet" if flag == "--features" else "NAME=FOLDER"
            require(name and equals and place, f"{flag} {spec}: expected {expected}")
            require(name not in rows, f"{flag} {spec}: {name} is given twice")
            rows[name] = _load_features(spec, place) if flag == "--features" else _load_encoder(place)
    return rows


def _load_encoder(place: str) -> Representation:
    with open_encoder_folder(place if place.startswith(PREFIX) else expand_path(place)) as folder:
        encode = load_encoder(folder)
        digest = encode.sha256 if isinstance(encode, SparseCoder) else verify_manifest(folder)
    require(
        isinstance(encode, SparseCoder) or not encode.metadata.stacked,
        f"--encoder {place}: holds the encoders of several seeds; publish one, export.py --seed best",
    )
    return dataclasses.replace(encoder(encode), sha256=digest, function_sha256="")


def find_own_training_rows(
    config: CompareConfig, dataset: Dataset, representations: Mapping[str, Representation]
) -> list[str]:
    """Returns a warning if a resolved config tests published encoders on rows that they were trained on."""
    names = [name for name, one in representations.items() if is_trained_on(one, dataset)]
    if not names or config.split.design == "holdout":
        return []
    return [
        f"{list_names(names)}: trained on these data, and cross-validation also tests the rows of this training; test "
        "those that it held out, by its --test-seed, --test-fraction and --split with --design holdout"
    ]


def is_trained_on(representation: Representation, dataset: Dataset) -> bool:
    """Returns whether an encoder was trained by this package on rows of a dataset that has no official test set."""
    return dataset.test_rows is None and representation.dataset_sha256 == dataset.sha256


def require_columns(representations: Mapping[str, Representation], dataset: Dataset) -> None:
    """Raises InputError if an encoder of a table reads other columns than those of the data, or in another order."""
    for name, representation in representations.items():
        table = representation.table
        if table is None or dataset.table is None:
            continue
        for number, (one, other) in enumerate(itertools.zip_longest(table.columns, dataset.table.columns), 1):
            require(
                one and other and (one.feature_names, one.categories) == (other.feature_names, other.categories),
                f"{name}: column {number} of its table is {_describe(one)}, and of the data {_describe(other)}; give "
                f"data with its columns: {list_names([column.name for column in table.columns])}",
            )


def _describe(column: Column | None) -> str:
    if column is None:
        return "missing"
    categories = f" with the categories {list_names(column.categories)}" if column.categories else ""
    return f"{column.name!r}{categories}{' and an indicator of missing values' if column.indicator else ''}"


def _load_features(spec: str, place: str) -> Representation:
    file, colon, key = place.rpartition(":")
    if not colon or Path(file).suffix.lower() not in READERS:
        file, key = place, ""
    path = expand_path(file)
    require(path.is_file(), f"--features {spec}: {path}: no such file")
    suffix = path.suffix.lower()
    require(suffix in READERS, f"--features {spec}: expected a file ending in {', '.join(READERS)}")
    try:
        return precomputed(*READERS[suffix](path, key))
    except InputError as error:
        raise InputError(f"--features {spec}: {error}") from None


def _read_npy(path: Path, key: str) -> FeaturesAndRows:
    return _as_features(open_npy(path), path), None


def _read_npz(path: Path, key: str) -> FeaturesAndRows:
    with open_archive(path) as readers:
        return _choose_arrays(readers, path, key)


def _read_safetensors(path: Path, key: str) -> FeaturesAndRows:
    installed = importlib.util.find_spec("safetensors") is not None
    require(installed, f"{path}: needs safetensors; pip install 'aejax[export]', or save the features as .npz")
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            readers = {name: functools.partial(file.get_tensor, name) for name in file.keys()}  # noqa: SIM118
            return _choose_arrays(readers, path, key)
    except (SafetensorError, OSError, TypeError) as error:  # the last: a type that NumPy lacks, such as bfloat16
        raise InputError(f"{path}: cannot be read ({summarize_error(error, 120)})") from None


def _choose_arrays(readers: Mapping[str, Callable[[], np.ndarray]], path: Path, key: str) -> FeaturesAndRows:
    """Returns the array `key`, or the only one that is no row numbers, and the row numbers."""
    names = [name for name in readers if name != ROW_NAME]
    require(names, f"{path}: holds no array of features")
    require(key or len(names) == 1, f"{path}: holds {list_names(names)}; name one, {path.name}:{names[0]}")
    require(not key or key in readers, f"{path}: has no array {key!r}; there are {list_names(names)}")
    return _as_features(readers[key or names[0]](), path), readers[ROW_NAME]() if ROW_NAME in readers else None


def _read_parquet(path: Path, key: str) -> FeaturesAndRows:
    """Returns the columns of a table, or those whose names begin with `key`, and its row numbers."""
    table = open_arrow_table(path, {})
    frame = table.read(()).drop(columns=[*table.index_columns])
    chosen = frame[[name for name in frame.columns if str(name).startswith(key) and name != ROW_NAME]]
    require(chosen.shape[1], f"{path}: no column begins with {key!r}; there are {list_names(list(map(str, frame)))}")
    words = [str(name) for name in chosen.columns if chosen[name].dtype.kind not in "biuf"]
    require(
        not words, f"{path}: column {words[0] if words else ''!r} is not of numbers; name a prefix of those that are"
    )
    return _as_features(chosen.to_numpy(float), path), frame[ROW_NAME].to_numpy() if ROW_NAME in frame else None


READERS: dict[str, Callable[[Path, str], FeaturesAndRows]] = {
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".safetensors": _read_safetensors,
    ".parquet": _read_parquet,
}


def _as_features(array: np.ndarray, path: Path) -> Float[np.ndarray, "..."]:
    require(
        array.dtype.kind in "biuf" and array.ndim in (2, 3),
        f"{path}: holds {array.dtype} of shape {array.shape}; expected numbers (n, width) or (trainings, n, width)",
    )
    require_host_memory(4 * array.size, f"{path}: features")
    with np.errstate(over="ignore"):  # infinite features are rejected with their row
        return np.asarray(array, np.float32)
