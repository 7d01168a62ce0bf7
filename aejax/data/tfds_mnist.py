"""Prepares MNIST with tensorflow-datasets (TFDS) without TensorFlow, and loads what was prepared.

TFDS's own builder needs TensorFlow to unpack and encode the download, so `prepare_mnist` uses a subclass that does not.
It writes an ordinary `mnist/3.0.1` folder that any TFDS can read.
"""

import io
import os
import socket
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from aejax.data.dataset import Dataset, make_dataset
from aejax.data.idx import MNIST_FILES, find_idx_files, read_idx
from aejax.data.mnist import IDX_HINT, verify_originals
from aejax.data.npz import read_arrays
from aejax.data.tfds_builder import Preparers, silence_tfds, tfds_data_dir
from aejax.data.tfds_dataset import read_prepared
from aejax.errors import InputError, require, summarize_error

MNIST_URL = "https://storage.googleapis.com/cvdf-datasets/mnist/"  # where TFDS downloads from
VERSION = "3.0.1"
CONNECT_TIMEOUT = 10.0  # seconds
N_TRAIN = 60_000
CACHE_ARRAYS = ("inputs", "labels", "sha256")  # arrays of the cache of decoded images


def load_prepared_mnist(data_dir: Path | None = None) -> Dataset:
    """Loads `mnist/3.0.1` in a TFDS folder, which is prepared and decoded first where that was not done before."""
    root = tfds_data_dir(data_dir)
    cache = root / "mnist" / f"decoded-{VERSION}.npz"
    dataset = _read_cache(cache)
    if dataset is None:
        dataset = read_prepared(tfds.builder_from_directory(prepare_mnist(root)), "mnist")
        _write_cache(cache, dataset)
    return dataset


def prepare_mnist(data_dir: Path, manual_dir: Path | None = None) -> Path:
    """Returns TFDS's prepared folder `data_dir/mnist/3.0.1`, and prepares it if it does not exist.

    Args:
        data_dir: TFDS's root folder.
        manual_dir: a folder with the four `.gz` files, which is only read; default: `data_dir` or `data_dir/mnist` if
            they are there, else they are downloaded. SHA-256s are verified either way.

    Raises:
        InputError: the download fails or gives other files than the originals, or the folder cannot be written.
    """
    if manual_dir is None:
        manual_dir = next(filter(_has_downloads, (data_dir, data_dir / "mnist")), None)
    if manual_dir is not None:
        verify_originals(find_idx_files(manual_dir))
    config = tfds.download.DownloadConfig(
        manual_dir=manual_dir, try_download_gcs=False, force_checksums_validation=True
    )
    try:
        with silence_tfds():
            builder = _builder_class()(data_dir=data_dir)
            if not (manual_dir or Path(builder.data_dir).exists() or (data_dir / "downloads").exists()):
                _require_connection(MNIST_URL)
            builder.download_and_prepare(file_format="array_record", download_config=config)
    except Exception as error:  # damage of each file, and failure of each step, has its own type
        folder = data_dir / "mnist" / VERSION
        if folder.exists():
            raise InputError(f"{folder}: damaged ({summarize_error(error)}); delete that folder") from error
        raise InputError(f"MNIST cannot be prepared in {data_dir} ({summarize_error(error)}); {IDX_HINT}") from error
    require(
        builder.info.file_format.value == "array_record",
        f"{builder.data_dir}: prepared as {builder.info.file_format.value}; expected array_record, which is read "
        f"without TensorFlow; give another --data-dir, or {IDX_HINT}",
    )
    return Path(builder.data_dir)


TFDS_PREPARERS: Preparers = {"mnist": prepare_mnist}  # of the sets that are prepared without TensorFlow


def _has_downloads(folder: Path) -> bool:
    """Whether `folder` holds the four files as they are downloaded."""
    files = find_idx_files(folder)
    return files.keys() == MNIST_FILES.keys() and all(path.suffix == ".gz" for path in files.values())


def _require_connection(url: str) -> None:
    """Raises OSError if the host of `url` cannot be reached directly, which TFDS would retry for minutes."""
    if not urllib.request.getproxies():
        socket.create_connection((urllib.parse.urlsplit(url).hostname, 443), CONNECT_TIMEOUT).close()


def _builder_class() -> Any:
    """Returns TFDS's MNIST builder with unpacking and encoding replaced, which need TensorFlow."""

    class MnistWithoutTensorFlow(tfds.builder_cls("mnist"), skip_registration=True):  # type: ignore
        name = "mnist"

        def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
            stems = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
            files = dl_manager.download({stem: f"{MNIST_URL}{stem}-ubyte.gz" for stem in stems})
            return {
                "train": self._generate_examples(files["train-images-idx3"], files["train-labels-idx1"]),
                "test": self._generate_examples(files["t10k-images-idx3"], files["t10k-labels-idx1"]),
            }

        def _generate_examples(
            self, image_path: os.PathLike[str], label_path: os.PathLike[str]
        ) -> Iterator[tuple[int, dict[str, Any]]]:
            images, labels = read_idx(Path(image_path)), read_idx(Path(label_path))
            for row, (image, label) in enumerate(zip(images, labels, strict=True)):
                png = io.BytesIO()
                Image.fromarray(image).save(png, "PNG")
                yield row, {"image": png.getvalue(), "label": int(label)}

    return MnistWithoutTensorFlow


def _write_cache(path: Path, dataset: Dataset) -> None:
    """Writes the decoded arrays atomically; does nothing in a read-only folder."""
    if not os.access(path.parent, os.W_OK):
        return
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with unfinished.open("wb") as file:
            np.savez(file, inputs=dataset.inputs, labels=dataset.labels, sha256=np.array(dataset.sha256))
        os.replace(unfinished, path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise InputError(
            f"{path}: cannot be written ({error.strerror}); free disk space, or give another --data-dir"
        ) from error


def _read_cache(path: Path) -> Dataset | None:
    """Returns the cached arrays, or None if there are none or they are damaged."""
    try:
        arrays = read_arrays(path, lambda names: CACHE_ARRAYS)
        dataset = make_dataset(
            "mnist",
            arrays["inputs"],
            arrays["labels"],
            source=str(path),
            value_range=(0.0, 255.0),
            test_rows=np.arange(N_TRAIN, len(arrays["inputs"])),
        )
    except (OSError, InputError):
        return None  # the images are decoded again
    return dataset if str(arrays["sha256"]) == dataset.sha256 else None
