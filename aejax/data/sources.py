"""Every place that data can come from, by name, by a file's suffix, or as a folder."""

import difflib
import os
from collections.abc import Callable
from pathlib import Path

from aejax.config import DataConfig
from aejax.data.dataset import Dataset
from aejax.data.embedded import breast_cancer, digits, tabular, wine
from aejax.data.files import load_csv, load_npz
from aejax.data.idx import load_idx_folder
from aejax.data.tfds import load_mnist
from aejax.errors import InputError, require

DATA_DIR_VARIABLE = "AEJAX_DATA"


def data_dir(config: DataConfig) -> Path | None:
    """The folder for downloads and offline copies: `config.data_dir`, else the environment's `AEJAX_DATA`."""
    named = config.data_dir or os.environ.get(DATA_DIR_VARIABLE)
    return Path(named).expanduser() if named else None


def mnist(config: DataConfig) -> Dataset:
    """MNIST by `load_mnist`, from or into `data_dir(config)`."""
    return load_mnist(data_dir(config))


SOURCES: dict[str, Callable[[DataConfig], Dataset]] = {
    "digits": digits,
    "breast_cancer": breast_cancer,
    "wine": wine,
    "tabular": tabular,
    "mnist": mnist,
}

READERS: dict[str, Callable[[Path, DataConfig], Dataset]] = {
    ".csv": load_csv,
    ".npz": load_npz,
}


def load(config: DataConfig) -> Dataset:
    """What `config.dataset` asks for: a name in `SOURCES`, a file with a suffix in `READERS`, or a folder of IDX files.

    A relative path starts from the working folder.

    Raises:
        InputError: there is no such thing, it cannot be read, or what it holds is refused.
    """
    try:
        if config.dataset in SOURCES:
            return SOURCES[config.dataset](config)
        return _load_path(Path(config.dataset).expanduser(), config)
    except OSError as error:
        place = error.filename or config.dataset
        reason = error.strerror or type(error).__name__
        raise InputError(f"{place}: cannot be read ({reason}); check the file and its permissions") from error


def _load_path(path: Path, config: DataConfig) -> Dataset:
    if path.is_dir():
        return load_idx_folder(path, path.resolve().name)
    suffix = path.suffix.lower()
    looks_like_path = suffix in READERS or path.parent != Path()
    require(path.exists() or looks_like_path, _unknown(config.dataset))
    require(path.exists(), f"--dataset {path}: no such file or folder; expected {_supported()}")
    require(
        suffix in READERS,
        f"--dataset {path}: files ending in {suffix or 'nothing'!r} are not read; expected {_supported()}",
    )
    return READERS[suffix](path, config)


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name.lower(), SOURCES, n=3)
    hint = f" did you mean {' or '.join(near)}?" if near else ""
    return f"--dataset {name}: no such dataset;{hint} expected {_supported()}"


def _supported() -> str:
    return f"{', '.join(SOURCES)}, a path to a {' or '.join(READERS)} file, or a folder with MNIST's four IDX files"
