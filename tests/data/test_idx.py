"""IDX files are read exactly or rejected."""

import gzip

import numpy as np
import pytest
from expected_errors import error_message
from idx_files import IMAGES, LABELS, PARTS, idx_bytes, write_folder
from loading import load, load_error

from aejax.data.idx import IDX_DTYPES, read_idx


@pytest.mark.parametrize("code", IDX_DTYPES)
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("shape", [(6,), (1, 2, 3), (0, 4)])
def test_idx_round_trip(tmp_path, code, pack, shape):
    array = np.arange(np.prod(shape)).reshape(shape)
    path = tmp_path / "array"
    path.write_bytes(pack(idx_bytes(array, code)))
    read = read_idx(path)
    assert read.dtype == np.dtype(IDX_DTYPES[code]).newbyteorder("=")
    np.testing.assert_array_equal(read, array)


GOOD = idx_bytes(IMAGES)
PACKED = gzip.compress(GOOD, mtime=0)


@pytest.mark.parametrize(
    ("content", "mentioned"),
    [
        pytest.param(b"", "(none)", id="empty"),
        pytest.param(b"\x89PNG\r\n\x1a\n", "89 50 4e 47", id="another format"),
        pytest.param(b"\0\0\x07" + GOOD[3:], "00 00 07 03", id="unknown type"),
        pytest.param(GOOD[:9], "ends within its header", id="cut in the header"),
        pytest.param(GOOD[:-1], "(20, 5, 4)", id="one byte short"),
        pytest.param(GOOD + b"\0", "goes on after the 400 bytes", id="one byte more"),
        pytest.param(gzip.compress(GOOD[:-1]), "399 of the 400", id="gzip: one byte short"),
        pytest.param(b"\0\0\x08\x03" + b"\xff" * 12 + bytes(99), "more than fits", id="announces exabytes"),
        pytest.param(PACKED[:-20], "corrupt gzip", id="gzip: cut off"),
        pytest.param(PACKED[:-8] + bytes(4) + PACKED[-4:], "corrupt gzip", id="gzip: another checksum"),
        pytest.param(PACKED + b"more", "corrupt gzip", id="gzip: rubbish at the end"),
    ],
)
def test_damaged_idx_files_are_rejected(tmp_path, content, mentioned):
    path = tmp_path / "array"
    path.write_bytes(content)
    message = error_message(read_idx, path)
    assert message.startswith(str(path))
    assert mentioned in message


@pytest.mark.parametrize("spelling", ["{}", "{}.gz", "dotted", "dotted.gz"])
def test_an_idx_folder_gives_training_then_test_rows(tmp_path, spelling):
    for name, content in PARTS.items():
        name = name.replace("-idx", ".idx") if "dotted" in spelling else name
        packed = spelling.endswith(".gz")
        (tmp_path / f"{name}{'.gz' * packed}").write_bytes(gzip.compress(content) if packed else content)
    dataset = load(tmp_path)
    assert (dataset.name, dataset.inputs.dtype, dataset.value_range) == (tmp_path.name, np.uint8, (0, 255))
    np.testing.assert_array_equal(dataset.inputs, IMAGES[..., None])
    np.testing.assert_array_equal(dataset.labels, LABELS)
    np.testing.assert_array_equal(dataset.test_rows, np.arange(14, 20))


@pytest.mark.parametrize(
    ("replaced", "mentioned"),
    [
        pytest.param({"t10k-labels-idx1-ubyte": None}, "t10k-labels-idx1-ubyte", id="missing"),
        pytest.param({"train-labels-idx1-ubyte": idx_bytes(LABELS[:13])}, "(13,)", id="counts differ"),
        pytest.param({"t10k-images-idx3-ubyte": idx_bytes(IMAGES[14:, :4])}, "(6, 4, 4)", id="sizes differ"),
        pytest.param({"train-images-idx3-ubyte": PARTS["train-labels-idx1-ubyte"]}, "rank 1", id="labels as images"),
        pytest.param({"train-labels-idx1-ubyte": idx_bytes(LABELS[:14], 0x0D)}, "float32", id="float labels"),
    ],
)
def test_mismatched_idx_files_are_rejected(tmp_path, replaced, mentioned):
    message = load_error(write_folder(tmp_path, replaced))
    assert message.startswith(str(tmp_path))
    assert mentioned in message


@pytest.mark.parametrize("below", ["raw", "gzip", "MNIST/raw", "FashionMNIST/raw"])
def test_the_folders_of_torchvision_are_entered(tmp_path, below):
    (tmp_path / below).mkdir(parents=True)
    expected = load(write_folder(tmp_path / below)).sha256
    dataset = load(tmp_path)
    assert dataset.sha256 == expected
    assert dataset.name == (below.partition("/")[0] if "/" in below else tmp_path.name)


def test_prefixes_name_the_sets_of_one_folder(tmp_path):
    folder = tmp_path / "EMNIST" / "gzip"
    folder.mkdir(parents=True)
    for prefix in ("emnist-digits", "emnist-letters"):
        for name, content in PARTS.items():
            name = name.replace("t10k", "test")
            (folder / f"{prefix}-{name}.gz").write_bytes(gzip.compress(content))
    message = load_error(folder)
    assert f"{folder}/emnist-digits, {folder}/emnist-letters" in message
    dataset = load(folder / "emnist-letters")
    assert dataset.name == "emnist-letters"
    np.testing.assert_array_equal(dataset.inputs, IMAGES[..., None])
    np.testing.assert_array_equal(dataset.test_rows, np.arange(14, 20))
    assert any("EMNIST stores images with rows and columns exchanged" in note for note in dataset.description.notes)


def test_two_sets_of_torchvision_are_listed(tmp_path):
    for name in ("FashionMNIST", "MNIST"):
        (tmp_path / name / "raw").mkdir(parents=True)
        write_folder(tmp_path / name / "raw")
    message = load_error(tmp_path)
    assert (
        f"2 sets in MNIST's format; give one of them as --dataset: {tmp_path}/FashionMNIST, {tmp_path}/MNIST" in message
    )


def test_training_files_alone_are_read_with_a_note_and_test_files_alone_rejected(tmp_path):
    none = dict.fromkeys(("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"))
    dataset = load(write_folder(tmp_path, none))
    np.testing.assert_array_equal(dataset.inputs, IMAGES[:14, ..., None])
    assert dataset.test_rows is None
    assert dataset.description.notes[0] == "no test files: test rows are drawn from the training files"
    for path in tmp_path.iterdir():
        path.rename(path.with_name(path.name.replace("train", "t10k")))
    assert "no file train-images-idx3-ubyte" in load_error(tmp_path)


def test_compressed_files_are_preferred(tmp_path):
    write_folder(tmp_path)
    other = idx_bytes(255 - IMAGES[:14])
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(other))
    np.testing.assert_array_equal(load(tmp_path).inputs[:14, ..., 0], 255 - IMAGES[:14])


def test_test_files_in_a_folder_of_their_own(tmp_path):
    for part in ("train", "t10k"):
        (tmp_path / part).mkdir()
        write_folder(tmp_path / part, {name: None for name in PARTS if not name.startswith(part)})
    dataset = load(tmp_path / "train", test=tmp_path / "t10k")
    assert dataset.description.notes == (f"test rows from {tmp_path / 't10k'}",)
    np.testing.assert_array_equal(dataset.inputs, IMAGES[..., None])
    np.testing.assert_array_equal(dataset.test_rows, np.arange(14, 20))


def test_files_unpacked_to_folders_of_their_names(tmp_path):
    expected = load(write_folder(tmp_path)).sha256
    for name in PARTS:
        (tmp_path / "kaggle" / name).mkdir(parents=True)
        (tmp_path / name).rename(tmp_path / "kaggle" / name / name)
    assert load(tmp_path / "kaggle").sha256 == expected
