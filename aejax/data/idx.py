"""Reads IDX files, the format of MNIST: a magic number, big-endian dimensions, then the values.

The format is described at the end of http://yann.lecun.com/exdb/mnist/.
"""

import gzip
import io
import math
import struct
import zlib
from pathlib import Path

import numpy as np

from aejax.data.dataset import Dataset, make_dataset
from aejax.data.memory import require_host_memory
from aejax.errors import InputError, require

IDX_DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}  # by the third byte
GZIP_MAGIC = b"\x1f\x8b"
REFETCH_HINT = "the file is truncated or damaged; fetch it again"
MAX_RANK = 16  # NumPy allows 64; labelled examples have one to four axes
MAX_DEFLATE_RATIO = 1032  # upper limit of the compression ratio of deflate
MNIST_FILES = {  # role: stem and rank, as in train-images-idx3-ubyte
    "train images": ("train-images", 3),
    "train labels": ("train-labels", 1),
    "test images": ("t10k-images", 3),
    "test labels": ("t10k-labels", 1),
}


def read_idx(path: Path) -> np.ndarray:
    """Returns the array in an IDX file in native byte order; gzip compression is detected from the content.

    Raises:
        InputError: the file is not IDX, is corrupt, or holds fewer or more bytes than its header announces.
    """
    try:
        with path.open("rb") as file:
            is_gzipped = file.read(2) == GZIP_MAGIC
        with gzip.open(path) if is_gzipped else path.open("rb") as stream:
            return _parse_idx(stream, path, is_gzipped)
    except EOFError as error:
        raise InputError(f"{path}: the gzip stream ends too early: the file is truncated; fetch it again") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path}: corrupt gzip data ({error}); fetch the file again") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path and its permissions") from error


def _parse_idx(stream: io.BufferedReader | gzip.GzipFile, path: Path, is_gzipped: bool) -> np.ndarray:
    dtype, shape = _parse_header(stream, path)
    announced = math.prod(shape) * dtype.itemsize
    # Checked before any allocation: a damaged header can announce terabytes.
    limit = path.stat().st_size * (MAX_DEFLATE_RATIO if is_gzipped else 1)
    require(
        announced <= limit, f"{path}: announces shape {shape}, {announced} bytes, more than it can hold; {REFETCH_HINT}"
    )
    require_host_memory(announced, f"{path}: values of shape {shape}")
    require(
        math.prod(filter(None, shape)) < 2**63, f"{path}: announces shape {shape}, which no array has; {REFETCH_HINT}"
    )
    payload = stream.read(announced)
    require(
        len(payload) == announced,
        f"{path}: holds {len(payload)} of the {announced} bytes of shape {shape}; {REFETCH_HINT}",
    )
    require(not stream.read(1), f"{path}: goes on after the {announced} bytes of shape {shape}; {REFETCH_HINT}")
    return np.frombuffer(payload, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def _parse_header(stream: io.BufferedReader | gzip.GzipFile, path: Path) -> tuple[np.dtype, tuple[int, ...]]:
    magic = stream.read(4)
    require(
        len(magic) == 4 and magic[:2] == b"\0\0" and magic[2] in IDX_DTYPES and 1 <= magic[3] <= MAX_RANK,
        f"{path}: starts with bytes {magic.hex(' ') or '(none)'}; expected an IDX file, 00 00, a type code and a rank",
    )
    rank = magic[3]
    dimensions = stream.read(4 * rank)
    require(
        len(dimensions) == 4 * rank, f"{path}: ends within its header; expected {rank} dimensions; fetch the file again"
    )
    return np.dtype(IDX_DTYPES[magic[2]]), struct.unpack(f">{rank}I", dimensions)


def find_idx_files(folder: Path) -> dict[str, Path]:
    """Returns the files of `folder` with MNIST's names, by role; compressed files are preferred."""
    files = {}
    for role, (stem, rank) in MNIST_FILES.items():
        names = [f"{stem}{mark}idx{rank}-ubyte{suffix}" for suffix in (".gz", "") for mark in "-."]
        paths = [folder / name for name in names if (folder / name).is_file()]
        if paths:
            files[role] = paths[0]
    return files


def load_idx_folder(folder: Path, name: str) -> Dataset:
    """Loads four files named like MNIST's: `(n, height, width, 1)` uint8, training rows before official test rows.

    Raises:
        InputError: a file is missing or damaged, or images and labels do not match.
    """
    files = find_idx_files(folder)
    for role, (stem, rank) in MNIST_FILES.items():
        require(
            role in files, f"{folder}: no file {stem}-idx{rank}-ubyte.gz (or without .gz); expected MNIST's four files"
        )
    train_images, train_labels = _read_pair(files["train images"], files["train labels"])
    test_images, test_labels = _read_pair(files["test images"], files["test labels"])
    require(
        train_images.shape[1:] == test_images.shape[1:],
        f"{folder}: training images of {train_images.shape[1:]} pixels, test images of {test_images.shape[1:]}; "
        "expected one size; do the files belong to one dataset?",
    )
    return make_dataset(
        name,
        np.concatenate([train_images, test_images])[..., None],
        np.concatenate([train_labels, test_labels]),
        source=str(folder),
        value_range=(0.0, 255.0),
        test_rows=np.arange(len(train_images), len(train_images) + len(test_images)),
    )


def _read_pair(image_path: Path, label_path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Returns images `(n, height, width)` uint8 and their labels `(n,)` uint8."""
    images, labels = read_idx(image_path), read_idx(label_path)
    for path, array, rank in ((image_path, images, 3), (label_path, labels, 1)):
        require(
            array.ndim == rank and array.dtype == np.uint8,
            f"{path}: holds {array.dtype} of rank {array.ndim}; expected uint8 of rank {rank}; is it another file?",
        )
    require(
        len(images) == len(labels),
        f"{image_path} holds {len(images)} images and {label_path.name} {len(labels)} labels; expected equal numbers; "
        "do the files belong to one dataset?",
    )
    return images, labels
