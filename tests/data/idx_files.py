"""Small IDX files with MNIST's names."""

from pathlib import Path

import numpy as np

from aejax.data.idx import IDX_DTYPES


def idx_bytes(array: np.ndarray, code: int = 0x08) -> bytes:
    dimensions = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, code, array.ndim]) + dimensions + array.astype(IDX_DTYPES[code]).tobytes()


IMAGES = np.arange(20 * 5 * 4, dtype=np.uint8).reshape(20, 5, 4)
LABELS = (np.arange(20) % 3).astype(np.uint8)
PARTS = {
    "train-images-idx3-ubyte": idx_bytes(IMAGES[:14]),
    "train-labels-idx1-ubyte": idx_bytes(LABELS[:14]),
    "t10k-images-idx3-ubyte": idx_bytes(IMAGES[14:]),
    "t10k-labels-idx1-ubyte": idx_bytes(LABELS[14:]),
}


def write_folder(folder: Path, replaced: dict[str, bytes | None] | None = None) -> Path:
    for name, content in (PARTS | (replaced or {})).items():
        if content is not None:
            (folder / name).write_bytes(content)
    return folder
