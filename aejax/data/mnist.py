"""Loads MNIST from its four IDX files, or else through tensorflow-datasets (TFDS), which is imported only then."""

import hashlib
from pathlib import Path

from aejax.config import DataConfig
from aejax.data.dataset import Dataset
from aejax.data.idx import MNIST_FILES, IdxFiles, find_idx_files, read_idx_splits
from aejax.data.labelled_arrays import dataset_from_splits
from aejax.data.packages import require_package
from aejax.errors import require

FOLDERS = (".", "mnist", "raw", "MNIST/raw")  # of the files in the data folder; the last two are torchvision's
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

    IDX files in `data_dir` or one of `FOLDERS` in it are read directly if their SHA-256s are those of the originals.
    Otherwise TFDS prepares `mnist/3.0.1` in `data_dir`, downloading what is missing, and the decoded arrays are cached
    next to it. TFDS shuffles deterministically when it prepares a set, so both routes give the same training and test
    examples in different order, and the `sha256` of their datasets differ.

    Raises:
        InputError: files are damaged or not MNIST's, or there are no files and the download fails.
    """
    require(data_dir is None or not data_dir.is_file(), f"--data-dir {data_dir}: is a file; expected a folder")
    for folder in () if data_dir is None else (data_dir / name for name in FOLDERS):
        files = find_idx_files(folder)
        if files:
            require(
                len(files) == len(MNIST_FILES),
                f"{folder}: holds {len(files)} of MNIST's {len(MNIST_FILES)} files, {', '.join(files)}; {IDX_HINT}",
            )
            verify_originals(files)
            return dataset_from_splits(read_idx_splits(IdxFiles(folder, "", files)), DataConfig(), "mnist")
    require_package("tensorflow_datasets", "tfds", f"--dataset mnist: without a copy of its files, {IDX_HINT}, or it")
    from aejax.data.tfds_mnist import load_prepared_mnist

    return load_prepared_mnist(data_dir)


def verify_originals(files: dict[str, Path]) -> None:
    """Raises InputError if an IDX file is not MNIST's original; `files` gives them by role."""
    for role in filter(files.get, MNIST_FILES):
        path = files[role]
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        require(
            digest in ORIGINAL_SHA256[role],
            f"{path}: SHA-256 {digest} is not that of MNIST's {role}, {ORIGINAL_SHA256[role][path.suffix != '.gz']}; "
            "fetch it again, or, if it is another dataset in MNIST's format, give its folder as --dataset",
        )
