"""A folder with one folder of images per class, with or without `train/` and `test/` above the classes."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from aejax.data.dataset import Dataset, make_dataset
from aejax.data.images import EncodedImage, decode_images
from aejax.errors import require

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")  # in any case; what a file holds is told by its content
SPLIT_DIRS = ("train", "test")  # the official split
IGNORED_FILES = ("thumbs.db", "desktop.ini")  # what Windows hides in folders, in lower case
LAYOUT_HINT = "expected one folder of PNG or JPEG images for each class, or such folders in train/ and test/"


class LabelledPaths(NamedTuple):
    """The images of one part, by class and then by name."""

    paths: list[Path]
    labels: list[str]


def load_image_folder(root: Path, image_size: int | None = None) -> Dataset:
    """`(n, height, width, channels)` uint8, ordered by path, the training rows before the official test.

    Classes are called as their folders. There is an official test where `root` holds both `train/` and `test/`; any
    other folders are classes. Files whose names begin with a dot, `Thumbs.db` and `desktop.ini` are passed over;
    everything else that is not an image of a class is refused, so that nothing is left out unnoticed. Links may point
    within `root`.

    Args:
        root: the folder.
        image_size: resize to this many pixels square; None: all images must have one size.

    Raises:
        InputError: something is where it should not be, a class has no images, or `decode` refuses one of them.
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
    """The training images and those of the official test, which may be none.

    Raises:
        InputError: something is where it should not be, or a class has no images.
    """
    entries = _list_entries(root, root)
    if all(root / part in entries and (root / part).is_dir() for part in SPLIT_DIRS):
        stray = [path for path in entries if path.name not in SPLIT_DIRS]
        require(
            not stray, f"{_first_or_none(stray)}: beside train/ and test/; move its images into train/, or take it out"
        )
        train, test = (_list_split_images(root / part, root) for part in SPLIT_DIRS)
        unknown = sorted(set(test.labels) - set(train.labels))
        require(
            not unknown,
            f"{root}: class {_first_or_none(unknown)!r} is in test/ and not in train/; add images or drop it",
        )
    else:
        train, test = _list_split_images(root, root), LabelledPaths([], [])
    return train, test


def _list_split_images(part: Path, root: Path) -> LabelledPaths:
    """Every image of every class folder in `part`."""
    found = LabelledPaths([], [])
    for folder in _list_entries(part, root):
        require(
            folder.is_dir(),
            f"{folder}: not in a class; {LAYOUT_HINT}; move it, or give it a name that begins with a dot",
        )
        require(folder.name.isprintable(), f"{part}: class {folder.name!a} has an unprintable name; rename the folder")
        paths = list(_list_class_images(folder, root))
        require(paths, f"{folder}: no images of this class; add some, or delete the folder")
        found.paths.extend(paths)
        found.labels.extend([folder.name] * len(paths))
    require(
        found.paths, f"{part}: holds no folders; {LAYOUT_HINT}, or MNIST's four IDX files (train-images-idx3-ubyte ...)"
    )
    return found


def _list_class_images(folder: Path, root: Path) -> Iterator[Path]:
    for path in _list_entries(folder, root):
        require(not path.is_dir(), f"{path}: a folder inside class {folder.name!r}; {LAYOUT_HINT}")
        require(
            path.suffix.lower() in IMAGE_SUFFIXES and path.is_file(),
            f"{path}: not named as a PNG or JPEG image ({', '.join(IMAGE_SUFFIXES)}); convert it, move it out, or give it a "
            "name that begins with a dot",
        )
        yield path


def _list_entries(folder: Path, root: Path) -> list[Path]:
    """What lies in `folder`, by name, but for hidden things; links stay within `root`."""
    seen = [path for path in folder.iterdir() if path.name[0] != "." and path.name.lower() not in IGNORED_FILES]
    entries = sorted(seen, key=lambda path: path.name)
    for path in entries:
        require(path.exists(), f"{path}: a link to nothing; delete it, or put the image into its place")
        require_within(path, root)
    return entries


def require_within(path: Path, root: Path) -> None:
    """Refuse a link that leads out of `root`."""
    require(
        not path.is_symlink() or path.resolve().is_relative_to(root.resolve()),
        f"{path}: a link out of {root}; copy what it points to into its place",
    )


def _first_or_none(things: list) -> object:
    return things[0] if things else None
