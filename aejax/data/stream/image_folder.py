"""Encoded images as a source: files in folders, one folder for each class."""

from pathlib import Path

import numpy as np
from jaxtyping import Int, Shaped

from aejax.data.image_folder import LabelledPaths, list_labelled_images
from aejax.data.images import EncodedImage, ImageHeader, decode_pixels, read_common_header


class ImageFolderSource:
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
    has_labels = True

    def __init__(
        self,
        name: str,
        labelled_paths: LabelledPaths,
        class_names: tuple[str, ...],
        header: ImageHeader,
        image_size: int | None,
    ) -> None:
        self._paths, self._layout, self._image_size = labelled_paths.paths, header, image_size
        self._labels = np.searchsorted(class_names, labelled_paths.labels).astype(np.int32)
        self.name, self.n_examples = name, len(labelled_paths.paths)
        self.class_names: tuple[str, ...] | None = class_names
        self.example_shape: tuple[int, ...] = header.shape
        self.nbytes = sum(path.stat().st_size for path in labelled_paths.paths)

    def read(self, rows: Int[np.ndarray, " k"]) -> Shaped[np.ndarray, "k *shape"]:
        """As `Source.read`."""
        pictures = [EncodedImage(self.describe_row(row), self._paths[row]) for row in rows.tolist()]
        return decode_pixels(pictures, self._layout, self._image_size)

    def read_labels(self, rows: Int[np.ndarray, " k"]) -> Shaped[np.ndarray, " k"]:
        """As `Source.labels`."""
        return self._labels[rows]

    def describe_row(self, row: int) -> str:
        """The file."""
        return str(self._paths[row])


def open_image_folder(root: Path, image_size: int | None) -> tuple[ImageFolderSource, ImageFolderSource | None]:
    """What trains, and the official test where `root` holds `train/` and `test/`.

    Every file's header is read, so that sizes and channels are known before anything is trained; pixels are not.

    Raises:
        InputError: as `load_image_folder`.
    """
    parts = list_labelled_images(root)
    name, classes = root.resolve().name, tuple(sorted(set(parts[0].labels)))
    pictures = [EncodedImage(str(path), path) for part in parts for path in part.paths]
    layout = read_common_header(pictures, str(root), image_size)
    train, test = (ImageFolderSource(name, part, classes, layout, image_size) if part.paths else None for part in parts)
    assert train is not None
    return train, test
