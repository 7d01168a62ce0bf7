"""TFDS sets that are prepared as array_record files, as sources: records are decoded when they are read."""

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import Int, Shaped

from aejax.data.images import EncodedImage, ImageHeader, decode_pixels, read_common_header
from aejax.data.packages import tfds_data_dir
from aejax.data.stream.source import DataSource, storage_dtype, to_storage_dtype
from aejax.data.tfds_dataset import PreparedSet, describe_prepared
from aejax.data.tfds_records import RecordReader, file_formats, open_builder
from aejax.errors import require

RECORDS_PER_READ = 1024
PREPARE_HINT = "prepare it with tfds.builder(...).download_and_prepare(file_format='array_record')"


def open_tfds(
    name: str, data_dir: Path | None, *, label: str | None = None, image_size: int | None = None
) -> tuple[DataSource, DataSource | None]:
    """Returns the training split and, where there is one, the official test split of a set prepared in `data_dir`.

    Images have one channel where the set declares one, else three; numbers are as in `load_tfds`.

    Args:
        name: NAME, NAME/CONFIG, NAME:VERSION or NAME/CONFIG:VERSION.
        data_dir: TFDS's root folder; None: TFDS's own.
        label: the feature with the class; None: the set's supervised key.
        image_size: resize images to this many pixels square.

    Raises:
        InputError: it is not prepared as array_record, its records cannot be read, or `describe_prepared` rejects it.
    """
    builder = open_builder(name, tfds_data_dir(data_dir), prepare=False)
    formats = file_formats(builder)
    require(
        "array_record" in formats, f"{builder.data_dir}: prepared as {' and '.join(sorted(formats))}; {PREPARE_HINT}"
    )
    prepared = describe_prepared(builder, name, label, image_size)
    train, *test = (_open_split(prepared, split, name, image_size) for split in prepared.splits)
    return train, test[0] if test else None


def _open_split(prepared: PreparedSet, split: str, name: str, image_size: int | None) -> DataSource:
    records, label = RecordReader(prepared.builder, split), prepared.label

    def encoded_images(rows: Int[np.ndarray, " k"]) -> list[EncodedImage]:
        return prepared.encoded_images(records.read(rows, prepared.input_names), split, rows)

    header = _image_header(prepared, image_size, encoded_images) if prepared.image else None
    describe_row = functools.partial(prepared.describe_record, split)

    def read_block(rows: Int[np.ndarray, " k"]) -> np.ndarray:
        if header is not None:
            return decode_pixels(encoded_images(rows), header, image_size)
        return to_storage_dtype(prepared.concatenate(records.read(rows, prepared.input_names)), rows, describe_row)

    def read(rows: Int[np.ndarray, " k"]) -> Shaped[np.ndarray, "k *shape"]:
        starts = range(0, len(rows), RECORDS_PER_READ)
        return np.concatenate([read_block(rows[start : start + RECORDS_PER_READ]) for start in starts])

    return DataSource(
        name=name,
        n_examples=len(records),
        example_shape=prepared.numbers_shape if header is None else header.shape,
        dtype=np.dtype(np.uint8) if header is not None else storage_dtype(prepared.numbers_dtype),
        nbytes=prepared.builder.info.splits[split].num_bytes,
        read=read,
        read_labels=lambda rows: np.array([record[label] for record in records.read(rows, (label,))]),
        describe_row=describe_row,
        value_range=None if header is None else (0.0, 255.0),
        class_names=prepared.class_names,
        is_encoded=True,
    )


def _image_header(
    prepared: PreparedSet, image_size: int | None, encoded_images: Callable[[np.ndarray], list[EncodedImage]]
) -> ImageHeader:
    """Returns the image size that the set declares, or else that of its first image."""
    height, width, channels = prepared.builder.info.features[prepared.image].shape
    if image_size or height is None or width is None:
        height, width, _ = read_common_header(encoded_images(np.zeros(1, np.int64)), prepared.source, image_size)
    return ImageHeader(height, width, channels == 1)
