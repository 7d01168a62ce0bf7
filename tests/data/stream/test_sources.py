"""Every source returns what was written, by rows; what cannot be streamed is rejected in one line."""

import numpy as np
import pytest
from PIL import Image

from aejax.config import DataConfig
from aejax.data.image_folder import load_image_folder
from aejax.data.registry import load_dataset
from aejax.data.stream import load
from aejax.data.stream.open import open_image_folder, open_npy_source
from aejax.errors import InputError
from tests.data.expected_errors import error_message

ROWS = np.array([31, 0, 1, 2, 59, 7, 30])


@pytest.mark.parametrize("name", ["inputs.npy", "labels.npy"])
def test_a_link_out_of_the_folder_is_not_followed(tmp_path, name):
    folder = write_npy_folder(tmp_path / "set", *make_images())
    (folder / name).rename(tmp_path / "outside.npy")
    (folder / name).symlink_to(tmp_path / "outside.npy")
    with pytest.raises(InputError, match=rf"{name}: a link out of"):
        load_dataset(DataConfig(dataset=str(folder), stream=True))


def make_images(n=60, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (n, 5, 4), np.uint8), rng.integers(0, 3, n)


def write_npy_folder(folder, inputs, labels=None):
    folder.mkdir()
    np.save(folder / "inputs.npy", inputs)
    if labels is not None:
        np.save(folder / "labels.npy", labels)
    return folder


def write_image_folder(folder, pixels, labels):
    for row, (image, label) in enumerate(zip(pixels, labels, strict=True)):
        path = folder / "abc"[label] / f"{row:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)


def load_stream(path, **options):
    return load_dataset(DataConfig(dataset=str(path), stream=True, **options))


@pytest.mark.parametrize("dtype", ["uint8", "bool", "int32", "float64", ">f4"])
def test_npy_sources_return_what_was_saved(dtype, tmp_path):
    pixels, labels = make_images()
    inputs = (pixels > 99 if dtype == "bool" else pixels).astype(dtype)
    source = open_npy_source(write_npy_folder(tmp_path / "set", inputs, labels))
    expected = inputs.astype(np.uint8 if dtype in ("uint8", "bool") else np.float32)
    for rows in (ROWS, np.arange(60), np.array([59]), np.array([], int)):
        examples = source.read(rows)
        assert examples.dtype == source.dtype == expected.dtype
        np.testing.assert_array_equal(examples.reshape(len(rows), 5, 4), expected[rows])
        np.testing.assert_array_equal(source.read_labels(rows), labels[rows])
    sample = load_stream(tmp_path / "set", stream_sample=40)
    in_memory = load_dataset(DataConfig(dataset=str(tmp_path / "set")))
    assert source.example_shape == in_memory.example_shape == (5, 4, 1)
    assert source.value_range == in_memory.value_range == ((0.0, 255.0) if dtype == "uint8" else None)
    np.testing.assert_array_equal(sample.inputs, in_memory.inputs[sample.stream.held_out_rows])


def test_a_single_npy_file_has_no_labels(tmp_path):
    np.save(tmp_path / "table.npy", np.eye(9, 3))
    source = open_npy_source(tmp_path / "table.npy")
    assert (source.n_examples, source.example_shape, source.read_labels, source.name) == (9, (3,), None, "table")


def test_an_npy_file_that_becomes_shorter_is_rejected_before_it_is_read(tmp_path):
    folder = write_npy_folder(tmp_path / "set", make_images()[0])
    source = open_npy_source(folder)
    with (folder / "inputs.npy").open("r+b") as file:
        file.truncate(200)
    with pytest.raises(InputError, match=r"inputs\.npy: became shorter"):
        source.read(ROWS)


def test_image_folders_return_what_load_image_folder_returns(tmp_path):
    pixels, labels = make_images()
    write_image_folder(tmp_path / "train", pixels, labels)
    write_image_folder(tmp_path / "test", pixels[:9], labels[:9])
    train, test = open_image_folder(tmp_path, None)
    dataset = load_image_folder(tmp_path)
    np.testing.assert_array_equal(train.read(ROWS), dataset.inputs[ROWS])
    np.testing.assert_array_equal(test.read(np.arange(9)), dataset.inputs[dataset.test_rows])
    np.testing.assert_array_equal(train.read_labels(np.arange(60)), dataset.labels[:60])
    assert train.class_names == dataset.class_names
    assert open_image_folder(tmp_path, 8)[0].read(ROWS).shape == (7, 8, 8, 1)


def test_the_sample_comes_from_the_source_and_none_of_it_trains(tmp_path):
    pixels, labels = make_images(600)
    dataset = load_stream(write_npy_folder(tmp_path / "set", pixels, labels), stream_sample=90)
    stream = dataset.stream
    np.testing.assert_array_equal(dataset.inputs[..., 0], pixels[stream.held_out_rows])
    np.testing.assert_array_equal(dataset.labels, labels[stream.held_out_rows])
    train_rows = stream.source_rows(np.arange(stream.n_train))
    np.testing.assert_array_equal(np.sort(np.concatenate([train_rows, stream.held_out_rows])), np.arange(600))
    again = load_stream(tmp_path / "set", stream_sample=90)
    assert (again.sha256, again.stream.fingerprint) == (dataset.sha256, stream.fingerprint)


def test_official_test_examples_come_from_the_test_folder(tmp_path, monkeypatch):
    pixels, labels = make_images()
    write_image_folder(tmp_path / "train", pixels, labels)
    write_image_folder(tmp_path / "test", 255 - pixels, labels)
    dataset = load_stream(tmp_path, stream_sample=40)
    assert (len(dataset.test_rows), dataset.stream.n_train) == (60, 20)
    test_images = {image.tobytes() for image in dataset.inputs[dataset.test_rows]}
    assert test_images <= {(255 - image).tobytes() for image in pixels}
    monkeypatch.setattr(load, "DEFAULT_SAMPLE", 50)
    limited = load_stream(tmp_path, stream_sample=40)
    assert len(limited.test_rows) == 50
    assert {image.tobytes() for image in limited.inputs[limited.test_rows]} <= test_images


def test_a_source_without_labels_has_one_class(tmp_path):
    dataset = load_stream(write_npy_folder(tmp_path / "set", make_images()[0]))
    assert dataset.class_names == ("unlabelled",)
    assert not dataset.labels.any()
    assert dataset.n_examples == 6


def test_a_changed_source_has_another_fingerprint(tmp_path):
    pixels, _ = make_images()
    before = load_stream(write_npy_folder(tmp_path / "set", pixels)).stream.fingerprint
    assert load_stream(tmp_path / "set").stream.fingerprint == before
    np.save(tmp_path / "set" / "inputs.npy", 255 - pixels)
    assert load_stream(tmp_path / "set").stream.fingerprint != before


def test_values_that_are_not_finite_are_rejected_with_their_row(tmp_path):
    inputs = np.ones((60, 4))
    inputs[33, 2] = 1e300
    source = open_npy_source(write_npy_folder(tmp_path / "set", inputs))
    with pytest.raises(InputError, match=r"inputs.npy: row 33: holds 1e\+300"):
        source.read(np.arange(20, 50))
    source.read(np.arange(33))


@pytest.fixture(scope="module")
def bad_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bad")
    pixels, labels = make_images()
    write_npy_folder(folder / "short", pixels, labels[:50])
    write_npy_folder(folder / "columns", np.asfortranarray(np.ones((60, 3))))
    write_npy_folder(folder / "words", np.array([["a", "b"]] * 60))
    write_npy_folder(folder / "scalar", np.arange(60.0))
    write_npy_folder(folder / "negative", pixels, np.where(np.arange(60) == 7, -1, labels))
    write_npy_folder(folder / "good", pixels, labels)
    (folder / "none").mkdir()
    (folder / "table.csv").write_text("a,b\n1,2\n")
    return folder


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dataset": "digits"}, "--stream reads mnist"),
        ({"dataset": "{}/none"}, "none: holds no folders"),
        ({"dataset": "{}/table.csv"}, "table.csv: cannot be streamed"),
        ({"dataset": "{}/short"}, "labels.npy: has shape (50,)"),
        ({"dataset": "{}/columns"}, "Fortran"),
        ({"dataset": "{}/words"}, "expected real numbers"),
        ({"dataset": "{}/scalar"}, "has shape (60,)"),
        ({"dataset": "{}/negative", "stream_sample": 50}, "row 7: its label is -1"),
        ({"dataset": "{}/good", "stream_sample": 60}, "--stream-sample 60"),
        ({"dataset": "{}/good", "image_size": 8}, "--image-size 8"),
        ({"dataset": "mnist", "image_size": 14}, "--image-size 14: mnist has no use for it"),
        ({"dataset": "{}/good", "label_column": "y"}, "--label-column y"),
        ({"dataset": "{}/good", "stream_sample": 3}, "try a larger one"),
    ],
)
def test_what_cannot_be_streamed_is_rejected_in_one_line(options, message, bad_folder):
    options = {name: value.format(bad_folder) if isinstance(value, str) else value for name, value in options.items()}
    assert message in error_message(load_dataset, DataConfig(stream=True, **options))


def test_options_of_a_stream_need_stream():
    with pytest.raises(InputError, match="--shuffle-window 9: is for data that are streamed"):
        DataConfig(shuffle_window=9)
    with pytest.raises(InputError, match="--stream-sample 0: expected at least 1"):
        DataConfig(stream=True, stream_sample=0)
