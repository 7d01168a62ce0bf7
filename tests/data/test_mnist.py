"""IDX files are read to the byte or refused; the two routes to MNIST give the same examples."""

import gzip
import hashlib
import logging
import shutil
import socket
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from aejax.data import mnist as mnist_source
from aejax.data.idx import IDX_DTYPES, load_idx_folder, read_idx
from aejax.data.mnist import ORIGINAL_SHA256, load_mnist, prepare_mnist
from aejax.errors import InputError


def idx_bytes(array: np.ndarray, code: int = 0x08) -> bytes:
    dimensions = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, code, array.ndim]) + dimensions + array.astype(IDX_DTYPES[code]).tobytes()


IMAGES = np.arange(20 * 5 * 4, dtype=np.uint8).reshape(20, 5, 4)
LABELS = (np.arange(20) % 3).astype(np.uint8)
PARTS = {
    "train-images-idx3-ubyte": idx_bytes(IMAGES[:14]),
    "train-labels-idx1-ubyte": idx_bytes(LABELS[:14]),
    "t10k-images-idx3-ubyte": idx_bytes(IMAGES[14:]),
    "t10k-labels-idx1-ubyte": idx_bytes(LABELS[14:]),
}


def write_folder(folder: Path, replaced: dict[str, bytes | None] | None = None) -> Path:
    for name, content in (PARTS | (replaced or {})).items():
        if content is not None:
            (folder / name).write_bytes(content)
    return folder


def refusal(call, *args) -> str:
    with pytest.raises(InputError) as caught:
        call(*args)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("code", IDX_DTYPES)
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("shape", [(6,), (2, 3), (1, 2, 3), (0, 4)])
def test_idx_arrays_come_back_as_written(tmp_path, code, pack, shape):
    array = np.arange(np.prod(shape)).reshape(shape)
    path = tmp_path / "array"
    path.write_bytes(pack(idx_bytes(array, code)))
    read = read_idx(path)
    assert read.dtype == np.dtype(IDX_DTYPES[code]).newbyteorder("=")
    np.testing.assert_array_equal(read, array)


GOOD = idx_bytes(IMAGES)
PACKED = gzip.compress(GOOD, mtime=0)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        pytest.param(b"", "(none)", id="empty"),
        pytest.param(b"\x89PNG\r\n\x1a\n", "89 50 4e 47", id="another format"),
        pytest.param(b"\0\0\x07" + GOOD[3:], "00 00 07 03", id="unknown type"),
        pytest.param(GOOD[:9], "ends within its header", id="cut in the header"),
        pytest.param(GOOD[:-1], "(20, 5, 4)", id="one byte short"),
        pytest.param(GOOD + b"\0", "goes on after the 400 bytes", id="one byte more"),
        pytest.param(gzip.compress(GOOD[:-1]), "399 of the 400", id="gzip: one byte short"),
        pytest.param(gzip.compress(GOOD + b"\0"), "goes on after", id="gzip: one byte more"),
        pytest.param(b"\0\0\x08\x03" + b"\xff" * 12 + bytes(99), "more than it can hold", id="announces exabytes"),
        pytest.param(
            gzip.compress(b"\0\0\x08\x02" + b"\xff" * 8), "more than it can hold", id="gzip: announces exabytes"
        ),
        pytest.param(PACKED[:-20], "truncated", id="gzip: cut off"),
        pytest.param(PACKED[:60] + bytes([PACKED[60] ^ 8]) + PACKED[61:], "fetch", id="gzip: a flipped bit"),
        pytest.param(PACKED[:-8] + bytes(4) + PACKED[-4:], "corrupt gzip", id="gzip: another checksum"),
        pytest.param(PACKED + b"more", "corrupt gzip", id="gzip: rubbish at the end"),
    ],
)
def test_damaged_idx_files_are_refused(tmp_path, content, named):
    path = tmp_path / "array"
    path.write_bytes(content)
    message = refusal(read_idx, path)
    assert message.startswith(str(path))
    assert named in message


def test_a_file_that_is_not_there_is_refused(tmp_path):
    assert str(tmp_path / "none") in refusal(read_idx, tmp_path / "none")


@pytest.mark.parametrize("spelling", ["{}", "{}.gz", "dotted", "dotted.gz"])
def test_a_folder_gives_training_rows_then_the_official_test_rows(tmp_path, spelling):
    for name, content in PARTS.items():
        name = name.replace("-idx", ".idx") if "dotted" in spelling else name
        packed = spelling.endswith(".gz")
        (tmp_path / f"{name}{'.gz' * packed}").write_bytes(gzip.compress(content) if packed else content)
    dataset = load_idx_folder(tmp_path, "small")
    assert (dataset.name, dataset.inputs.dtype, dataset.value_range) == ("small", np.uint8, (0, 255))
    np.testing.assert_array_equal(dataset.inputs, IMAGES[..., None])
    np.testing.assert_array_equal(dataset.labels, LABELS)
    np.testing.assert_array_equal(dataset.test_rows, np.arange(14, 20))


@pytest.mark.parametrize(
    ("replaced", "named"),
    [
        pytest.param({"t10k-labels-idx1-ubyte": None}, "t10k-labels-idx1-ubyte", id="missing"),
        pytest.param({"train-labels-idx1-ubyte": idx_bytes(LABELS[:13])}, "14 images and", id="counts differ"),
        pytest.param({"t10k-images-idx3-ubyte": idx_bytes(IMAGES[14:, :4])}, "(4, 4)", id="sizes differ"),
        pytest.param({"train-images-idx3-ubyte": PARTS["train-labels-idx1-ubyte"]}, "rank 1", id="labels as images"),
        pytest.param({"train-labels-idx1-ubyte": idx_bytes(LABELS[:14], 0x0D)}, "float32", id="float labels"),
    ],
)
def test_files_that_do_not_belong_together_are_refused(tmp_path, replaced, named):
    message = refusal(load_idx_folder, write_folder(tmp_path, replaced), "small")
    assert message.startswith(str(tmp_path))
    assert named in message


def test_another_set_in_mnists_format_is_not_taken_for_mnist(tmp_path):
    message = refusal(load_mnist, write_folder(tmp_path))
    assert "SHA-256" in message
    assert hashlib.sha256(PARTS["train-images-idx3-ubyte"]).hexdigest() in message


def test_a_file_in_place_of_the_data_folder_is_refused(tmp_path):
    file = tmp_path / "file"
    file.touch()
    assert f"--data-dir {file}" in refusal(load_mnist, file)


def test_a_missing_tensorflow_datasets_is_named_with_both_mends(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    message = refusal(load_mnist, tmp_path)
    assert "pip install tensorflow-datasets" in message
    assert "--data-dir" in message


def test_the_packed_checksums_are_those_that_tfds_registers():
    from tensorflow_datasets.image_classification.mnist import MNIST

    registered = {info.filename: info.checksum for info in MNIST.url_infos.values()}
    ours = {f"{name}.gz": ORIGINAL_SHA256[role][0] for name, role in zip(PARTS, ORIGINAL_SHA256, strict=True)}
    assert ours == registered


def test_a_failed_download_tells_of_the_offline_way(tmp_path, monkeypatch, capfd, caplog):
    def no_network(*args):
        logging.getLogger("urllib3.connectionpool").warning("Retrying")
        raise OSError("Failed to resolve\n'storage'")

    monkeypatch.setattr(socket, "create_connection", no_network)
    monkeypatch.setattr(urllib.request, "getproxies", dict)
    message = refusal(load_mnist, tmp_path)
    assert "Failed to resolve 'storage'" in message
    assert "--data-dir" in message
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []


def test_original_files_are_read_directly_packed_or_not(mnist_folder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    packed = load_mnist(mnist_folder)
    (tmp_path / "mnist").mkdir()
    for name in PARTS:
        (tmp_path / "mnist" / name).write_bytes(gzip.decompress((mnist_folder / f"{name}.gz").read_bytes()))
    assert packed.example_shape == (28, 28, 1)
    assert packed.test_rows.tolist() == list(range(60_000, 70_000))
    assert load_mnist(tmp_path).sha256 == packed.sha256


def test_an_altered_original_is_refused(mnist_folder, tmp_path):
    for name in PARTS:
        shutil.copyfile(mnist_folder / f"{name}.gz", tmp_path / f"{name}.gz")
    altered = tmp_path / "t10k-labels-idx1-ubyte.gz"
    labels = bytearray(gzip.decompress(altered.read_bytes()))
    labels[100] = (labels[100] + 1) % 10
    altered.write_bytes(gzip.compress(labels))
    message = refusal(load_mnist, tmp_path)
    assert message.startswith(str(altered))
    assert ORIGINAL_SHA256["test labels"][0] in message
    assert refusal(prepare_mnist, tmp_path / "tfds", tmp_path).startswith(str(tmp_path))


class NoTensorFlow:
    """An import hook that has never heard of TensorFlow, where it is installed."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> None:
        if name.partition(".")[0] == "tensorflow":
            raise ModuleNotFoundError(name)


@pytest.fixture(scope="module")
def prepared(mnist_folder, tmp_path_factory):
    root = tmp_path_factory.mktemp("tfds")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "meta_path", [NoTensorFlow, *sys.meta_path])
        prepare_mnist(root, manual_dir=mnist_folder)
    return root


def sorted_digests(dataset, rows) -> list[bytes]:
    pairs = zip(dataset.inputs[rows], dataset.labels[rows], strict=True)
    return sorted(hashlib.sha256(image.tobytes() + bytes([label])).digest() for image, label in pairs)


def test_tfds_without_tensorflow_gives_the_same_examples_as_the_idx_files(mnist_folder, prepared, capfd, monkeypatch):
    monkeypatch.setattr(sys, "meta_path", [NoTensorFlow, *sys.meta_path])
    by_tfds, by_idx = load_mnist(prepared), load_mnist(mnist_folder)
    assert capfd.readouterr() == ("", "")
    np.testing.assert_array_equal(by_tfds.test_rows, by_idx.test_rows)
    assert by_tfds.class_names == by_idx.class_names
    for rows in (by_idx.test_rows, np.arange(60_000)):
        assert sorted_digests(by_tfds, rows) == sorted_digests(by_idx, rows)


def test_the_decoded_copy_is_used_and_mended_when_damaged(prepared, monkeypatch):
    first = load_mnist(prepared)
    copy = prepared / "mnist" / "decoded-3.0.1.npz"
    with monkeypatch.context() as patch:
        patch.setattr(mnist_source, "read_prepared", lambda *args: pytest.fail("decoded again"))
        assert load_mnist(prepared).sha256 == first.sha256
    content = bytearray(copy.read_bytes())
    content[len(content) // 2] ^= 1
    copy.write_bytes(content)
    assert load_mnist(prepared).sha256 == first.sha256
    assert copy.read_bytes() != content
    assert [path.name for path in copy.parent.iterdir() if "tmp" in path.name] == []


def test_a_damaged_prepared_folder_is_refused(prepared, tmp_path):
    shutil.copytree(prepared / "mnist" / "3.0.1", tmp_path / "mnist" / "3.0.1")
    records = tmp_path / "mnist" / "3.0.1" / "mnist-test.array_record-00000-of-00001"
    records.write_bytes(records.read_bytes()[:200_000])
    message = refusal(load_mnist, tmp_path)
    assert message.startswith(str(records.parent))
    assert "delete" in message
