"""Folders of images by class give the written arrays, and unexpected files are named."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from loading import load, load_error
from PIL import Image

from aejax.data.image_folder import load_image_folder
from aejax.errors import InputError

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (24, 6, 5), dtype=np.uint8)
LABELS = np.arange(24) % 3
CLASSES = ("ant", "bee", "cat 10")


def write(root: Path, images: np.ndarray = IMAGES, labels: np.ndarray = LABELS, first: int = 0) -> Path:
    for number, (image, label) in enumerate(zip(images, labels, strict=True), first):
        path = root / CLASSES[label] / f"{number:04}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return root


def write_parts(root: Path) -> Path:
    write(root / "train", IMAGES[:18], LABELS[:18])
    write(root / "test", IMAGES[18:], LABELS[18:])
    return root


def by_class(images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return images[np.argsort(labels, kind="stable")][..., None]


@pytest.mark.parametrize("shape", [(24, 6, 5), (24, 6, 5, 3)], ids=["grey", "colour"])
def test_images_equal_the_arrays_that_were_written(tmp_path, shape):
    images = RNG.integers(0, 256, shape, dtype=np.uint8)
    dataset = load_image_folder(write(tmp_path / "insects.v2", images))
    expected = images[np.argsort(LABELS, kind="stable")].reshape(24, 6, 5, -1)
    assert dataset.inputs.dtype == np.uint8
    np.testing.assert_array_equal(dataset.inputs, expected)
    np.testing.assert_array_equal(dataset.labels, np.sort(LABELS))
    assert (dataset.name, dataset.class_names, dataset.value_range) == ("insects.v2", CLASSES, (0, 255))
    assert dataset.test_rows is None


def test_train_and_test_folders_define_the_official_split(tmp_path):
    dataset = load_image_folder(write_parts(tmp_path))
    np.testing.assert_array_equal(dataset.test_rows, np.arange(18, 24))
    np.testing.assert_array_equal(dataset.inputs[:18], by_class(IMAGES[:18], LABELS[:18]))
    np.testing.assert_array_equal(dataset.inputs[18:], by_class(IMAGES[18:], LABELS[18:]))
    np.testing.assert_array_equal(dataset.labels[18:], np.sort(LABELS[18:]))


@pytest.mark.parametrize("name", ["train", "test"])
def test_train_or_test_alone_is_an_ordinary_class(tmp_path, name):
    root = write(tmp_path)
    (root / "bee").rename(root / name)
    assert set(load_image_folder(root).class_names) == {"ant", "cat 10", name}


def test_order_follows_paths_not_the_file_system(tmp_path, monkeypatch):
    expected = load_image_folder(write(tmp_path)).inputs
    listed = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda path: sorted(listed(path), reverse=True))
    np.testing.assert_array_equal(load_image_folder(tmp_path).inputs, expected)


def test_hidden_files_are_ignored_at_every_level(tmp_path):
    expected = load_image_folder(write_parts(tmp_path)).sha256
    for folder in (tmp_path, tmp_path / "train", tmp_path / "test" / "bee"):
        (folder / "__MACOSX" / "ant").mkdir(parents=True)
        for name in (".DS_Store", "._0001.png", "Thumbs.db", "desktop.ini"):
            (folder / name).write_text("not an image")
        (folder / ".ipynb_checkpoints").mkdir()
    assert load_image_folder(tmp_path).sha256 == expected


def test_content_decides_the_format_not_the_suffix(tmp_path):
    root = write(tmp_path)
    (root / "ant" / "0000.png").rename(root / "ant" / "0000.JPG")
    (root / "ant" / "0003.png").rename(root / "ant" / "0003.jpeg")
    np.testing.assert_array_equal(load_image_folder(root).inputs, by_class(IMAGES, LABELS))


def test_symlinks_within_the_folder_are_followed(tmp_path):
    root = write(tmp_path / "set")
    (root / "ant" / "9999.png").symlink_to(root / "ant" / "0000.png")
    np.testing.assert_array_equal(load_image_folder(root).inputs[8], IMAGES[0][..., None])
    (tmp_path / "link").symlink_to(root)
    assert load_image_folder(tmp_path / "link").n_examples == 25


def put(path: str, content: bytes | None = None):
    """A fault: a file at `path`, or a folder where there is no content."""

    def fault(root: Path) -> None:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).mkdir() if content is None else (root / path).write_bytes(content)

    return fault


def link(path: str, target: str):
    return lambda root: (root / path).symlink_to(target.format(root))


def drop(path: str):
    return lambda root: shutil.rmtree(root / path)


def picture(path: str, *size: int):
    return lambda root: Image.new("L", size).save(root / path)


FAULTS = {
    "a file next to the classes": (write, put("more.tar", b"hello"), "{}: holds more.tar outside folders of classes"),
    "images without classes": (lambda root: root, picture("0.png", 5, 6), "{}: holds 0.png outside folders"),
    "a pipe next to the classes": (write, lambda root: os.mkfifo(root / "README"), "{}: holds README outside"),
    "a note among the images": (write, put("ant/notes.txt", b"hello"), "{}/ant/notes.txt: no file named as an image"),
    "a folder in a class": (write, put("ant/x.png"), "{}/ant/x.png: no file named as an image"),
    "a pipe called as an image": (write, lambda root: os.mkfifo(root / "ant" / "x.png"), "{}/ant/x.png: no file"),
    "an empty class": (write, put("dog"), "{}/dog: no images of this class"),
    "a class of hidden files": (write, put("dog/.x.png", b""), "{}/dog: no images of this class"),
    "a class only in the test": (write_parts, drop("train/bee"), "classes 'bee' are among the test images and not"),
    "an empty test": (write_parts, lambda root: [drop("test")(root), put("test")(root)], "{}/test: holds no folders"),
    "a third part": (write_parts, put("extra/ant/0.png", b""), "{}: holds extra next to folders of splits"),
    "two training splits": (write_parts, put("Training/ant/0.png", b""), "for one split; take one out"),
    "an unprintable class": (write, put("a\nb/0.png", b""), "class 'a\\nb' has an unprintable name"),
    "a link out of the folder": (write, link("ant/x.png", "/etc/hostname"), "{}/ant/x.png: a link out of {}"),
    "a linked class": (write, link("dog", "/etc"), "{}/dog: a link out of {}"),
    "a link to itself": (write, link("ant/x.png", "x.png"), "{}/ant/x.png: a link to nothing"),
    "a damaged image": (write, put("bee/0.png", b""), "{}/bee/0.png: not an intact PNG, JPEG, "),
    "another size": (write, picture("cat 10/x.png", 7, 6), "{}/cat 10/x.png 7 x 6; give --image-size"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_unexpected_files_and_folders_are_named(tmp_path, fault):
    layout, add_fault, mentioned = FAULTS[fault]
    add_fault(layout(tmp_path))
    assert mentioned.format(tmp_path, tmp_path) in load_error(tmp_path)


def test_an_unreadable_image_is_named(tmp_path, monkeypatch):
    write(tmp_path)
    opened = Image.open

    # The tests may run as root, whom no permission stops.
    def denied(file: object, **options: object) -> Image.Image:
        if str(file).endswith("0007.png"):
            raise PermissionError(13, "Permission denied", str(file))
        return opened(file, **options)

    monkeypatch.setattr(Image, "open", denied)
    with pytest.raises(InputError, match=r"0007\.png: cannot be read \(Permission denied\)"):
        load_image_folder(tmp_path)


@pytest.mark.parametrize(
    ("train", "test"), [("training", "testing"), ("Training", "Test"), ("TRAIN", "TEST"), ("train", "val")]
)
def test_splits_have_the_names_that_people_use(tmp_path, train, test):
    expected = load_image_folder(write_parts(tmp_path / "a"))
    (write_parts(tmp_path / "b") / "train").rename(tmp_path / "b" / train)
    (tmp_path / "b" / "test").rename(tmp_path / "b" / test)
    dataset = load_image_folder(tmp_path / "b")
    assert dataset.sha256 == expected.sha256
    assert dataset.description.notes == (("no folder named test: val/ is the test set",) if test == "val" else ())


@pytest.mark.parametrize("name", ["val", "valid", "Validation"])
def test_validation_images_join_the_training_images(tmp_path, name):
    write(tmp_path / "train", IMAGES[:12], LABELS[:12])
    write(tmp_path / name, IMAGES[12:18], LABELS[12:18], first=12)
    write(tmp_path / "test", IMAGES[18:], LABELS[18:])
    dataset = load_image_folder(tmp_path)
    np.testing.assert_array_equal(dataset.inputs[:18], by_class(IMAGES[:18], LABELS[:18]))
    np.testing.assert_array_equal(dataset.test_rows, np.arange(18, 24))
    assert dataset.description.notes == (f"the 6 images in {name}/ join the training rows",)


def test_wrapping_folders_are_entered_and_documents_ignored_with_a_note(tmp_path):
    write_parts(tmp_path / "archive" / "insects")
    (tmp_path / "archive" / "LICENSE").write_text("free")
    (tmp_path / "archive" / "insects" / "README.md").write_text("free")
    dataset = load_image_folder(tmp_path)
    assert dataset.sha256 == load_image_folder(tmp_path / "archive" / "insects").sha256
    assert dataset.description.notes == (
        "classes are read from archive/insects/, the only folder",
        "ignored: README.md",
    )


def test_classes_in_train_alone_have_no_official_test(tmp_path):
    shutil.rmtree(write_parts(tmp_path) / "test")
    dataset = load_image_folder(tmp_path)
    assert (dataset.n_examples, dataset.class_names, dataset.test_rows) == (18, CLASSES, None)
    assert dataset.description.notes == ("classes are read from train/, the only folder",)


def test_a_second_folder_gives_the_test_rows(tmp_path):
    expected = load_image_folder(write_parts(tmp_path))
    train, test = tmp_path / "train", tmp_path / "test"
    dataset = load(train, test=test)
    assert dataset.sha256 == expected.sha256
    assert dataset.description.label_source == "names of folders"
    assert dataset.description.layout == "images 6x5x1, channels last"
    assert dataset.description.notes == (f"test images from {test}",)
    assert "holds an official test split already" in load_error(tmp_path, test=test)
    shutil.rmtree(train / "bee")
    assert "classes 'bee' are among the test images" in load_error(train, test=test)
    assert f"--test {tmp_path / 'none'}: no such file" in load_error(train, test=tmp_path / "none")


@pytest.mark.parametrize("suffix", [".bmp", ".TIFF", ".webp", ".gif", ".pgm"])
def test_formats_by_suffix(tmp_path, suffix):
    for path in [*write(tmp_path).rglob("*.png")]:
        Image.open(path).save(path.with_suffix(suffix), lossless=True)
        path.unlink()
    dataset = load_image_folder(tmp_path)
    np.testing.assert_array_equal(dataset.inputs[..., :1], by_class(IMAGES, LABELS))  # WebP has no grayscale
    assert dataset.description.notes == (("GIF: the first frame of each",) if suffix == ".gif" else ())
