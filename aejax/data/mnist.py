"""Loads MNIST from its four IDX files, which are downloaded where there is no copy."""

import dataclasses
import gzip
import hashlib
import os
import urllib.request
import zlib
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
ORIGINAL_SHA256 = {  # of the values in each file, after its header
    "train images": "741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757",
    "train labels": "1feba77c54802fa5339a11837ea4b2866434b83314ec45192930f1df69120c13",
    "test images": "6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161",
    "test labels": "ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5",
}


def load_mnist(data_dir: Path | None = None) -> Dataset:
    """Loads all 70,000 digits: `(70000, 28, 28, 1)` uint8; 60,000 training rows, then the official 10,000 test rows.

    IDX files in `data_dir` or one of `FOLDERS` in it are read if their values are those of the originals. Next in line
    is a copy that TFDS prepared in `data_dir`; it has the same training and test examples in another order, so its
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
    splits = read_idx_splits(IdxFiles(folder, "", files))
    assert splits.test is not None
    parts = (splits.train, splits.test)
    for role, array in zip(ORIGINAL_SHA256, [array for part in parts for array in part[:2]], strict=True):
        digest = hashlib.sha256(array.tobytes()).hexdigest()
        require(
            digest == ORIGINAL_SHA256[role],
            f"{files[role]}: has other values than MNIST's {role}, SHA-256 {digest}; fetch it again, or, if it is "
            "another dataset in MNIST's format, give its folder as --dataset",
        )
    return dataset_from_splits(splits, DataConfig(), "mnist")


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
            digest = hashlib.sha256(gzip.decompress(content)[4 + 4 * rank :]).hexdigest()
            require(digest == ORIGINAL_SHA256[role], f"{MNIST_URL}{name}: gave another file, SHA-256 {digest}")
            unfinished = folder / f".{name}.{os.getpid()}"
            unfinished.write_bytes(content)
            unfinished.replace(folder / name)
    except (OSError, EOFError, zlib.error, InputError) as error:
        raise InputError(f"MNIST cannot be downloaded to {folder} ({summarize_error(error)}); {IDX_HINT}") from error
    return folder
