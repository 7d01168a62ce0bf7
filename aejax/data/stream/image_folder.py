"""A folder of images by class as a source: every header is read at the start, pixels when they are needed."""

from pathlib import Path

import numpy as np
from jaxtyping import Int, Shaped

from aejax.data.image_folder import LabelledPaths, list_labelled_images
from aejax.data.images import EncodedImage, ImageHeader, decode_pixels, read_common_header


class ImageFolderSource:
    """The images of one split of a folder.

    Args:
        name: the folder's name in results.
        images: paths and classes of the split.
        class_names: classes of all splits, sorted.
        header: the size and channels of all images.
        image_size: resize to this many pixels square.
    """

    dtype = np.dtype(np.uint8)
    value_range: tuple[float, float] | None = (0.0, 255.0)
    has_labels = True
    is_encoded = True

    def __init__(
        self,
        name: str,
        images: LabelledPaths,
        class_names: tuple[str, ...],
        header: ImageHeader,
        image_size: int | None,
    ) -> None:
        self._paths, self._header, self._image_size = images.paths, header, image_size
        self._labels = np.searchsorted(class_names, images.labels).astype(np.int32)
        self.name, self.n_examples = name, len(images.paths)
        self.class_names: tuple[str, ...] | None = class_names
        self.example_shape: tuple[int, ...] = header.shape
        self.nbytes = sum(path.stat().st_size for path in images.paths)

    def read(self, rows: Int[np.ndarray, " k"]) -> Shaped[np.ndarray, "k *shape"]:
        """Returns examples, as `DataSource.read`."""
        encoded_images = [EncodedImage(self.describe_row(row), self._paths[row]) for row in rows.tolist()]
        return decode_pixels(encoded_images, self._header, self._image_size)

    def read_labels(self, rows: Int[np.ndarray, " k"]) -> Shaped[np.ndarray, " k"]:
        """Returns labels, as `DataSource.read_labels`."""
        return self._labels[rows]

    def describe_row(self, row: int) -> str:
        """Returns the image's path."""
        return str(self._paths[row])


def open_image_folder(root: Path, image_size: int | None) -> tuple[ImageFolderSource, ImageFolderSource | None]:
    """Returns the training images and, where `root` holds them, the official test images.

    Raises:
        InputError: as `load_image_folder`.
    """
    splits = list_labelled_images(root)[:2]
    name, class_names = root.resolve().name, tuple(sorted(set(splits[0].labels)))
    encoded_images = [EncodedImage(str(path), path) for images in splits for path in images.paths]
    header = read_common_header(encoded_images, str(root), image_size)
    train, test = (
        ImageFolderSource(name, images, class_names, header, image_size) if images.paths else None for images in splits
    )
    assert train is not None
    return train, test
