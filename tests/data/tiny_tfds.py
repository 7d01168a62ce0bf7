"""Writes a small prepared TFDS set called `tiny`."""

import io
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds
from expected_errors import error_message
from PIL import Image

from aejax.data.tfds_dataset import load_tfds

feature_types = tfds.features
OFFLINE = tfds.download.DownloadConfig(try_download_gcs=False)
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (30, 4, 5), dtype=np.uint8)
LABELS = np.arange(30) % 3
COLOURS = ("red", "green", "blue")
PICTURE = {"image": feature_types.Image(shape=(4, 5, 1)), "label": feature_types.ClassLabel(names=COLOURS)}


def png(image: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG")
    return stream.getvalue()


RECORDS = [{"image": png(image), "label": int(label)} for image, label in zip(IMAGES, LABELS, strict=True)]

NUMBERS = [{"a": i / 4, "b": i, "c": [i, i + 1.0, i + 2.0], "kind": i % 2} for i in range(12)]
FLAT = {
    "a": feature_types.Scalar(np.float32),
    "b": feature_types.Scalar(np.int64),
    "c": feature_types.Tensor(shape=(3,), dtype=np.float32),
    "kind": feature_types.ClassLabel(names=["no", "yes"]),
}
TWO_LABELS = {**PICTURE, "size": feature_types.ClassLabel(names=["small", "large"])}
TWO_RECORDS = [record | {"size": i % 2} for i, record in enumerate(RECORDS)]


def builder_class(features, splits, supervised=None, version="1.0.0", config=None):
    """A builder that TFDS does not know by name; a subclass of it, it does."""

    class Tiny(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        name = "tiny"
        VERSION = tfds.core.Version(version)
        BUILDER_CONFIGS = [tfds.core.BuilderConfig(name=config)] if config else []

        def _info(self):
            return tfds.core.DatasetInfo(
                builder=self, features=feature_types.FeaturesDict(features), supervised_keys=supervised
            )

        def _split_generators(self, dl_manager):
            return {split: self._generate_examples(records) for split, records in splits.items()}

        def _generate_examples(self, records):
            yield from enumerate(records)

    return Tiny


def write(root: Path, features=None, splits=None, **options) -> Path:
    """A prepared set called `tiny`, without registering its builder."""
    builder = builder_class(features or PICTURE, splits or {"train": RECORDS}, **options)(data_dir=root)
    builder.download_and_prepare(file_format="array_record", download_config=OFFLINE)
    return Path(builder.data_dir)


def tfds_error(name: str, root: Path, **options) -> str:
    return error_message(load_tfds, name, root, **options)


def pairs(images: np.ndarray, labels: np.ndarray) -> list[tuple[bytes, int]]:
    return sorted((image.tobytes(), int(label)) for image, label in zip(images, labels, strict=True))
