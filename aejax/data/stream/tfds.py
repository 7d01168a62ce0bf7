"""Prepared TFDS sets as sources: records of array_record files, decoded when they are read."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int, Shaped

from aejax.data.images import EncodedImage, ImageHeader, decode_pixels, read_common_header
from aejax.data.stream.source import storage_dtype, to_storage_dtype
from aejax.data.tfds_builder import (
    DELETE_HINT,
    TFDS_NAME,
    find_prepared_builder,
    import_tfds,
    silence_tfds,
    summarize_error,
    tfds_data_dir,
)
from aejax.data.tfds_dataset import concatenate_columns, select_splits
from aejax.data.tfds_features import FeatureSelection, select_features
from aejax.errors import InputError, require

RECORDS_PER_READ = 1024  # read at a time
PREPARE_HINT = "prepare it with tfds.builder(...).download_and_prepare(file_format='array_record')"


class TfdsSource:
    """One split of a prepared set.

    Images have one channel where the set declares one, else three; numbers are those of `load_tfds`.

    Raises:
        InputError: its records cannot be read.
    """

    has_labels = True

    def __init__(
        self, tfds: Any, builder: Any, split: str, name: str, selection: FeatureSelection, image_size: int | None
    ) -> None:
        info = builder.info.splits[split]
        self._tfds, self._builder, self._split, self._choice = tfds, builder, split, selection
        with silence_tfds():
            raw = tfds.decode.DeserializeMethod.RAW_BYTES
            self._records = builder.as_data_source(split=split, deserialize_method=raw)
        self.name, self.n_examples, self.nbytes = name, len(self._records), info.num_bytes
        self.class_names: tuple[str, ...] | None = selection.class_names
        self._image_size = image_size
        self._layout = None if selection.image is None else self._read_common_header()
        self.value_range: tuple[float, float] | None = None
        self.example_shape: tuple[int, ...]
        if self._layout is not None:
            self.example_shape, self.dtype, self.value_range = self._layout.shape, np.dtype(np.uint8), (0.0, 255.0)
            return
        columns = selection.columns
        self._dtype = np.result_type(*(column.dtype for column in columns))
        alone = len(columns) == 1 and columns[0].shape
        self.example_shape = columns[0].shape if alone else (sum(column.size for column in columns),)
        self.dtype = storage_dtype(self._dtype)

    def read(self, rows: Int[np.ndarray, " k"]) -> Shaped[np.ndarray, "k *shape"]:
        """As `Source.read`."""
        image, columns = self._choice.image, self._choice.columns
        parts = []
        for start in range(0, len(rows), RECORDS_PER_READ):
            own = rows[start : start + RECORDS_PER_READ]
            if self._layout is not None:
                assert image is not None
                records = self._read_records(own, (image,), (image,))
                found = [
                    EncodedImage(self.describe_row(row), record[image])
                    for row, record in zip(own.tolist(), records, strict=True)
                ]
                parts.append(decode_pixels(found, self._layout, self._image_size))
                continue
            records = self._read_records(own, tuple(dict.fromkeys(column.path[0] for column in columns)), ())
            parts.append(
                to_storage_dtype(
                    concatenate_columns(records, columns, self._dtype).reshape(len(own), *self.example_shape), self, own
                )
            )
        return np.concatenate(parts) if parts else np.empty((0, *self.example_shape), self.dtype)

    def read_labels(self, rows: Int[np.ndarray, " k"]) -> Shaped[np.ndarray, " k"]:
        """As `Source.labels`."""
        return np.array([record[self._choice.label] for record in self._read_records(rows, (self._choice.label,), ())])

    def describe_row(self, row: int) -> str:
        """The set, the split and the record."""
        return f"tfds:{self.name}: record {row} of {self._split}"

    def _read_common_header(self) -> ImageHeader:
        """The size that the set declares, or its first image has."""
        image = self._choice.image
        assert image is not None
        declared = self._builder.info.features[image].shape
        grey = declared[2] == 1
        if self._image_size or None in declared[:2]:
            first = self._read_records(np.zeros(1, np.int64), (image,), (image,))[0][image]
            found = read_common_header([EncodedImage(self.describe_row(0), first)], self.name, self._image_size)
            return ImageHeader(found.height, found.width, grey)
        return ImageHeader(declared[0], declared[1], grey)

    def _read_records(
        self, rows: Int[np.ndarray, " k"], names: tuple[str, ...], encoded: tuple[str, ...]
    ) -> list[dict[str, Any]]:
        """Some features of some records; the `encoded` ones as they are stored."""
        features, decode = self._builder.info.features, self._tfds.decode
        wanted = self._tfds.features.FeaturesDict({name: features[name] for name in names})
        decoders = {name: decode.SkipDecoding() for name in encoded}
        try:
            records = self._records.__getitems__(rows.tolist())
            require(
                all(len(record) for record in records), f"{self._builder.data_dir}: holds empty records; {DELETE_HINT}"
            )
            return [wanted.deserialize_example_np(record, decoders=decoders) for record in records]
        except InputError:
            raise
        except Exception as error:  # protobuf, riegeli, ...: each fails in its own way
            raise InputError(f"{self._builder.data_dir}: damaged ({summarize_error(error)}); {DELETE_HINT}") from error


def open_tfds(
    name: str,
    data_dir: Path | None,
    *,
    label: str | None = None,
    image_size: int | None = None,
    preparers: Mapping[str, Callable[[Path], object]],
) -> tuple[TfdsSource, TfdsSource | None]:
    """What trains, and the official test where there is one, of a set that lies prepared in `data_dir`.

    Args:
        name: NAME, NAME/CONFIG, NAME:VERSION or NAME/CONFIG:VERSION.
        data_dir: TFDS's root folder; None: TFDS's own.
        label: the feature that says the class; None: the set's own word.
        image_size: resize images to this many pixels square.
        preparers: what prepares some sets; others must be prepared already.

    Raises:
        InputError: it is not prepared as array_record, or `choose` refuses it.
    """
    asked = f"--dataset tfds:{name}"
    require(
        TFDS_NAME.fullmatch(name), f"{asked}: not a name; expected tfds:NAME, tfds:NAME/CONFIG or tfds:NAME:VERSION"
    )
    tfds = import_tfds(asked)
    root = tfds_data_dir(tfds, data_dir)
    builder = find_prepared_builder(tfds, name, root)
    if builder is None and name in preparers:
        preparers[name](root)
        builder = find_prepared_builder(tfds, name, root)
    require(builder is not None, f"{asked}: not prepared in {root}; {PREPARE_HINT}, or give its --data-dir")
    assert builder is not None
    formats = {file_format.value for file_format in builder.info.available_file_formats()}
    require(
        "array_record" in formats, f"{builder.data_dir}: prepared as {' and '.join(sorted(formats))}; {PREPARE_HINT}"
    )
    choice = select_features(tfds.features, builder.info, label, f"tfds:{name}")
    resizable = image_size is None or choice.image
    require(resizable, f"--image-size {image_size}: tfds:{name} holds no encoded images; leave it out")
    splits = select_splits(builder.info.splits, f"tfds:{name}")
    train, *test = (TfdsSource(tfds, builder, split, name, choice, image_size) for split in splits)
    return train, test[0] if test else None
