"""Which source a `--dataset` is, read as a stream."""

from pathlib import Path

from aejax.config import DataConfig
from aejax.data.dataset import Dataset
from aejax.data.idx import find_idx_files
from aejax.data.mnist import prepare_mnist
from aejax.data.stream.array_records import ArrayRecordSource, list_record_files
from aejax.data.stream.holdout import hold_out_sample
from aejax.data.stream.image_folder import open_image_folder
from aejax.data.stream.npy import INPUTS_FILE, NpySource
from aejax.data.stream.source import DataSource
from aejax.data.stream.tfds import open_tfds
from aejax.errors import require

STREAMABLE = (
    "mnist, a prepared tfds:NAME, an .npy file, a folder with inputs.npy (and labels.npy), a folder of .array_record "
    "files, or one with a folder of images for each class"
)


def load_stream(config: DataConfig, path: Path, data_dir: Path | None) -> Dataset:
    """The sample in memory of what `config.dataset` names, with its stream.

    Args:
        config: with `stream`.
        path: what the dataset is, if it is one.
        data_dir: where prepared sets lie.

    Raises:
        InputError: it cannot be streamed.
    """
    source, test = _open_source(config, path, data_dir)
    return hold_out_sample(source, test, config.stream_sample, config.shuffle_window)


def _open_source(config: DataConfig, path: Path, data_dir: Path | None) -> tuple[DataSource, DataSource | None]:
    """What trains, and the official test examples where there are any."""
    name = "tfds:mnist" if config.dataset == "mnist" else config.dataset
    if name.startswith("tfds:"):
        return open_tfds(
            name.removeprefix("tfds:"),
            data_dir,
            label=config.label_column,
            image_size=config.image_size,
            preparers={"mnist": _prepare_mnist},
        )
    require(config.label_column is None, f"--label-column {config.label_column}: {path} has no columns; leave it out")
    require(path.exists(), f"--dataset {path}: no such file or folder; --stream reads {STREAMABLE}")
    images = path.is_dir() and not (path / INPUTS_FILE).exists() and not list_record_files(path)
    require(
        images or config.image_size is None, f"--image-size {config.image_size}: {path} holds no images; leave it out"
    )
    if images:
        require(any(path.iterdir()), f"--dataset {path}: is empty; --stream reads {STREAMABLE}")
        return open_image_folder(path, config.image_size)
    if path.is_dir() and not (path / INPUTS_FILE).exists():
        return ArrayRecordSource(path), None
    require(
        path.is_dir() or path.suffix == ".npy", f"--dataset {path}: cannot be streamed; --stream reads {STREAMABLE}"
    )
    return NpySource(path), None


def _prepare_mnist(root: Path) -> None:
    """MNIST as array_record in `root`, from the four original files where they lie there."""
    for folder in (root, root / "mnist"):
        files = find_idx_files(folder)
        if files and all(path.suffix == ".gz" for path in files.values()):
            prepare_mnist(root, folder)
            return
    prepare_mnist(root)
