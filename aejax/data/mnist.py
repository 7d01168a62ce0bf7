"""Loads MNIST from IDX files or through tensorflow-datasets (TFDS), without TensorFlow.

TFDS's own builder needs TensorFlow to unpack and encode the download, so `prepare_mnist` uses a subclass that does not.
It writes an ordinary `mnist/3.0.1` folder that any TFDS can read.
"""

import hashlib
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
from aejax.data.idx import MNIST_FILES, find_idx_files, load_idx_folder, read_idx
from aejax.data.npz import read_arrays
from aejax.data.tfds_builder import Preparers, silence_tfds, tfds_data_dir
from aejax.data.tfds_dataset import read_prepared
from aejax.errors import InputError, require, summarize_error

MNIST_URL = "https://storage.googleapis.com/cvdf-datasets/mnist/"  # where TFDS downloads from
VERSION = "3.0.1"
CONNECT_TIMEOUT = 10.0  # seconds
N_TRAIN = 60_000
IDX_HINT = "point --data-dir at a folder with MNIST's four IDX files (train-images-idx3-ubyte.gz and so on)"
CACHE_ARRAYS = ("inputs", "labels", "sha256")  # arrays of the cache of decoded images
ORIGINAL_SHA256 = {  # SHA-256 of each original file: gzipped, as TFDS registers it, and unpacked
    "train images": (
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    ),
    "train labels": (
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ),
    "test images": (
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    ),
    "test labels": (
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
}


def load_mnist(data_dir: Path | None = None) -> Dataset:
    """Loads all 70,000 digits: `(70000, 28, 28, 1)` uint8; 60,000 training rows, then the official 10,000 test rows.

    IDX files in `data_dir` or its subfolder `mnist` are read directly if their SHA-256s are those of the originals.
    Otherwise TFDS prepares `mnist/3.0.1` in `data_dir`, downloading what is missing, and the decoded arrays are cached
    next to it. TFDS shuffles deterministically when it prepares a set, so both routes give the same training and test
    examples in different order, and the `sha256` of their datasets differ.

    Raises:
        InputError: files are damaged or not MNIST's, or there are no files and the download fails.
    """
    require(data_dir is None or not data_dir.is_file(), f"--data-dir {data_dir}: is a file; expected a folder")
    for folder in () if data_dir is None else (data_dir, data_dir / "mnist"):
        if find_idx_files(folder):
            _verify_originals(folder)
            return load_idx_folder(folder, "mnist")
    root = tfds_data_dir(data_dir)
    cache = root / "mnist" / f"decoded-{VERSION}.npz"
    dataset = _read_cache(cache)
    if dataset is None:
        dataset = read_prepared(tfds.builder_from_directory(prepare_mnist(root)), "mnist")
        _write_cache(cache, dataset)
    return dataset


def _verify_originals(folder: Path) -> None:
    """Raises InputError if an IDX file in `folder` is not MNIST's original."""
    for role, path in find_idx_files(folder).items():
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        require(
            digest in ORIGINAL_SHA256[role],
            f"{path}: SHA-256 {digest} is not that of MNIST's {role}, {ORIGINAL_SHA256[role][path.suffix != '.gz']}; "
            "fetch it again, or, if it is another dataset in MNIST's format, give its folder as --dataset",
        )


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
        _verify_originals(manual_dir)
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
