"""Opens what `--dataset` names for `--stream` as a source: MNIST, a TFDS set, `.npy` files or a folder of images."""

from pathlib import Path

import numpy as np
from jaxtyping import Int, Shaped

from aejax.config import DataConfig
from aejax.data.archives import open_npy
from aejax.data.dataset import Dataset
from aejax.data.image_folder import class_of, list_labelled_images
from aejax.data.image_layout import recognize_channels
from aejax.data.images import EncodedImage, decode_pixels, read_common_header
from aejax.data.links import require_within
from aejax.data.mnist import load_mnist
from aejax.data.packages import require_package
from aejax.data.stream.source import DataSource, storage_dtype, to_storage_dtype
from aejax.errors import require

STREAMABLE = (
    "mnist, a prepared tfds:NAME, an .npy file, a folder with inputs.npy (and labels.npy), or a folder with one folder "
    "of images per class"
)
INPUTS_FILE, LABELS_FILE = "inputs.npy", "labels.npy"


def open_source(config: DataConfig, path: Path, data_dir: Path | None) -> tuple[DataSource, DataSource | None]:
    """Returns the training examples of `config.dataset` and, where there are any, the official test examples.

    `path` is `config.dataset` as a path, and `data_dir` has MNIST or prepared TFDS sets.

    Raises:
        InputError: the dataset cannot be streamed.
    """
    if config.dataset == "mnist":
        digits = load_mnist(data_dir)
        assert digits.test_rows is not None
        train_rows = np.setdiff1d(np.arange(digits.n_examples), digits.test_rows)
        return _rows_in_memory(digits, train_rows), _rows_in_memory(digits, digits.test_rows)
    if config.dataset.startswith("tfds:"):
        require_package("tensorflow_datasets", "tfds", f"--dataset {config.dataset}: with --stream")
        from aejax.data.stream.tfds import open_tfds

        name = config.dataset.removeprefix("tfds:")
        return open_tfds(name, data_dir, label=config.label_column, image_size=config.image_size)
    require(path.exists(), f"--dataset {path}: no such file or folder; --stream reads {STREAMABLE}")
    if path.is_dir() and not (path / INPUTS_FILE).exists():
        return open_image_folder(path, config.image_size)
    require(
        path.is_dir() or path.suffix == ".npy", f"--dataset {path}: cannot be streamed; --stream reads {STREAMABLE}"
    )
    require(config.image_size is None, f"--image-size {config.image_size}: {path} holds no images; leave it out")
    return open_npy_source(path), None


def _rows_in_memory(dataset: Dataset, rows: Int[np.ndarray, " k"]) -> DataSource:
    """Returns some rows of a dataset in memory, which are streamed although they would not need to be."""
    inputs, labels = dataset.inputs[rows], dataset.labels[rows]
    return DataSource(
        name=dataset.name,
        n_examples=len(rows),
        example_shape=dataset.example_shape,
        dtype=inputs.dtype,
        nbytes=inputs.nbytes,
        read=inputs.__getitem__,
        read_labels=labels.__getitem__,
        describe_row=lambda row: f"{dataset.name}: row {row}",
        value_range=dataset.value_range,
        class_names=dataset.class_names,
    )


def open_image_folder(root: Path, image_size: int | None) -> tuple[DataSource, DataSource | None]:
    """Returns the training images and, where `root` holds them, the official test images.

    Every header is read at the start, pixels when they are needed. With `image_size`, images are resized to this many
    pixels square.

    Raises:
        InputError: as `load_image_folder`.
    """
    train, test, _ = list_labelled_images(root)
    name, class_names = root.resolve().name, tuple(sorted(set(map(class_of, train))))
    header = read_common_header(_encoded(train + test), str(root), image_size)

    def source_of(paths: list[Path]) -> DataSource:
        labels = np.searchsorted(class_names, [class_of(path) for path in paths]).astype(np.int32)
        return DataSource(
            name=name,
            n_examples=len(paths),
            example_shape=header.shape,
            dtype=np.dtype(np.uint8),
            nbytes=sum(path.stat().st_size for path in paths),
            read=lambda rows: decode_pixels(_encoded([paths[row] for row in rows]), header, image_size),
            read_labels=labels.__getitem__,
            describe_row=lambda row: str(paths[row]),
            value_range=(0.0, 255.0),
            class_names=class_names,
            is_encoded=True,
        )

    return source_of(train), source_of(test) if test else None


def _encoded(paths: list[Path]) -> list[EncodedImage]:
    return [EncodedImage(str(path), path) for path in paths]


def open_npy_source(path: Path) -> DataSource:
    """Returns a file of inputs `(n, *shape)`, or a folder with `inputs.npy` and, optionally, `labels.npy` `(n,)`.

    Only the rows that are read enter memory. As in `.npz` files, `(n, height, width)` gains a channel, and uint8
    examples of two or more axes are images with values from 0 to 255.

    Raises:
        InputError: a file cannot be read, or the two files do not match.
    """
    inputs_path, labels_path = (path / INPUTS_FILE if path.is_dir() else path), path / LABELS_FILE
    if path.is_dir():
        require_within(inputs_path, path)
        require_within(labels_path, path)
    inputs = _open_inputs(inputs_path)
    labels = _open_labels(labels_path, len(inputs)) if path.is_dir() and labels_path.exists() else None
    inputs_bytes = inputs_path.stat().st_size
    example_shape = (*inputs.shape[1:], 1) if inputs.ndim == 3 else inputs.shape[1:]

    def describe_row(row: int) -> str:
        return f"{inputs_path}: row {row}"

    def read(rows: Int[np.ndarray, " k"]) -> Shaped[np.ndarray, "k *shape"]:
        # Reading a page that the file no longer has would kill the process without a message.
        require(inputs_path.stat().st_size >= inputs_bytes, f"{inputs_path}: became shorter while it was read")
        return to_storage_dtype(np.asarray(inputs[rows]).reshape(len(rows), *example_shape), rows, describe_row)

    return DataSource(
        name=path.resolve().stem,
        n_examples=len(inputs),
        example_shape=example_shape,
        dtype=storage_dtype(inputs.dtype),
        nbytes=inputs_bytes if labels is None else inputs_bytes + labels_path.stat().st_size,
        read=read,
        read_labels=None if labels is None else lambda rows: np.asarray(labels[rows]),
        describe_row=describe_row,
        value_range=(0.0, 255.0) if inputs.dtype == np.uint8 and inputs.ndim >= 3 else None,
    )


def _open_inputs(path: Path) -> np.memmap:
    inputs = _open_rows(path)
    require(inputs.dtype.kind in "biuf", f"{path}: holds {inputs.dtype}; expected real numbers")
    require(
        inputs.ndim >= 2 and inputs.size > 0,
        f"{path}: has shape {inputs.shape}; expected (rows, features) or (rows, height, width, channels)",
    )
    require(
        inputs.ndim != 4 or recognize_channels(inputs.shape[1:], str(path))[0] == "channels-last",
        f"{path}: has shape {inputs.shape}, channels first; a stream takes (n, height, width, channels); "
        "save np.ascontiguousarray(np.moveaxis(inputs, 1, -1))",
    )
    return inputs


def _open_labels(path: Path, n: int) -> np.memmap:
    labels = _open_rows(path)
    require(
        labels.shape == (n,),
        f"{path}: has shape {labels.shape}; expected ({n},): one label for each row of {INPUTS_FILE}",
    )
    return labels


def _open_rows(path: Path) -> np.memmap:
    array = open_npy(path)
    hint = "save it with np.save(file, np.ascontiguousarray(array))"
    require(array.flags.c_contiguous, f"{path}: is stored by columns (Fortran order); {hint}")
    return array
