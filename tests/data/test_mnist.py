"""The two routes to MNIST give the same examples, and altered or damaged files are rejected."""

import gzip
import hashlib
import logging
import shutil
import socket
import sys
import urllib.request

import numpy as np
import pytest
from expected_errors import error_message
from idx_files import PARTS, write_folder

from aejax.data import tfds_mnist
from aejax.data.mnist import ORIGINAL_SHA256, load_mnist
from aejax.data.tfds_mnist import prepare_mnist


def test_other_data_in_mnist_format_is_not_mnist(tmp_path):
    message = error_message(load_mnist, write_folder(tmp_path))
    assert "SHA-256" in message
    assert hashlib.sha256(PARTS["train-images-idx3-ubyte"]).hexdigest() in message


def test_a_file_as_data_dir_is_rejected(tmp_path):
    file = tmp_path / "file"
    file.touch()
    assert f"--data-dir {file}" in error_message(load_mnist, file)


def test_checksums_equal_those_registered_by_tfds():
    from tensorflow_datasets.image_classification.mnist import MNIST

    registered = {info.filename: info.checksum for info in MNIST.url_infos.values()}
    ours = {f"{name}.gz": ORIGINAL_SHA256[role][0] for name, role in zip(PARTS, ORIGINAL_SHA256, strict=True)}
    assert ours == registered


def test_a_failed_download_explains_the_offline_route(tmp_path, monkeypatch, capfd, caplog):
    def no_network(*args):
        logging.getLogger("urllib3.connectionpool").warning("Retrying")
        raise OSError("Failed to resolve\n'storage'")

    monkeypatch.setattr(socket, "create_connection", no_network)
    monkeypatch.setattr(urllib.request, "getproxies", dict)
    message = error_message(load_mnist, tmp_path)
    assert "Failed to resolve 'storage'" in message
    assert "--data-dir" in message
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []


def test_original_files_are_read_directly(mnist_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(tfds_mnist, "prepare_mnist", lambda *args: pytest.fail("prepared by TFDS"))
    packed = load_mnist(mnist_folder)
    (tmp_path / "mnist").mkdir()
    for name in PARTS:
        (tmp_path / "mnist" / name).write_bytes(gzip.decompress((mnist_folder / f"{name}.gz").read_bytes()))
    assert packed.example_shape == (28, 28, 1)
    assert packed.test_rows.tolist() == list(range(60_000, 70_000))
    assert load_mnist(tmp_path).sha256 == packed.sha256


def test_altered_originals_are_rejected(mnist_folder, tmp_path):
    for name in PARTS:
        shutil.copyfile(mnist_folder / f"{name}.gz", tmp_path / f"{name}.gz")
    altered = tmp_path / "t10k-labels-idx1-ubyte.gz"
    labels = bytearray(gzip.decompress(altered.read_bytes()))
    labels[100] = (labels[100] + 1) % 10
    altered.write_bytes(gzip.compress(labels))
    message = error_message(load_mnist, tmp_path)
    assert message.startswith(str(altered))
    assert ORIGINAL_SHA256["test labels"][0] in message
    assert error_message(prepare_mnist, tmp_path / "tfds", tmp_path).startswith(str(tmp_path))


class WithoutTensorFlow:
    """An import finder that does not find TensorFlow."""

    def __init__(self, finder):
        self._finder = finder

    def __getattr__(self, name):
        return getattr(self._finder, name)

    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] == "tensorflow" else self._finder.find_spec(name, path, target)


@pytest.fixture(scope="module")
def prepared(mnist_folder, tmp_path_factory):
    root = tmp_path_factory.mktemp("tfds")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "meta_path", [WithoutTensorFlow(finder) for finder in sys.meta_path])
        prepare_mnist(root, manual_dir=mnist_folder)
    return root


def sorted_digests(dataset, rows) -> list[bytes]:
    pairs = zip(dataset.inputs[rows], dataset.labels[rows], strict=True)
    return sorted(hashlib.sha256(image.tobytes() + bytes([label])).digest() for image, label in pairs)


@pytest.mark.slow
def test_tfds_and_idx_routes_give_the_same_examples(mnist_folder, prepared, capfd, monkeypatch):
    monkeypatch.setattr(sys, "meta_path", [WithoutTensorFlow(finder) for finder in sys.meta_path])
    by_tfds, by_idx = load_mnist(prepared), load_mnist(mnist_folder)
    assert capfd.readouterr() == ("", "")
    np.testing.assert_array_equal(by_tfds.test_rows, by_idx.test_rows)
    assert by_tfds.class_names == by_idx.class_names
    for rows in (by_idx.test_rows, np.arange(60_000)):
        assert sorted_digests(by_tfds, rows) == sorted_digests(by_idx, rows)


@pytest.mark.slow
def test_the_cache_is_used_and_replaced_when_damaged(prepared, monkeypatch):
    dataset = load_mnist(prepared)
    cache = prepared / "mnist" / "decoded-3.0.1.npz"
    monkeypatch.setattr(tfds_mnist, "read_prepared", lambda *args: pytest.fail("decoded again"))
    assert load_mnist(prepared).sha256 == dataset.sha256
    content = bytearray(cache.read_bytes())
    content[len(content) // 2] ^= 1
    cache.write_bytes(content)
    monkeypatch.setattr(tfds_mnist, "read_prepared", lambda *args: dataset)
    assert load_mnist(prepared).sha256 == dataset.sha256
    assert cache.read_bytes() != content
    assert [path.name for path in cache.parent.iterdir() if "tmp" in path.name] == []


@pytest.mark.slow
def test_a_damaged_prepared_folder_is_rejected(prepared, tmp_path):
    shutil.copytree(prepared / "mnist" / "3.0.1", tmp_path / "mnist" / "3.0.1")
    records = tmp_path / "mnist" / "3.0.1" / "mnist-test.array_record-00000-of-00001"
    records.write_bytes(records.read_bytes()[:200_000])
    message = error_message(load_mnist, tmp_path)
    assert message.startswith(str(records.parent))
    assert "delete" in message
