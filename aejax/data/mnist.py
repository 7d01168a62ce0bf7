"""Loads MNIST from its four IDX files, which are downloaded where there is no copy."""

import dataclasses
import hashlib
import os
import urllib.request
from pathlib import Path

from aejax.config import DataConfig
from aejax.data.dataset import Dataset
from aejax.data.idx import MNIST_FILES, IdxFiles, find_idx_files, read_idx_splits
from aejax.data.labelled_arrays import dataset_from_splits
from aejax.data.packages import require_package, tfds_data_dir
from aejax.errors import InputError, require, summarize_error

MNIST_URL = "https://storage.googleapis.com/cvdf-datasets/mnist/"  # where TFDS downloads from, too
TIMEOUT = 30.0  # seconds without an answer
FOLDERS = (".", "mnist", "raw", "MNIST/raw")  # of the files in the data folder; the last two are torchvision's
PREPARED_FOLDER = "mnist/3.0.1"  # of a copy that tensorflow-datasets (TFDS) prepared
IDX_HINT = "point --data-dir at a folder with MNIST's four IDX files (train-images-idx3-ubyte.gz and so on)"
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
    """Loads all 70,000 digits: `(70000, 28, 28, 1)` uint8; 60,000 training rows, then the official 10,000 test rows.

    IDX files in `data_dir` or one of `FOLDERS` in it are read if their SHA-256s are those of the originals. Next in
    line is a copy that TFDS prepared in `data_dir`; it has the same training and test examples in another order, so its
    `sha256` differs. Without either, the files are downloaded to `data_dir/mnist`.

    Args:
        data_dir: folder of data; None: TFDS's own, so that its copies are found.

    Raises:
        InputError: files are damaged or not MNIST's, or there are no files and the download fails.
    """
    root = tfds_data_dir(data_dir)
    found = [folder for folder in (root / name for name in FOLDERS) if find_idx_files(folder)]
    if not found and (root / PREPARED_FOLDER / "features.json").is_file():
        require_package("tensorflow_datasets", "tfds", f"--dataset mnist: the copy in {root / PREPARED_FOLDER}")
        from aejax.data.tfds_dataset import load_tfds

        return dataclasses.replace(load_tfds("mnist:3.0.1", root), name="mnist")
    folder = found[0] if found else download_mnist(root / "mnist")
    files = find_idx_files(folder)
    require(len(files) == len(MNIST_FILES), f"{folder}: holds only {', '.join(files)} of MNIST's 4 files; {IDX_HINT}")
    verify_originals(files)
    return dataset_from_splits(read_idx_splits(IdxFiles(folder, "", files)), DataConfig(), "mnist")


def verify_originals(files: dict[str, Path]) -> None:
    """Raises InputError if an IDX file is not MNIST's original; `files` gives them by role."""
    for role, path in files.items():
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        require(
            digest in ORIGINAL_SHA256[role],
            f"{path}: SHA-256 {digest} is not that of MNIST's {role}, {ORIGINAL_SHA256[role][path.suffix != '.gz']}; "
            "fetch it again, or, if it is another dataset in MNIST's format, give its folder as --dataset",
        )


def download_mnist(folder: Path) -> Path:
    """Downloads the four files to `folder` and returns it; a file appears there when it is complete and verified.

    Raises:
        InputError: the download fails or gives other files than the originals, or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for role, (stem, rank) in MNIST_FILES.items():
            name = f"{stem}-idx{rank}-ubyte.gz"
            with urllib.request.urlopen(f"{MNIST_URL}{name}", timeout=TIMEOUT) as answer:
                content = answer.read()
            digest = hashlib.sha256(content).hexdigest()
            require(digest == ORIGINAL_SHA256[role][0], f"{MNIST_URL}{name}: gave another file, SHA-256 {digest}")
            unfinished = folder / f".{name}.{os.getpid()}"
            unfinished.write_bytes(content)
            unfinished.replace(folder / name)
    except (OSError, InputError) as error:
        raise InputError(f"MNIST cannot be downloaded to {folder} ({summarize_error(error)}); {IDX_HINT}") from error
    return folder
