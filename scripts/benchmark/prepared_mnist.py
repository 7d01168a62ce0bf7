"""Prepares MNIST as a set of tensorflow-datasets (TFDS) without TensorFlow, to measure how fast it is streamed.

TFDS's own builder needs TensorFlow to unpack and encode the download, so `prepare_mnist` uses a subclass that does not.
It writes an ordinary `mnist/3.0.1` folder that any TFDS can read.
"""

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds
from PIL import Image

from aejax.data.idx import MNIST_FILES, find_idx_files, read_idx
from aejax.data.mnist import MNIST_URL, load_mnist
from aejax.data.tfds_records import silence_tfds
from aejax.errors import require


def prepare_mnist(data_dir: Path, files_dir: Path) -> Path:
    """Returns TFDS's prepared folder `data_dir/mnist/3.0.1`, made from the four `.gz` files in `files_dir`.

    Raises:
        InputError: the files are not there, or not the originals.
    """
    require(len(find_idx_files(files_dir)) == len(MNIST_FILES), f"{files_dir}: holds not all of MNIST's four IDX files")
    load_mnist(files_dir)
    config = tfds.download.DownloadConfig(manual_dir=files_dir, try_download_gcs=False, force_checksums_validation=True)
    with silence_tfds():
        builder = _builder_class()(data_dir=data_dir)
        builder.download_and_prepare(file_format="array_record", download_config=config)
    return Path(builder.data_dir)


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
