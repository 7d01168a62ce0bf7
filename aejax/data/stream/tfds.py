"""TFDS sets that are prepared as array_record files, as sources: records are decoded when they are read."""

from pathlib import Path

import numpy as np
from jaxtyping import Int, Shaped

from aejax.data.images import EncodedImage, ImageHeader, decode_pixels, read_common_header
from aejax.data.packages import tfds_data_dir
from aejax.data.stream.source import storage_dtype, to_storage_dtype
from aejax.data.tfds_dataset import PreparedSet, describe_prepared
from aejax.data.tfds_records import RecordReader, file_formats, open_builder
from aejax.errors import require

RECORDS_PER_READ = 1024
PREPARE_HINT = "prepare it with tfds.builder(...).download_and_prepare(file_format='array_record')"


class TfdsSource:
    """One split of a prepared set.

    Images have one channel where the set declares one, else three; numbers are as in `load_tfds`.

    Raises:
        InputError: the records cannot be read.
    """

    has_labels = True
    is_encoded = True

    def __init__(self, prepared: PreparedSet, split: str, name: str, image_size: int | None) -> None:
        self._prepared, self._split, self._image_size = prepared, split, image_size
        self._records = RecordReader(prepared.builder, split)
        self.name, self.n_examples = name, len(self._records)
        self.nbytes = prepared.builder.info.splits[split].num_bytes
        self.class_names: tuple[str, ...] | None = prepared.class_names
        self.value_range: tuple[float, float] | None = None
        self.example_shape: tuple[int, ...]
        self._header = None if prepared.image is None else self._image_header(prepared.image)
        if self._header is not None:
            self.example_shape, self.dtype, self.value_range = self._header.shape, np.dtype(np.uint8), (0.0, 255.0)
        else:
            self.example_shape, self.dtype = prepared.numbers_shape, storage_dtype(prepared.numbers_dtype)

    def read(self, rows: Int[np.ndarray, " k"]) -> Shaped[np.ndarray, "k *shape"]:
        """Returns examples, as `DataSource.read`."""
        examples = np.empty((len(rows), *self.example_shape), self.dtype)
        read_block = self._read_numbers if self._header is None else self._read_images
        for start in range(0, len(rows), RECORDS_PER_READ):
            block = slice(start, start + RECORDS_PER_READ)
            examples[block] = read_block(rows[block])
        return examples

    def read_labels(self, rows: Int[np.ndarray, " k"]) -> Shaped[np.ndarray, " k"]:
        """Returns labels, as `DataSource.read_labels`."""
        label = self._prepared.label
        return np.array([record[label] for record in self._records.read(rows.tolist(), (label,))])

    def describe_row(self, row: int) -> str:
        """Returns the set, the split and the record."""
        return f"tfds:{self.name}: record {row} of {self._split}"

    def _read_images(self, rows: Int[np.ndarray, " k"]) -> np.ndarray:
        assert self._header is not None
        assert self._prepared.image is not None
        return decode_pixels(self._encoded_images(rows, self._prepared.image), self._header, self._image_size)

    def _read_numbers(self, rows: Int[np.ndarray, " k"]) -> np.ndarray:
        records = self._records.read(rows.tolist(), self._prepared.input_names)
        return to_storage_dtype(self._prepared.concatenate(records), self, rows)

    def _image_header(self, image: str) -> ImageHeader:
        """Returns the image size that the set declares, or else that of its first image."""
        height, width, channels = self._prepared.builder.info.features[image].shape
        if self._image_size or height is None or width is None:
            first = self._encoded_images(np.zeros(1, np.int64), image)
            height, width, _ = read_common_header(first, self.name, self._image_size)
        return ImageHeader(height, width, channels == 1)

    def _encoded_images(self, rows: Int[np.ndarray, " k"], image: str) -> list[EncodedImage]:
        records = self._records.read(rows.tolist(), (image,), (image,))
        return [
            EncodedImage(self.describe_row(row), record[image])
            for row, record in zip(rows.tolist(), records, strict=True)
        ]


def open_tfds(
    name: str, data_dir: Path | None, *, label: str | None = None, image_size: int | None = None
) -> tuple[TfdsSource, TfdsSource | None]:
    """Returns the training split and, where there is one, the official test split of a set prepared in `data_dir`.

    Args:
        name: NAME, NAME/CONFIG, NAME:VERSION or NAME/CONFIG:VERSION.
        data_dir: TFDS's root folder; None: TFDS's own.
        label: the feature with the class; None: the set's supervised key.
        image_size: resize images to this many pixels square.

    Raises:
        InputError: it is not prepared as array_record, or `select_features` rejects it.
    """
    builder = open_builder(name, tfds_data_dir(data_dir), prepare=False)
    formats = file_formats(builder)
    require(
        "array_record" in formats, f"{builder.data_dir}: prepared as {' and '.join(sorted(formats))}; {PREPARE_HINT}"
    )
    prepared = describe_prepared(builder, name, label, image_size)
    train, *test = (TfdsSource(prepared, split, name, image_size) for split in prepared.splits)
    return train, test[0] if test else None
