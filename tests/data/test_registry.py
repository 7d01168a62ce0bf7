"""`load_dataset` finds datasets by name and path, and lists them if it cannot."""

import re
from pathlib import Path

import numpy as np
import pytest
from loading import load, load_error

from aejax.config import DataConfig
from aejax.data.registry import NAMED_DATASETS, READ_SUFFIXES, SCHEME_LOADERS, resolve_data_dir

TABLE = "a,label\n" + "".join(f"{i},{i % 2}\n" for i in range(8))


def test_the_manual_has_a_row_for_every_named_dataset():
    page = (Path(__file__).parents[2] / "aejax" / "docs" / "data.md").read_text()
    section = page.split("## Named datasets")[1].split("##")[0]
    rows = re.findall(r"^\| (`.+?) \|(?:.*?\|){4} \S.*? \|$", section, re.MULTILINE)
    assert sorted(re.findall(r"`(\w+)`", " ".join(rows))) == sorted(NAMED_DATASETS)


@pytest.mark.parametrize("file_name", ["small.csv", "SMALL.CSV", "small.v2.csv"])
def test_the_suffix_selects_the_reader(tmp_path, file_name):
    (tmp_path / file_name).write_text(TABLE)
    dataset = load(tmp_path / file_name)
    assert dataset.name == Path(file_name).stem
    np.testing.assert_array_equal(dataset.inputs[:, 0], np.arange(8))


def test_names_take_precedence_over_files(tmp_path, monkeypatch):
    (tmp_path / "wine").write_text("not a data set")
    monkeypatch.chdir(tmp_path)
    assert load("wine").n_examples == 178


def test_the_data_dir_comes_from_the_option_or_the_environment(monkeypatch):
    monkeypatch.delenv("AEJAX_DATA", raising=False)
    assert resolve_data_dir(DataConfig()) is None
    monkeypatch.setenv("AEJAX_DATA", "")
    assert resolve_data_dir(DataConfig()) is None
    monkeypatch.setenv("AEJAX_DATA", "environment")
    assert resolve_data_dir(DataConfig()) == Path("environment")
    assert resolve_data_dir(DataConfig(data_dir=Path("given"))) == Path("given")


def test_a_mistyped_data_dir_is_not_created(tmp_path, monkeypatch):
    monkeypatch.setenv("AEJAX_DATA", str(tmp_path / "typo"))
    assert "no such folder; make it, or correct the flag or the variable AEJAX_DATA" in load_error("mnist")
    assert not (tmp_path / "typo").exists()


@pytest.mark.parametrize(("name", "near"), [("digit", "digits"), ("MNIST", "mnist")])
def test_a_misspelt_name_gets_a_suggestion(name, near):
    assert f"did you mean {near}" in load_error(name)


@pytest.mark.parametrize("name", ["qqqq", "huggingface:cifar10", "iris.xlsx", "tfds"])
def test_an_unknown_name_gets_the_list_of_datasets(name):
    message = load_error(name)
    assert message.startswith(f"--dataset {name}: no such dataset")
    schemes = (f"{scheme}:NAME" for scheme in SCHEME_LOADERS)
    for supported in (*NAMED_DATASETS, *schemes, *READ_SUFFIXES, "images", "IDX"):
        assert supported in message


def test_a_missing_path_is_named(tmp_path):
    assert f"{tmp_path / 'none.csv'}: no such file" in load_error(tmp_path / "none.csv")
    assert "none.csv: no such file" in load_error("none.csv")
    assert f"{tmp_path / 'none'}: no such file or folder" in load_error(tmp_path / "none")


@pytest.mark.parametrize(
    ("file_name", "suffix", "fix"),
    [
        ("a", "'nothing'", ""),
        ("a.npz.gz", "'.npz.gz'", "unpack it"),
        ("a.xlsx", "'.xlsx'", "save the sheet as CSV"),
        ("a.pkl", "'.pkl'", "may run code"),
        ("a.mat", "'.mat'", "numpy.savez"),
        ("a.npy", "'.npy'", "give its folder"),
    ],
)
def test_an_unsupported_suffix_is_reported_with_the_supported_ones_and_the_fix(tmp_path, file_name, suffix, fix):
    (tmp_path / file_name).touch()
    message = load_error(tmp_path / file_name)
    assert suffix in message
    assert all(known in message for known in READ_SUFFIXES)
    assert fix in message


def test_an_empty_folder_is_rejected_with_both_layouts(tmp_path):
    message = load_error(tmp_path)
    assert message.startswith(str(tmp_path))
    assert "one folder of images (PNG, JPEG, WebP, GIF, BMP, TIFF or PPM) for each class" in message
    assert "train-images-idx3-ubyte" in message


@pytest.mark.parametrize("name", ["digits", "{}/small.csv", "{}/idx"])
def test_image_size_is_rejected_where_nothing_is_resized(tmp_path, name):
    (tmp_path / "small.csv").write_text(TABLE)
    (tmp_path / "idx").mkdir()
    (tmp_path / "idx" / "train-images-idx3-ubyte").touch()
    assert "--image-size 8" in load_error(name.format(tmp_path), image_size=8)


def test_an_unreadable_file_is_named(tmp_path, monkeypatch):
    (tmp_path / "small.csv").write_text(TABLE)

    # The tests may run as root, whom no permission stops.
    def denied(path: Path, *args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", denied)
    assert f"{tmp_path / 'small.csv'}: cannot be read (Permission denied)" in load_error(tmp_path / "small.csv")
