"""Every place that data can come from: by name, by a scheme and a name, by a file's suffix, or as a folder."""

import difflib
import os
from collections.abc import Callable
from pathlib import Path

from aejax.config import DataConfig
from aejax.data.builtin import breast_cancer, digits, tabular, wine
from aejax.data.dataset import Dataset
from aejax.data.idx import find_idx_files, load_idx_folder
from aejax.data.image_folder import load_image_folder, require_within
from aejax.data.mnist import load_mnist, prepare_mnist
from aejax.data.npz import load_npz
from aejax.data.parquet import load_parquet
from aejax.data.stream.load import load_stream
from aejax.data.tables import load_csv
from aejax.data.tfds_dataset import load_tfds
from aejax.errors import InputError, require

DATA_DIR_VARIABLE = "AEJAX_DATA"


def resolve_data_dir(config: DataConfig) -> Path | None:
    """The folder for downloads and offline copies: `config.data_dir`, else the environment's `AEJAX_DATA`."""
    named = config.data_dir or os.environ.get(DATA_DIR_VARIABLE)
    return expand_path(named) if named else None


def expand_path(named: str | Path) -> Path:
    """A path with `~` and `~USER` replaced by the home they stand for.

    Raises:
        InputError: there is no such user, or nothing says where home is.
    """
    try:
        return Path(named).expanduser()
    except RuntimeError as error:
        raise InputError(f"{named}: no home is known for {Path(named).parts[0]}; give the whole path") from error


def mnist(config: DataConfig) -> Dataset:
    """MNIST by `load_mnist`, from or into `data_dir(config)`."""
    return load_mnist(resolve_data_dir(config))


def tfds(name: str, config: DataConfig) -> Dataset:
    """A set by its TFDS name, from or into `data_dir(config)`; MNIST is prepared without TensorFlow."""
    return load_tfds(
        name,
        resolve_data_dir(config),
        label=config.label_column,
        image_size=config.image_size,
        preparers={"mnist": prepare_mnist},
    )


NAMED_DATASETS: dict[str, Callable[[DataConfig], Dataset]] = {
    "digits": digits,
    "breast_cancer": breast_cancer,
    "wine": wine,
    "tabular": tabular,
    "mnist": mnist,
}

SCHEME_LOADERS: dict[str, Callable[[str, DataConfig], Dataset]] = {
    "tfds": tfds,
}

FILE_READERS: dict[str, Callable[[Path, DataConfig], Dataset]] = {
    ".csv": load_csv,
    ".npz": load_npz,
    ".parquet": load_parquet,
}


def load_dataset(config: DataConfig) -> Dataset:
    """What `config.dataset` asks for.

    A name in `SOURCES`, `SCHEME:NAME` with a scheme in `SCHEMES`, a file with a suffix in `READERS`, a folder with
    MNIST's IDX files, or a folder of images by class. A relative path starts from the working folder. The file or
    folder may itself be a link; links inside a folder must stay inside it, so that what is read is what was named.
    With `config.stream` it is the sample that `load_stream` holds in memory.

    Raises:
        InputError: there is no such thing, it cannot be read, or what it holds is refused.
    """
    require(config.dataset, f"--dataset '': names nothing; expected {_supported_datasets()}")
    scheme, colon, name = config.dataset.partition(":")
    try:
        if config.stream:
            return load_stream(config, expand_path(config.dataset), resolve_data_dir(config))
        if colon and scheme in SCHEME_LOADERS:
            return SCHEME_LOADERS[scheme](name, config)
        if config.dataset in NAMED_DATASETS:
            _reject_image_size(config)
            _reject_label_column(config)
            return NAMED_DATASETS[config.dataset](config)
        return _load_path(expand_path(config.dataset), config)
    except OSError as error:
        place = error.filename or config.dataset
        reason = error.strerror or type(error).__name__
        raise InputError(f"{place}: cannot be read ({reason}); check the file and its permissions") from error


def _load_path(path: Path, config: DataConfig) -> Dataset:
    if path.is_dir():
        _reject_label_column(config)
        if not find_idx_files(path):
            return load_image_folder(path, config.image_size)
    _reject_image_size(config)
    if path.is_dir():
        for file in find_idx_files(path).values():
            require_within(file, path)
        return load_idx_folder(path, path.resolve().name)
    suffix = path.suffix.lower()
    looks_like_path = suffix in FILE_READERS or path.parent != Path()
    require(path.exists() or looks_like_path, _unknown_dataset_message(config.dataset))
    require(path.exists(), f"--dataset {path}: no such file or folder; expected {_supported_datasets()}")
    require(
        suffix in FILE_READERS,
        f"--dataset {path}: files ending in {suffix or 'nothing'!r} are not read; expected {_supported_datasets()}",
    )
    require(path.is_file(), f"--dataset {path}: a pipe or device, which cannot be read twice; copy it into a file")
    if suffix == ".npz":
        _reject_label_column(config)
    return FILE_READERS[suffix](path, config)


def _reject_image_size(config: DataConfig) -> None:
    require(
        config.image_size is None,
        f"--image-size {config.image_size}: {config.dataset} is not resized, only folders of images and tfds: sets "
        "are; leave it out",
    )


def _reject_label_column(config: DataConfig) -> None:
    require(
        config.label_column is None,
        f"--label-column {config.label_column}: {config.dataset} has no columns to choose from, only tables (.csv, "
        ".parquet) and tfds: sets have; leave it out",
    )


def _unknown_dataset_message(name: str) -> str:
    near = difflib.get_close_matches(name.lower(), NAMED_DATASETS, n=3)
    hint = f" did you mean {' or '.join(near)}?" if near else ""
    return f"--dataset {name}: no such dataset;{hint} expected {_supported_datasets()}"


def _supported_datasets() -> str:
    return (
        f"{', '.join(NAMED_DATASETS)}, {' or '.join(f'{scheme}:NAME' for scheme in SCHEME_LOADERS)}, a path to a "
        f"{' or '.join(FILE_READERS)} file, a folder with one folder of images per class, or one with MNIST's IDX files"
    )
