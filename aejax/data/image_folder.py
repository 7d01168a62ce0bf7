"""Reads a folder with one folder of images per class, optionally below folders of splits such as `train/`."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from aejax.data.array_names import SPLIT_NAMES
from aejax.data.dataset import Dataset, make_dataset
from aejax.data.description import DataDescription
from aejax.data.images import FORMATS_TEXT, IMAGE_SUFFIXES, EncodedImage, decode_images
from aejax.data.links import require_within
from aejax.errors import list_names, require

IGNORED_NAMES = ("thumbs.db", "desktop.ini", "__macosx", "@eadir")  # made by operating systems; in lower case
DOCUMENT_SUFFIXES = (".txt", ".md", ".rst", ".csv", ".json", ".yaml", ".yml", ".xml", ".html", ".pdf", "")
LAYOUT_HINT = (
    f"expected one folder of images ({FORMATS_TEXT}) for each class, or such folders in train/ and test/, with or "
    "without val/ (or training, testing, valid, validation)"
)


class ImageSplits(NamedTuple):
    """The images of a folder."""

    train: list[Path]  # ordered by class
    test: list[Path]  # of the official test split, which may be empty
    notes: tuple[str, ...]  # what was chosen or ignored


def class_of(image: Path) -> str:
    """Returns the class of an image: the name of its folder."""
    return image.parent.name


def load_image_folder(root: Path, image_size: int | None = None, test: Path | None = None) -> Dataset:
    """Loads `(n, height, width, channels)` uint8 images; the official test rows are the last.

    They are ordered by class, then by split (training, validation), then by name. Classes have the names of their
    folders. There is an official test split if `root` holds folders named like `train` and `test`, see `SPLIT_NAMES`;
    a validation split joins the training rows, or is the test split where there is no other. Any other folders are
    classes. A folder that holds nothing but one folder of folders is entered. Files whose names begin with a dot,
    those in `IGNORED_NAMES` and, next to the classes, documents are ignored; anything else that is not an image of a
    class is an error, so that nothing is left out unnoticed. Symbolic links may point to files within `root`.

    Args:
        root: the folder.
        image_size: resizes to this height and width; None: all images must have one size.
        test: a second folder with folders of classes, whose images are the official test rows.

    Raises:
        InputError: the layout is not as described, a class has no images, or an image cannot be decoded.
    """
    train, testing, notes = list_labelled_images(root) if test is None else _list_with_test_folder(root, test)
    paths = train + testing
    if any(path.suffix.lower() == ".gif" for path in paths):
        notes = (*notes, "GIF: the first frame of each")
    classes = sorted(set(map(class_of, train)))
    images = decode_images([EncodedImage(str(path), path) for path in paths], str(root), image_size)
    layout = f"images {'x'.join(map(str, images.shape[1:]))}, channels last"
    return make_dataset(
        root.resolve().name,
        images,
        np.searchsorted(classes, [class_of(path) for path in paths]),
        source=str(root),
        value_range=(0.0, 255.0),
        test_rows=np.arange(len(train), len(paths)) if testing else None,
        class_names=classes,
        description=DataDescription(label_source="names of folders", layout=layout, notes=notes),
    )


def list_labelled_images(root: Path) -> ImageSplits:
    """Returns the images of the training split and of the official test split.

    Raises:
        InputError: the layout is not as described in `load_image_folder`, or a class has no images.
    """
    top, notes = _enter_single_folder(root)
    folders, ignored = _list_folders(top, root)
    notes = (*notes, *ignored)
    by_split = _find_splits(folders, top)
    if not by_split:
        return ImageSplits(_list_classes(folders, top, root), [], notes)
    images = {split: _list_classes(_list_folders(path, root)[0], path, root) for split, path in by_split.items()}
    train, test, validation = images["train"], images.get("test"), images.get("validation", [])
    if test is None:
        test, notes = validation, (*notes, f"no folder named test: {by_split['validation'].name}/ is the test set")
    elif validation:
        notes = (*notes, f"the {len(validation)} images in {by_split['validation'].name}/ join the training rows")
        train = sorted(train + validation, key=class_of)  # stable
    _require_known_classes(train, test, f"{root}")
    return ImageSplits(train, test, notes)


def _list_with_test_folder(root: Path, test_root: Path) -> ImageSplits:
    """Returns the images of `root` with those of another folder as test split."""
    train, test = list_labelled_images(root), list_labelled_images(test_root)
    require(
        not train.test and not test.test,
        f"--test {test_root}: it or {root} holds an official test split already; give folders of classes for both",
    )
    _require_known_classes(train.train, test.train, f"--test {test_root}")
    return ImageSplits(train.train, test.train, (*train.notes, f"test images from {test_root}"))


def _require_known_classes(train: list[Path], test: list[Path], source: str) -> None:
    unknown = sorted({*map(class_of, test)} - {*map(class_of, train)})
    require(
        not unknown,
        f"{source}: classes {list_names([*map(repr, unknown)])} are among the test images and not among the training "
        "images; add images or drop them",
    )


def _enter_single_folder(root: Path) -> tuple[Path, tuple[str, ...]]:
    """Returns the folder of the classes or splits: `root`, or what archives and downloads wrap them in."""
    top, folders = root, _subfolders(root, root)
    while len(folders) == 1 and (below := _subfolders(folders[0], root)):
        top, folders = folders[0], below
    return top, () if top == root else (f"classes are read from {top.relative_to(root)}/, the only folder",)


def _subfolders(folder: Path, root: Path) -> list[Path]:
    return [path for path in _list_entries(folder, root) if path.is_dir()]


def _find_splits(folders: list[Path], top: Path) -> dict[str, Path]:
    """Returns the folders of splits by role if there are a training and another one, else none."""
    found: dict[str, Path] = {}
    for folder in folders:
        for role, names in SPLIT_NAMES.items():
            if folder.name.lower() in names:
                require(role not in found, f"{top}: holds {found.get(role)} and {folder} for one split; take one out")
                found[role] = folder
    if "train" not in found or len(found) == 1:
        return {}
    others = [folder.name for folder in folders if folder not in found.values()]
    require(not others, f"{top}: holds {list_names(others)} next to folders of splits; take them out")
    return found


def _list_folders(top: Path, root: Path) -> tuple[list[Path], tuple[str, ...]]:
    """Returns the folders in `top`, and a note of the documents next to them."""
    entries = _list_entries(top, root)
    ignored = [path.name for path in entries if path.is_file() and path.suffix.lower() in DOCUMENT_SUFFIXES]
    folders = [path for path in entries if path.is_dir()]
    others = [path.name for path in entries if not path.is_dir() and (path.name not in ignored or not folders)]
    require(not others, f"{top}: holds {list_names(others)} outside folders of classes; {LAYOUT_HINT}")
    return folders, (f"ignored: {list_names(ignored)}",) if ignored else ()


def _list_classes(folders: list[Path], split_dir: Path, root: Path) -> list[Path]:
    """Returns every image of every class folder of one split, by class."""
    images: list[Path] = []
    for folder in folders:
        require(
            folder.name.isprintable(), f"{split_dir}: class {folder.name!a} has an unprintable name; rename the folder"
        )
        paths = _list_entries(folder, root)
        require(paths, f"{folder}: no images of this class; add some, or delete the folder")
        for path in paths:
            require(
                path.suffix.lower() in IMAGE_SUFFIXES and path.is_file(),
                f"{path}: no file named as an image ({', '.join(IMAGE_SUFFIXES)}); convert it, move it out, or give it "
                "a name that begins with a dot",
            )
        images += paths
    require(
        images,
        f"{split_dir}: holds no folders; {LAYOUT_HINT}, or MNIST's four IDX files (train-images-idx3-ubyte ...), or "
        "inputs.npy and labels.npy",
    )
    return images


def _list_entries(folder: Path, root: Path) -> list[Path]:
    """Returns the visible entries of `folder` by name, after checking that links stay within `root`."""
    visible = [path for path in folder.iterdir() if path.name[0] != "." and path.name.lower() not in IGNORED_NAMES]
    entries = sorted(visible, key=lambda path: path.name)
    for path in entries:
        require(path.exists(), f"{path}: a link to nothing; delete it, or replace it by the image")
        require_within(path, root)
    return entries
