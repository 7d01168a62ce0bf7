"""Loads files and folders of arrays: `.npz` archives, `.npy` files with `inputs` and `labels`, MNIST's IDX files."""

from pathlib import Path

from aejax.config import DataConfig
from aejax.data.dataset import Dataset
from aejax.data.idx import locate_idx_files, read_idx_splits
from aejax.data.labelled_arrays import ArraySplits, add_test_file, dataset_from_splits
from aejax.data.npy import find_npy_files, read_npy_folder
from aejax.data.npz import read_npz
from aejax.errors import require

ARRAY_SUFFIX = ".npz"


def is_array_source(path: Path) -> bool:
    """Whether a path is an `.npz` file, or a folder or prefix of `.npy` or IDX files."""
    if path.is_dir():
        return locate_idx_files(path) is not None or bool(find_npy_files(path))
    return (path.suffix.lower() == ARRAY_SUFFIX and path.is_file()) or locate_idx_files(path) is not None


def load_arrays(path: Path, config: DataConfig) -> Dataset:
    """Loads arrays with labels; of `config`, `label_column`, `layout`, `image_shape` and `test` are used.

    Raises:
        InputError: files are damaged or need pickle, or arrays cannot be understood.
    """
    name, splits = _read_splits(path, config.label_column)
    if config.test is not None:
        require(is_array_source(config.test), f"--test {config.test}: no file or folder of arrays, which {path} is")
        _, other = _read_splits(config.test, config.label_column, is_test_file=True)
        splits = add_test_file(splits, other)
    return dataset_from_splits(splits, config, name)


def _read_splits(path: Path, label_column: str | None, is_test_file: bool = False) -> tuple[str, ArraySplits]:
    """Returns the dataset's name and its arrays."""
    idx_files = locate_idx_files(path)
    if idx_files:
        require(
            label_column is None, f"--label-column {label_column}: {path} has no columns to choose from; leave it out"
        )
        return idx_files.name, read_idx_splits(idx_files, is_test_file)
    if path.is_dir():
        return path.resolve().name, read_npy_folder(path, label_column)
    return path.stem, read_npz(path, label_column)
