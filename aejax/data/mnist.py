"""MNIST: from IDX files where there are any, else through tensorflow-datasets, without TensorFlow.

TFDS's own builder needs TensorFlow to unpack and read the download, so `prepare_mnist` runs a subclass of it that does
not. What it leaves on disk is an ordinary `mnist/3.0.1` folder that any TFDS reads.
"""

import hashlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from aejax.data.dataset import Dataset, make_dataset
from aejax.data.idx import find_idx_files, load_idx_folder, read_idx
from aejax.data.npz import read_arrays
from aejax.data.tfds_builder import import_tfds, limit_download_retries, silence_tfds, summarize_error, tfds_data_dir
from aejax.data.tfds_dataset import read_prepared
from aejax.errors import InputError, require

IDX_HINT = "point --data-dir at a folder with MNIST's four IDX files (train-images-idx3-ubyte.gz and so on)"
CACHE_ARRAYS = ("inputs", "labels", "sha256")  # arrays of the decoded copy
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
    """All 70,000 digits: `(70000, 28, 28, 1)` uint8; 60,000 training rows, then the official 10,000 test rows.

    IDX files in `data_dir` or its subfolder `mnist` are read as they are, once their SHA-256s are known to be the
    originals'. Otherwise TFDS prepares `mnist/3.0.1` in `data_dir`, downloading where it must, and the decoded arrays
    are kept beside it. TFDS shuffles on preparing, always in the same way, so the two routes give the same training
    and the same test examples, but in another order, and their datasets' `sha256` differ.

    Raises:
        InputError: files are damaged or are not MNIST's, or nothing is there and the download fails.
    """
    require(data_dir is None or not data_dir.is_file(), f"--data-dir {data_dir}: is a file; expected a folder")
    for folder in () if data_dir is None else (data_dir, data_dir / "mnist"):
        if files := find_idx_files(folder):
            for role, path in files.items():
                _verify_original(path, role)
            return load_idx_folder(folder, "mnist")
    tfds = _import_tfds()
    root = tfds_data_dir(tfds, data_dir)
    cache = root / "mnist" / "decoded-3.0.1.npz"
    decoded = _read_cache(cache)
    if decoded is None:
        decoded = read_prepared(tfds, tfds.builder_from_directory(prepare_mnist(root)), "mnist")
        _write_cache(cache, decoded)
    return decoded


def _import_tfds() -> Any:
    return import_tfds("--dataset mnist", f", or {IDX_HINT}")


def _verify_original(path: Path, role: str) -> None:
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    require(
        found in ORIGINAL_SHA256[role],
        f"{path}: SHA-256 {found} is not that of MNIST's {role}, {ORIGINAL_SHA256[role][path.suffix != '.gz']}; "
        "fetch it again, or, if it is another set in MNIST's format, give its folder as --dataset",
    )


def prepare_mnist(data_dir: Path, manual_dir: Path | None = None) -> Path:
    """TFDS's prepared folder `data_dir/mnist/3.0.1`, made now where it is not there yet.

    Args:
        data_dir: TFDS's root folder.
        manual_dir: a folder with the four `.gz` files, only read from; without it they are downloaded. TFDS checks
            sizes and SHA-256s either way.

    Raises:
        InputError: the download fails or gives another file than the one that is registered, or the disk refuses.
    """
    tfds = _import_tfds()
    download = tfds.core.download
    config = tfds.download.DownloadConfig(
        manual_dir=manual_dir, try_download_gcs=False, force_checksums_validation=True
    )
    try:
        with silence_tfds(), limit_download_retries():
            builder = _builder_class()(data_dir=data_dir)
            builder.download_and_prepare(file_format="array_record", download_config=config)
    except download.download_manager.NonMatchingChecksumError as error:
        raise InputError(f"{manual_dir or 'the download'}: not MNIST's original files; {IDX_HINT}") from error
    except (download.util.DownloadError, OSError) as error:
        raise InputError(f"MNIST cannot be prepared in {data_dir} ({summarize_error(error)}); {IDX_HINT}") from error
    except (ValueError, RuntimeError) as error:
        raise InputError(f"{data_dir}/mnist: damaged ({summarize_error(error)}); delete that folder") from error
    require(
        builder.info.file_format.value == "array_record",
        f"{builder.data_dir}: prepared as {builder.info.file_format.value}; expected array_record, which is read "
        f"without TensorFlow; give another --data-dir, or {IDX_HINT}",
    )
    return Path(builder.data_dir)


def _builder_class() -> Any:
    """TFDS's MNIST builder with the two steps replaced that need TensorFlow: unpacking and encoding."""
    tfds = _import_tfds()
    from tensorflow_datasets.image_classification.mnist import MNIST

    with tfds.core.registered.skip_registration():

        class MnistWithoutTensorFlow(MNIST):
            name = "mnist"

            def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
                stems = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
                files = dl_manager.download({stem: f"{self.URL}{stem}-ubyte.gz" for stem in stems})
                return {
                    "train": self._generate_examples(files["train-images-idx3"], files["train-labels-idx1"]),
                    "test": self._generate_examples(files["t10k-images-idx3"], files["t10k-labels-idx1"]),
                }

            def _generate_examples(
                self, image_path: os.PathLike[str], label_path: os.PathLike[str]
            ) -> Iterator[tuple[int, dict[str, Any]]]:
                from PIL import Image

                images, labels = read_idx(Path(image_path)), read_idx(Path(label_path))
                for row, (image, label) in enumerate(zip(images, labels, strict=True)):
                    png = io.BytesIO()
                    Image.fromarray(image).save(png, "PNG")
                    yield row, {"image": png.getvalue(), "label": int(label)}

    return MnistWithoutTensorFlow


def _make_mnist_dataset(images: np.ndarray, labels: np.ndarray, n_train: int, source: str) -> Dataset:
    test_rows = np.arange(n_train, len(images))
    return make_dataset("mnist", images, labels, source=source, value_range=(0.0, 255.0), test_rows=test_rows)


def _write_cache(path: Path, dataset: Dataset) -> None:
    """Keep the decoded arrays; a reader sees the whole file or none. A folder that is read-only goes without."""
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
            f"{path}: cannot be written ({error.strerror}); make room, or give another --data-dir"
        ) from error


def _read_cache(path: Path) -> Dataset | None:
    """The kept arrays, or None where there are none or they are not what was written."""
    try:
        arrays = read_arrays(path, lambda names: CACHE_ARRAYS)
        dataset = _make_mnist_dataset(arrays["inputs"], arrays["labels"], 60_000, str(path))
    except (OSError, InputError):
        return None  # it is a copy, and decoding again mends it
    return dataset if str(arrays["sha256"]) == dataset.sha256 else None
