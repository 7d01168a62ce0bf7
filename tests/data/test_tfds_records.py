"""TFDS sets are prepared without TensorFlow where possible, and errors name what is missing."""

import importlib.util
import re
from pathlib import Path

import pytest
from tiny_tfds import IMAGES, LABELS, OFFLINE, PICTURE, RECORDS, builder_class, pairs, tfds_error, write

from aejax.data.tfds_dataset import load_tfds

needs_no_tensorflow = pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is not None, reason="TensorFlow is installed"
)


def test_tfrecord_files_need_tensorflow(tmp_path, monkeypatch):
    folder = write(tmp_path)
    description = folder / "dataset_info.json"
    description.write_text(description.read_text().replace("array_record", "tfrecord"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    message = tfds_error("tiny", tmp_path)
    assert message.startswith(f"{folder}: prepared as tfrecord, which only tensorflow reads; pip install tensorflow")


def test_tfrecord_files_give_the_same_examples(tmp_path):
    pytest.importorskip("tensorflow", reason="pip install tensorflow to read tfrecord files")
    by_array_record = load_tfds("tiny", Path(write(tmp_path / "a")).parents[1])
    builder = builder_class(PICTURE, {"train": RECORDS})(data_dir=tmp_path / "b")
    builder.download_and_prepare(file_format="tfrecord", download_config=OFFLINE)
    by_tfrecord = load_tfds("tiny", tmp_path / "b")
    assert pairs(by_tfrecord.inputs, by_tfrecord.labels) == pairs(by_array_record.inputs, by_array_record.labels)


class AejaxPlain(builder_class(PICTURE, {"train": RECORDS})):
    """A set that TFDS can prepare with what is installed."""

    name = "aejax_plain"


class AejaxArrays(builder_class(PICTURE, {"train": [{"image": IMAGES[0][..., None], "label": 0}]})):
    """A set whose images TFDS encodes by TensorFlow."""

    name = "aejax_arrays"


class AejaxBroken(builder_class(PICTURE, {})):
    """A set whose code fails."""

    name = "aejax_broken"

    def _split_generators(self, dl_manager):
        raise AssertionError("Create the folder by hand\nand put the files there")


def test_a_set_that_tfds_can_prepare_is_prepared_once(tmp_path, capfd, monkeypatch):
    first = load_tfds("aejax_plain", tmp_path)
    assert capfd.readouterr() == ("", "")
    assert pairs(first.inputs, first.labels) == pairs(IMAGES, LABELS)
    monkeypatch.setattr(AejaxPlain, "download_and_prepare", lambda *args, **kwargs: pytest.fail("prepared again"))
    assert load_tfds("aejax_plain", tmp_path).sha256 == first.sha256


@needs_no_tensorflow
def test_a_set_that_needs_tensorflow_names_the_package(tmp_path):
    message = tfds_error("aejax_arrays", tmp_path)
    assert message.startswith(f"--dataset tfds:aejax_arrays: cannot be prepared or read in {tmp_path}")
    assert "or prepare it elsewhere" in message


def test_errors_of_a_sets_own_code_are_one_line(tmp_path):
    assert "Create the folder by hand and put the files there" in tfds_error("aejax_broken", tmp_path)
    assert "9.9.9" in tfds_error("aejax_plain:9.9.9", tmp_path)
    assert "unheard_of" in tfds_error("aejax_plain/unheard_of", tmp_path)


def test_tensorflow_is_not_imported_for_prepared_sets(tmp_path, monkeypatch):
    write(tmp_path)
    monkeypatch.setattr("aejax.data.tfds_records._hide_gpus_from_tensorflow", lambda: pytest.fail("imported"))
    assert load_tfds("tiny", tmp_path).n_examples == 30


def test_a_failed_download_gives_the_reason(tmp_path, monkeypatch, capfd):
    import requests

    def no_network(*args, **kwargs):
        raise requests.exceptions.ConnectionError("Failed to resolve\n'storage'")

    monkeypatch.setattr(requests.Session, "get", no_network)
    message = tfds_error("cifar10", tmp_path)
    assert re.search(r"Failed to resolve 'storage'.*--data-dir", message)
    assert capfd.readouterr() == ("", "")
