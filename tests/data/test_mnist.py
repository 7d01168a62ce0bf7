"""Every route to MNIST gives the same examples, and altered or damaged files are rejected."""

import gzip
import hashlib
import io
import shutil
import subprocess
import sys
import urllib.error
import urllib.request

import numpy as np
import pytest
from expected_errors import error_message
from idx_files import PARTS, write_folder

from aejax.config import DataConfig
from aejax.data.mnist import MNIST_URL, load_mnist
from aejax.data.registry import load_dataset


@pytest.fixture(scope="module")
def mnist(mnist_folder):
    return load_mnist(mnist_folder)


def test_other_data_in_mnist_format_is_not_mnist(tmp_path):
    message = error_message(load_mnist, write_folder(tmp_path))
    assert message.startswith(f"{tmp_path / 'train-images-idx3-ubyte'}: has other values than MNIST's train images")


def test_some_of_the_four_files_are_not_enough(tmp_path):
    (write_folder(tmp_path) / "t10k-labels-idx1-ubyte").unlink()
    assert "holds only test images, train images, train labels of MNIST's 4" in error_message(load_mnist, tmp_path)


def test_a_failed_download_explains_the_offline_route(tmp_path, monkeypatch, capfd):
    def no_network(*args, **kwargs):
        raise urllib.error.URLError(OSError("Failed to resolve\n'storage'"))

    monkeypatch.setattr(urllib.request, "urlopen", no_network)
    message = error_message(load_mnist, tmp_path)
    assert "Failed to resolve 'storage'" in message
    assert "--data-dir" in message
    assert capfd.readouterr() == ("", "")


def test_the_download_is_verified_and_read_the_next_time(tmp_path, mnist_folder, mnist, monkeypatch):
    asked = []

    def serve(url, timeout):
        asked.append(url)
        return io.BytesIO((mnist_folder / url.removeprefix(MNIST_URL)).read_bytes())

    monkeypatch.setattr(urllib.request, "urlopen", serve)
    first = load_mnist(tmp_path)
    assert asked == [f"{MNIST_URL}{name}.gz" for name in PARTS]
    assert sorted(path.name for path in (tmp_path / "mnist").iterdir()) == sorted(f"{name}.gz" for name in PARTS)
    assert load_mnist(tmp_path).sha256 == first.sha256 == mnist.sha256
    assert len(asked) == 4


def test_another_file_than_the_original_is_not_kept(tmp_path, monkeypatch):
    for content in (b"<html>moved</html>", gzip.compress(PARTS["train-images-idx3-ubyte"])):
        monkeypatch.setattr(urllib.request, "urlopen", lambda url, timeout, content=content: io.BytesIO(content))
        assert f"MNIST cannot be downloaded to {tmp_path / 'mnist'}" in error_message(load_mnist, tmp_path)
    assert list((tmp_path / "mnist").iterdir()) == []


def test_original_files_are_read_also_unpacked_where_torchvision_keeps_them(mnist_folder, mnist, tmp_path):
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for name in PARTS:
        (folder / name).write_bytes(gzip.decompress((mnist_folder / f"{name}.gz").read_bytes()))
    assert mnist.example_shape == (28, 28, 1)
    assert mnist.test_rows.tolist() == list(range(60_000, 70_000))
    assert load_mnist(tmp_path).sha256 == mnist.sha256


def test_altered_originals_are_rejected(mnist_folder, tmp_path):
    for name in PARTS:
        shutil.copyfile(mnist_folder / f"{name}.gz", tmp_path / f"{name}.gz")
    altered = tmp_path / "t10k-labels-idx1-ubyte.gz"
    labels = bytearray(gzip.decompress(altered.read_bytes()))
    labels[100] = (labels[100] + 1) % 10
    altered.write_bytes(gzip.compress(labels))
    message = error_message(load_mnist, tmp_path)
    assert message.startswith(f"{altered}: has other values than MNIST's test labels")


def test_a_stream_of_mnist_has_the_rows_of_the_files(mnist_folder, mnist):
    sample = load_dataset(DataConfig(dataset="mnist", stream=True, stream_sample=500, data_dir=mnist_folder))
    source = sample.stream.source
    assert (sample.name, sample.is_named) == ("mnist", True)
    assert (source.n_examples, source.class_names) == (60_000, mnist.class_names)
    rows = np.array([59_999, 0, 7])
    np.testing.assert_array_equal(source.read(rows), mnist.inputs[rows])
    np.testing.assert_array_equal(source.read_labels(rows), mnist.labels[rows])
    held_out = sample.stream.held_out_rows
    np.testing.assert_array_equal(sample.inputs[:500], mnist.inputs[held_out])


def test_tfds_and_other_optional_packages_are_not_imported_for_other_sets(mnist_folder):
    program = (
        "import pathlib, sys; from aejax.config import DataConfig; from aejax.data.registry import load_dataset; "
        f"load_dataset(DataConfig(dataset='mnist', data_dir=pathlib.Path({str(mnist_folder)!r}))); "
        "load_dataset(DataConfig(dataset='digits')); "
        "print({'tensorflow_datasets', 'datasets', 'mnist1d', 'tensorflow'} & sys.modules.keys())"
    )
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert finished.stdout.strip() == "set()"


def sorted_digests(dataset, rows) -> list[bytes]:
    pairs = zip(dataset.inputs[rows], dataset.labels[rows], strict=True)
    return sorted(hashlib.sha256(image.tobytes() + bytes([label])).digest() for image, label in pairs)


@pytest.mark.slow
def test_a_copy_that_tfds_prepared_gives_the_same_examples(mnist_folder, mnist, tmp_path, capfd):
    pytest.importorskip("tensorflow_datasets")
    from benchmark.prepared_mnist import prepare_mnist

    folder = prepare_mnist(tmp_path, mnist_folder)
    by_tfds = load_mnist(tmp_path)
    assert capfd.readouterr() == ("", "")
    np.testing.assert_array_equal(by_tfds.test_rows, mnist.test_rows)
    assert (by_tfds.name, by_tfds.class_names) == (mnist.name, mnist.class_names)
    for rows in (mnist.test_rows, np.arange(60_000)):
        assert sorted_digests(by_tfds, rows) == sorted_digests(mnist, rows)
    records = folder / "mnist-test.array_record-00000-of-00001"
    records.write_bytes(records.read_bytes()[:200_000])
    message = error_message(load_mnist, tmp_path)
    assert message.startswith(str(folder))
    assert "delete" in message
