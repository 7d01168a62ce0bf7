"""Reads a folder with one folder of images per class, optionally below `train/` and `test/`."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from aejax.data.dataset import Dataset, make_dataset
from aejax.data.images import EncodedImage, decode_images
from aejax.errors import require

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")  # ignoring case; the format is detected from the content
SPLIT_DIRS = ("train", "test")  # the official split
IGNORED_FILES = ("thumbs.db", "desktop.ini")  # created by Windows; in lower case
LAYOUT_HINT = "expected one folder of PNG or JPEG images for each class, or such folders in train/ and test/"


class LabelledPaths(NamedTuple):
    """Image paths of one split, ordered by class and then by name."""

    paths: list[Path]
    labels: list[str]


def load_image_folder(root: Path, image_size: int | None = None) -> Dataset:
    """Loads `(n, height, width, channels)` uint8 images, ordered by path, training rows before official test rows.

    Classes have the names of their folders. There is an official test split if `root` holds both `train/` and `test/`;
    any other folders are classes. Files whose names begin with a dot, `Thumbs.db` and `desktop.ini` are ignored;
    anything else that is not an image of a class is an error, so that nothing is left out unnoticed. Symbolic links
    may point to files within `root`.

    Args:
        root: the folder.
        image_size: resizes to this height and width; None: all images must have one size.

    Raises:
        InputError: the layout is not as described, a class has no images, or an image cannot be decoded.
    """
    train, test = list_labelled_images(root)
    paths = train.paths + test.paths
    classes = sorted(set(train.labels))
    images = decode_images([EncodedImage(str(path), path) for path in paths], str(root), image_size)
    return make_dataset(
        root.resolve().name,
        images,
        np.searchsorted(classes, train.labels + test.labels),
        source=str(root),
        value_range=(0.0, 255.0),
        test_rows=np.arange(len(train.paths), len(paths)) if test.paths else None,
        class_names=classes,
    )


def list_labelled_images(root: Path) -> tuple[LabelledPaths, LabelledPaths]:
    """Returns the images of the training split and of the official test split, which may be empty.

    Raises:
        InputError: the layout is not as described in `load_image_folder`, or a class has no images.
    """
    entries = _list_entries(root, root)
    if not all(root / part in entries and (root / part).is_dir() for part in SPLIT_DIRS):
        return _list_split_images(root, root), LabelledPaths([], [])
    for path in entries:
        require(
            path.name in SPLIT_DIRS, f"{path}: next to train/ and test/; move its images into train/, or take it out"
        )
    train, test = (_list_split_images(root / part, root) for part in SPLIT_DIRS)
    for name in test.labels:
        require(name in train.labels, f"{root}: class {name!r} is in test/ and not in train/; add images or drop it")
    return train, test


def _list_split_images(split_dir: Path, root: Path) -> LabelledPaths:
    """Returns every image of every class folder in `split_dir`."""
    images = LabelledPaths([], [])
    for folder in _list_entries(split_dir, root):
        require(
            folder.is_dir(),
            f"{folder}: not in a class; {LAYOUT_HINT}; move it, or give it a name that begins with a dot",
        )
        require(
            folder.name.isprintable(), f"{split_dir}: class {folder.name!a} has an unprintable name; rename the folder"
        )
        paths = list(_list_class_images(folder, root))
        require(paths, f"{folder}: no images of this class; add some, or delete the folder")
        images.paths.extend(paths)
        images.labels.extend([folder.name] * len(paths))
    require(
        images.paths,
        f"{split_dir}: holds no folders; {LAYOUT_HINT}, or MNIST's four IDX files (train-images-idx3-ubyte ...)",
    )
    return images


def _list_class_images(folder: Path, root: Path) -> Iterator[Path]:
    for path in _list_entries(folder, root):
        require(not path.is_dir(), f"{path}: a folder inside class {folder.name!r}; {LAYOUT_HINT}")
        require(
            path.suffix.lower() in IMAGE_SUFFIXES and path.is_file(),
            f"{path}: not named as a PNG or JPEG image ({', '.join(IMAGE_SUFFIXES)}); convert it, move it out, or give "
            "it a name that begins with a dot",
        )
        yield path


def _list_entries(folder: Path, root: Path) -> list[Path]:
    """Returns the visible entries of `folder` by name, after checking that links stay within `root`."""
    visible = [path for path in folder.iterdir() if path.name[0] != "." and path.name.lower() not in IGNORED_FILES]
    entries = sorted(visible, key=lambda path: path.name)
    for path in entries:
        require(path.exists(), f"{path}: a link to nothing; delete it, or replace it by the image")
        require_within(path, root)
    return entries


def require_within(path: Path, root: Path) -> None:
    """Raises InputError if `path` is a symbolic link to a place outside `root`."""
    require(
        not path.is_symlink() or path.resolve().is_relative_to(root.resolve()),
        f"{path}: a link out of {root}; replace it by a copy of its target",
    )
