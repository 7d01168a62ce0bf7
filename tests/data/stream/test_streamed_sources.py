"""Every source gives what was written, by rows; what cannot be streamed is refused in one line."""

import io

import numpy as np
import pytest
from array_record.python import array_record_module
from PIL import Image

from aejax.config import DataConfig
from aejax.data.image_folder import load_image_folder
from aejax.data.registry import load_dataset
from aejax.data.stream import holdout as sample
from aejax.data.stream.array_records import ArrayRecordSource
from aejax.data.stream.image_folder import open_image_folder
from aejax.data.stream.npy import NpySource
from aejax.data.stream.source import DataSource
from aejax.errors import InputError

ROWS = np.array([0, 1, 2, 7, 30, 31, 59])


def images(n=60, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (n, 5, 4), np.uint8), rng.integers(0, 3, n)


def npy_folder(folder, inputs, labels):
    folder.mkdir()
    np.save(folder / "inputs.npy", inputs)
    if labels is not None:
        np.save(folder / "labels.npy", labels)
    return folder


def saved(inputs, label=None):
    file = io.BytesIO()
    if label is None:
        np.save(file, inputs)
    else:
        np.savez(file, inputs=inputs, label=label)
    return file.getvalue()


def record_folder(folder, records, files=2):
    folder.mkdir()
    for number, own in enumerate(np.array_split(np.arange(len(records)), files)):
        writer = array_record_module.ArrayRecordWriter(str(folder / f"part-{number}.array_record"), "group_size:1")
        for row in own:
            writer.write(records[row])
        writer.close()
    return folder


def image_folder(folder, pixels, labels):
    for row, (image, label) in enumerate(zip(pixels, labels, strict=True)):
        path = folder / "abc"[label] / f"{row:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return folder


@pytest.mark.parametrize("dtype", ["uint8", "bool", "int32", "float64", "float32", ">f4"])
def test_npy_files_give_what_was_saved(dtype, tmp_path):
    pixels, labels = images()
    inputs = (pixels > 99 if dtype == "bool" else pixels).astype(dtype)
    source = NpySource(npy_folder(tmp_path / "set", inputs, labels))
    assert isinstance(source, DataSource)
    expected = inputs.astype(np.uint8 if dtype in ("uint8", "bool") else np.float32)
    for rows in (ROWS, np.arange(60), np.array([59]), np.array([], int)):
        read = source.read(rows)
        assert read.dtype == source.dtype == expected.dtype
        np.testing.assert_array_equal(read.reshape(len(rows), 5, 4), expected[rows])
        np.testing.assert_array_equal(source.read_labels(rows), labels[rows])
    assert source.example_shape == ((5, 4, 1) if dtype == "uint8" else (5, 4))
    assert source.value_range == ((0.0, 255.0) if dtype == "uint8" else None)


def test_a_single_npy_file_has_no_labels(tmp_path):
    np.save(tmp_path / "table.npy", np.eye(9, 3))
    source = NpySource(tmp_path / "table.npy")
    assert (source.n_examples, source.example_shape, source.has_labels, source.name) == (9, (3,), False, "table")


@pytest.mark.parametrize("labelled", [True, False])
def test_array_records_give_what_was_written_across_files(labelled, tmp_path):
    pixels, labels = images()
    records = [saved(image, label if labelled else None) for image, label in zip(pixels, labels, strict=True)]
    source = ArrayRecordSource(record_folder(tmp_path / "set", records, files=3))
    assert isinstance(source, DataSource)
    assert (source.n_examples, source.example_shape, source.has_labels) == (60, (5, 4, 1), labelled)
    np.testing.assert_array_equal(source.read(ROWS)[..., 0], pixels[ROWS])
    if labelled:
        np.testing.assert_array_equal(source.read_labels(ROWS), labels[ROWS])
    assert source.describe_row(25).endswith("part-1.array_record: record 5")


def test_image_folders_give_what_the_folder_in_memory_gives(tmp_path):
    pixels, labels = images()
    image_folder(tmp_path / "train", pixels, labels)
    image_folder(tmp_path / "test", pixels[:9], labels[:9])
    train, test = open_image_folder(tmp_path, None)
    dataset = load_image_folder(tmp_path)
    assert isinstance(train, DataSource)
    np.testing.assert_array_equal(train.read(np.arange(60)), dataset.inputs[:60])
    np.testing.assert_array_equal(test.read(np.arange(9)), dataset.inputs[dataset.test_rows])
    np.testing.assert_array_equal(train.read_labels(np.arange(60)), dataset.labels[:60])
    assert train.class_names == dataset.class_names
    assert open_image_folder(tmp_path, 8)[0].read(ROWS).shape == (7, 8, 8, 1)


def load_stream(path, **options):
    return load_dataset(DataConfig(dataset=str(path), stream=True, **options))


def test_the_sample_is_of_the_source_and_none_of_it_trains(tmp_path):
    pixels, labels = images(600)
    dataset = load_stream(npy_folder(tmp_path / "set", pixels, labels), stream_sample=90)
    stream = dataset.stream
    np.testing.assert_array_equal(dataset.inputs[..., 0], pixels[stream.held_out_rows])
    np.testing.assert_array_equal(dataset.labels, labels[stream.held_out_rows])
    trained = stream.source_rows(np.arange(stream.n_train))
    np.testing.assert_array_equal(np.sort(np.concatenate([trained, stream.held_out_rows])), np.arange(600))
    again = load_stream(tmp_path / "set", stream_sample=90)
    assert (again.sha256, again.stream.fingerprint) == (dataset.sha256, stream.fingerprint)


def test_the_official_test_examples_come_from_the_test_folder(tmp_path, monkeypatch):
    pixels, labels = images()
    image_folder(tmp_path / "train", pixels, labels)
    image_folder(tmp_path / "test", 255 - pixels, labels)
    dataset = load_stream(tmp_path, stream_sample=40)
    assert len(dataset.test_rows) == 60
    judging = {image.tobytes() for image in dataset.inputs[dataset.test_rows]}
    assert judging <= {(255 - image).tobytes() for image in pixels}
    assert dataset.stream.n_train == 20
    monkeypatch.setattr(sample, "DEFAULT_SAMPLE", 50)
    some = load_stream(tmp_path, stream_sample=40)
    assert len(some.test_rows) == 50
    assert {image.tobytes() for image in some.inputs[some.test_rows]} <= judging


def test_a_source_without_labels_has_one_class(tmp_path):
    dataset = load_stream(npy_folder(tmp_path / "set", images()[0], None))
    assert dataset.class_names == ("unlabelled",)
    assert not dataset.labels.any()
    assert dataset.n_examples == 6


def test_a_changed_source_has_another_fingerprint(tmp_path):
    pixels, _ = images()
    before = load_stream(npy_folder(tmp_path / "set", pixels, None)).stream.fingerprint
    assert load_stream(tmp_path / "set").stream.fingerprint == before
    np.save(tmp_path / "set" / "inputs.npy", 255 - pixels)
    assert load_stream(tmp_path / "set").stream.fingerprint != before


def write_bad(folder):
    pixels, labels = images()
    npy_folder(folder / "short", pixels, labels[:50])
    npy_folder(folder / "objects", np.array([[1, None]] * 60, object), None)
    npy_folder(folder / "columns", np.asfortranarray(np.ones((60, 3))), None)
    npy_folder(folder / "words", np.array([["a", "b"]] * 60), None)
    npy_folder(folder / "scalar", np.arange(60.0), None)
    npy_folder(folder / "cut", pixels, labels)
    (folder / "cut" / "inputs.npy").write_bytes((folder / "cut" / "inputs.npy").read_bytes()[:-9])
    npy_folder(folder / "negative", pixels, np.where(np.arange(60) == 7, -1, labels))
    npy_folder(folder / "good", pixels, labels)
    (folder / "none").mkdir()
    (folder / "text.npy").write_text("no array")
    (folder / "table.csv").write_text("a,b\n1,2\n")
    records = [saved(image) for image in pixels]
    record_folder(folder / "unequal", [*records[:-1], saved(pixels[0][:4])])
    record_folder(folder / "pickled", [saved(np.array([None], object))], files=1)
    record_folder(folder / "noise", [b"noise"], files=1)
    path = record_folder(folder / "truncated", records, files=1) / "part-0.array_record"
    path.write_bytes(path.read_bytes()[:500])


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"dataset": "{}/nowhere"}, "nowhere: no such file or folder"),
        ({"dataset": "digits"}, "--stream reads mnist"),
        ({"dataset": "{}/none"}, "none: is empty"),
        ({"dataset": "{}/text.npy"}, "text.npy: not a .npy file"),
        ({"dataset": "{}/table.csv"}, "table.csv: cannot be streamed"),
        ({"dataset": "{}/short"}, "labels.npy: has shape (50,)"),
        ({"dataset": "{}/objects"}, "inputs.npy: holds Python objects"),
        ({"dataset": "{}/columns"}, "Fortran"),
        ({"dataset": "{}/words"}, "expected real numbers"),
        ({"dataset": "{}/scalar"}, "has shape (60,)"),
        ({"dataset": "{}/cut"}, "and its header announces"),
        ({"dataset": "{}/negative", "stream_sample": 50}, "row 7: its label is -1"),
        ({"dataset": "{}/unequal", "stream_sample": 59}, "part-1.array_record: record 29: holds uint8 of shape (4, 4)"),
        ({"dataset": "{}/pickled"}, "holds Python objects"),
        ({"dataset": "{}/noise"}, "record 0: begins with b'noise'"),
        ({"dataset": "{}/truncated"}, "holds no records"),
        ({"dataset": "{}/good", "stream_sample": 60}, "--stream-sample 60"),
        ({"dataset": "{}/good", "image_size": 8}, "--image-size 8"),
        ({"dataset": "{}/good", "label_column": "y"}, "--label-column y"),
        ({"dataset": "{}/good", "stream_sample": 3}, "a larger one may do"),
        ({"dataset": "tfds:nowhere", "data_dir": "{}"}, "not prepared in"),
    ],
)
def test_what_cannot_be_streamed_is_refused_in_one_line(options, named, tmp_path):
    write_bad(tmp_path)
    filled = {name: value.format(tmp_path) if isinstance(value, str) else value for name, value in options.items()}
    if "data_dir" in filled:
        filled["data_dir"] = tmp_path
    with pytest.raises(InputError) as refused:
        load_dataset(DataConfig(stream=True, **filled))
    assert named in str(refused.value)
    assert "\n" not in str(refused.value)


def test_values_that_are_not_finite_are_refused_with_their_row(tmp_path):
    inputs = np.ones((60, 4))
    inputs[33, 2] = 1e300
    source = NpySource(npy_folder(tmp_path / "set", inputs, None))
    with pytest.raises(InputError, match=r"inputs.npy: row 33: holds 1e\+300"):
        source.read(np.arange(20, 50))
    source.read(np.arange(33))


def test_flags_of_a_stream_need_one():
    with pytest.raises(InputError, match="--shuffle-window 9: is for data that are streamed"):
        DataConfig(shuffle_window=9)
    with pytest.raises(InputError, match="--stream-sample 0: expected at least 1"):
        DataConfig(stream=True, stream_sample=0)
