"""Encoded images as a source: files in folders, one folder for each class."""

from pathlib import Path

import numpy as np
from jaxtyping import Int, Shaped

from aejax.data.folders import Labelled, labelled_parts
from aejax.data.images import Header, Picture, draw, measure


class FolderSource:
    """The images of one part of a folder, decoded when they are read.

    Args:
        name: what results call the folder.
        part: their paths and classes.
        class_names: of all parts.
        layout: the size and channels that all of them have.
        image_size: resize to this many pixels square.
    """

    dtype = np.dtype(np.uint8)
    value_range: tuple[float, float] | None = (0.0, 255.0)
    labelled = True

    def __init__(
        self, name: str, part: Labelled, class_names: tuple[str, ...], layout: Header, image_size: int | None
    ) -> None:
        self._paths, self._layout, self._image_size = part.paths, layout, image_size
        self._labels = np.searchsorted(class_names, part.labels).astype(np.int32)
        self.name, self.n = name, len(part.paths)
        self.class_names: tuple[str, ...] | None = class_names
        self.shape: tuple[int, ...] = layout.shape
        self.bytes = sum(path.stat().st_size for path in part.paths)

    def read(self, rows: Int[np.ndarray, " k"]) -> Shaped[np.ndarray, "k *shape"]:
        """As `Source.read`."""
        pictures = [Picture(self.place(row), self._paths[row]) for row in rows.tolist()]
        return draw(pictures, self._layout, self._image_size)

    def labels(self, rows: Int[np.ndarray, " k"]) -> Shaped[np.ndarray, " k"]:
        """As `Source.labels`."""
        return self._labels[rows]

    def place(self, row: int) -> str:
        """The file."""
        return str(self._paths[row])


def open_folder(root: Path, image_size: int | None) -> tuple[FolderSource, FolderSource | None]:
    """What trains, and the official test where `root` holds `train/` and `test/`.

    Every file's header is read, so that sizes and channels are known before anything is trained; pixels are not.

    Raises:
        InputError: as `load_image_folder`.
    """
    parts = labelled_parts(root)
    name, classes = root.resolve().name, tuple(sorted(set(parts[0].labels)))
    pictures = [Picture(str(path), path) for part in parts for path in part.paths]
    layout = measure(pictures, str(root), image_size)
    train, test = (FolderSource(name, part, classes, layout, image_size) if part.paths else None for part in parts)
    assert train is not None
    return train, test
