"""Which source a `--dataset` is, read as a stream."""

from pathlib import Path

from aejax.config import DataConfig
from aejax.data.dataset import Dataset
from aejax.data.stream.npy import INPUTS, NpySource
from aejax.data.stream.sample import sampled
from aejax.data.stream.source import Source
from aejax.errors import require

STREAMED = (
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
    source, test = _opened(config, path, data_dir)
    return sampled(source, test, config.stream_sample, config.shuffle_window)


def _opened(config: DataConfig, path: Path, data_dir: Path | None) -> tuple[Source, Source | None]:
    """What trains, and the official test examples where there are any."""
    require(path.exists(), f"--dataset {path}: no such file or folder; --stream reads {STREAMED}")
    if path.suffix == ".npy" or (path / INPUTS).exists():
        return NpySource(path), None
    require(False, f"--dataset {path}: cannot be streamed; --stream reads {STREAMED}")
    raise AssertionError
