"""Reads IDX files, the format of MNIST: a magic number, big-endian dimensions, then the values.

The format is described at the end of http://yann.lecun.com/exdb/mnist/.
"""

import gzip
import io
import math
import re
import struct
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from aejax.data.labelled_arrays import NO_TEST_NOTE, ArraySplits, LabelledArrays
from aejax.data.links import require_within
from aejax.data.memory import require_host_memory
from aejax.errors import InputError, require

IDX_DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}  # by the third byte
GZIP_MAGIC = b"\x1f\x8b"
REFETCH_HINT = "the file is truncated or damaged; fetch it again"
MAX_RANK = 16  # NumPy allows 64; labelled examples have one to four axes
MNIST_FILES = {  # role: stem and rank, as in train-images-idx3-ubyte
    "train images": ("train-images", 3),
    "train labels": ("train-labels", 1),
    "test images": ("t10k-images", 3),
    "test labels": ("t10k-labels", 1),
}
# MNIST's names with a prefix (emnist-letters-train-images-idx3-ubyte.gz) or with test for t10k.
IDX_NAME = re.compile(r"(?P<prefix>.*?)(?P<split>train|t10k|test)-(?P<kind>images|labels)[-.]idx[13]-ubyte(?:\.gz)?")
SUBFOLDERS = ("raw", "gzip", "*/raw")  # where torchvision and EMNIST's archive keep the files


class IdxFiles(NamedTuple):
    """Files with MNIST's names and one prefix."""

    folder: Path
    prefix: str  # "emnist-letters-", or empty
    files: dict[str, Path]  # by role

    @property
    def name(self) -> str:
        """Name of the dataset in results."""
        folder = self.folder.resolve()
        return self.prefix.rstrip("-_. ") or (folder.parent.name if folder.name in SUBFOLDERS else folder.name)


def read_idx(path: Path) -> np.ndarray:
    """Returns the array in an IDX file in native byte order; gzip compression is detected from the content.

    Raises:
        InputError: the file is not IDX, is corrupt, or holds fewer or more bytes than its header announces.
        OSError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            is_gzipped = file.read(2) == GZIP_MAGIC
        with gzip.open(path) if is_gzipped else path.open("rb") as stream:
            return _parse_idx(stream, path)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path}: corrupt gzip data ({error}); {REFETCH_HINT}") from error


def _parse_idx(stream: io.BufferedReader | gzip.GzipFile, path: Path) -> np.ndarray:
    dtype, shape = _parse_header(stream, path)
    announced = math.prod(shape) * dtype.itemsize
    # Checked before any allocation: a damaged header can announce terabytes, or no value along huge axes.
    require(math.prod(filter(None, shape)) < 2**63, f"{path}: announces shape {shape}, more than fits; {REFETCH_HINT}")
    require_host_memory(announced, f"{path}: values of shape {shape}")
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
    """Returns the files of `folder` with MNIST's own names, by role; compressed files are preferred."""
    return next((found.files for found in _idx_files_in(folder) if not found.prefix), {})


def locate_idx_files(path: Path) -> IdxFiles | None:
    """Returns the IDX files that a path means, or None.

    The path is a folder with the files, a folder above `raw` as torchvision makes it, or, where a folder holds several
    sets, FOLDER/PREFIX as in `gzip/emnist-letters`.

    Raises:
        InputError: the folder holds several sets, or a link leads out of it.
    """
    if path.is_dir():
        below = [sorted(path.glob(pattern)) for pattern in SUBFOLDERS]
        levels = ([found for folder in level for found in _idx_files_in(folder)] for level in ([path], *below))
        sets: list[IdxFiles] = next(filter(None, levels), [])
    else:
        sets = [found for found in _idx_files_in(path.parent) if found.name == path.name and found.prefix]
    if not sets:
        return None
    names = [str(found.folder / found.name if found.prefix else found.folder.parent) for found in sets]
    require(
        len(sets) == 1,
        f"{path}: holds {len(sets)} sets in MNIST's format; give one of them as --dataset: {', '.join(names)}",
    )
    for file in sets[0].files.values():
        require_within(file, path if path.is_dir() else path.parent)
    return sets[0]


def _idx_files_in(folder: Path) -> list[IdxFiles]:
    """Returns the sets of a folder by prefix."""
    by_prefix: dict[str, dict[str, Path]] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():  # .gz comes after the same name without it
        match = IDX_NAME.fullmatch(path.name)
        if match and path.is_dir():  # unpacked to a folder of the file's name
            path /= path.name
        if match and path.name[0] != "." and path.is_file():
            split = "train" if match["split"] == "train" else "test"
            by_prefix.setdefault(match["prefix"], {})[f"{split} {match['kind']}"] = path
    return [IdxFiles(folder, prefix, files) for prefix, files in sorted(by_prefix.items())]


def read_idx_splits(found: IdxFiles, is_test_file: bool = False) -> ArraySplits:
    """Returns the arrays of a set in MNIST's format; the test files may be absent.

    Args:
        found: the files.
        is_test_file: whether test files alone are enough, as for `--test`.

    Raises:
        InputError: a file is missing or damaged, or images and labels do not match.
    """
    folder, prefix, files = found
    if is_test_file and not any(role.startswith("train") for role in files):
        files = {role.replace("test", "train"): path for role, path in files.items()}
    has_test = any(role.startswith("test") for role in files)
    for role, (stem, rank) in MNIST_FILES.items():
        require(
            role in files or (role.startswith("test") and not has_test),
            f"{folder}: no file {prefix}{stem}-idx{rank}-ubyte.gz (or without .gz); expected MNIST's four files, "
            "or the two for training",
        )
    train = _read_pair(files["train images"], files["train labels"])
    test = _read_pair(files["test images"], files["test labels"]) if has_test else None
    notes = [] if has_test else [NO_TEST_NOTE]
    if "emnist" in f"{prefix}{found.name}".lower():
        notes.append("EMNIST stores images with rows and columns exchanged; they are used as stored")
    return ArraySplits(str(folder), train, None, test, tuple(notes), f"file {files['train labels'].name}")


def _read_pair(image_path: Path, label_path: Path) -> LabelledArrays:
    """Returns images `(n, height, width)` uint8 and their labels `(n,)` uint8."""
    images, labels = read_idx(image_path), read_idx(label_path)
    for path, array, rank in ((image_path, images, 3), (label_path, labels, 1)):
        require(
            array.ndim == rank and array.dtype == np.uint8,
            f"{path}: holds {array.dtype} of rank {array.ndim}; expected uint8 of rank {rank}; is it another file?",
        )
    return LabelledArrays(images, labels, (image_path.name, label_path.name))
