"""Prepared TFDS sets as sources: records of array_record files, decoded when they are read."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int, Shaped

from aejax.data.images import Header, Picture, draw, measure
from aejax.data.stream.source import kept, kept_dtype
from aejax.data.tfds import DELETE, NAME, data_root, find_prepared, quiet, reason, tensorflow_datasets
from aejax.data.tfds_features import Choice, choose
from aejax.data.tfds_set import beside, splits_of
from aejax.errors import InputError, require

RECORDS = 1024  # read at a time
PREPARE = "prepare it with tfds.builder(...).download_and_prepare(file_format='array_record')"


class TfdsSource:
    """One split of a prepared set.

    Images have one channel where the set declares one, else three; numbers are those of `load_tfds`.

    Raises:
        InputError: its records cannot be read.
    """

    labelled = True

    def __init__(self, tfds: Any, builder: Any, split: str, name: str, choice: Choice, image_size: int | None) -> None:
        info = builder.info.splits[split]
        self._tfds, self._builder, self._split, self._choice = tfds, builder, split, choice
        with quiet():
            raw = tfds.decode.DeserializeMethod.RAW_BYTES
            self._records = builder.as_data_source(split=split, deserialize_method=raw)
        self.name, self.n, self.bytes = name, len(self._records), info.num_bytes
        self.class_names: tuple[str, ...] | None = choice.class_names
        self._image_size = image_size
        self._layout = None if choice.image is None else self._laid_out()
        self.value_range: tuple[float, float] | None = None
        self.shape: tuple[int, ...]
        if self._layout is not None:
            self.shape, self.dtype, self.value_range = self._layout.shape, np.dtype(np.uint8), (0.0, 255.0)
            return
        columns = choice.columns
        self._dtype = np.result_type(*(column.dtype for column in columns))
        alone = len(columns) == 1 and columns[0].shape
        self.shape = columns[0].shape if alone else (sum(column.size for column in columns),)
        self.dtype = kept_dtype(self._dtype)

    def read(self, rows: Int[np.ndarray, " k"]) -> Shaped[np.ndarray, "k *shape"]:
        """As `Source.read`."""
        image, columns = self._choice.image, self._choice.columns
        parts = []
        for start in range(0, len(rows), RECORDS):
            own = rows[start : start + RECORDS]
            if self._layout is not None:
                assert image is not None
                records = self._decoded(own, (image,), (image,))
                found = [
                    Picture(self.place(row), record[image]) for row, record in zip(own.tolist(), records, strict=True)
                ]
                parts.append(draw(found, self._layout, self._image_size))
                continue
            records = self._decoded(own, tuple(dict.fromkeys(column.path[0] for column in columns)), ())
            parts.append(kept(beside(records, columns, self._dtype).reshape(len(own), *self.shape), self, own))
        return np.concatenate(parts) if parts else np.empty((0, *self.shape), self.dtype)

    def labels(self, rows: Int[np.ndarray, " k"]) -> Shaped[np.ndarray, " k"]:
        """As `Source.labels`."""
        return np.array([record[self._choice.label] for record in self._decoded(rows, (self._choice.label,), ())])

    def place(self, row: int) -> str:
        """The set, the split and the record."""
        return f"tfds:{self.name}: record {row} of {self._split}"

    def _laid_out(self) -> Header:
        """The size that the set declares, or its first image has."""
        image = self._choice.image
        assert image is not None
        declared = self._builder.info.features[image].shape
        grey = declared[2] == 1
        if self._image_size or None in declared[:2]:
            first = self._decoded(np.zeros(1, np.int64), (image,), (image,))[0][image]
            found = measure([Picture(self.place(0), first)], self.name, self._image_size)
            return Header(found.height, found.width, grey)
        return Header(declared[0], declared[1], grey)

    def _decoded(
        self, rows: Int[np.ndarray, " k"], names: tuple[str, ...], encoded: tuple[str, ...]
    ) -> list[dict[str, Any]]:
        """Some features of some records; the `encoded` ones as they are stored."""
        features, decode = self._builder.info.features, self._tfds.decode
        wanted = self._tfds.features.FeaturesDict({name: features[name] for name in names})
        decoders = {name: decode.SkipDecoding() for name in encoded}
        try:
            records = self._records.__getitems__(rows.tolist())
            require(all(len(record) for record in records), f"{self._builder.data_dir}: holds empty records; {DELETE}")
            return [wanted.deserialize_example_np(record, decoders=decoders) for record in records]
        except InputError:
            raise
        except Exception as error:  # protobuf, riegeli, ...: each fails in its own way
            raise InputError(f"{self._builder.data_dir}: damaged ({reason(error)}); {DELETE}") from error


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
    require(NAME.fullmatch(name), f"{asked}: not a name; expected tfds:NAME, tfds:NAME/CONFIG or tfds:NAME:VERSION")
    tfds = tensorflow_datasets(asked)
    root = data_root(tfds, data_dir)
    builder = find_prepared(tfds, name, root)
    if builder is None and name in preparers:
        preparers[name](root)
        builder = find_prepared(tfds, name, root)
    require(builder is not None, f"{asked}: not prepared in {root}; {PREPARE}, or give its --data-dir")
    assert builder is not None
    formats = {file_format.value for file_format in builder.info.available_file_formats()}
    require("array_record" in formats, f"{builder.data_dir}: prepared as {' and '.join(sorted(formats))}; {PREPARE}")
    choice = choose(tfds.features, builder.info, label, f"tfds:{name}")
    resizable = image_size is None or choice.image
    require(resizable, f"--image-size {image_size}: tfds:{name} holds no encoded images; leave it out")
    splits = splits_of(builder.info.splits, f"tfds:{name}")
    train, *test = (TfdsSource(tfds, builder, split, name, choice, image_size) for split in splits)
    return train, test[0] if test else None
