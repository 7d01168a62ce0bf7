"""`load` finds what is asked for, and says what there is where it cannot."""

from pathlib import Path

import numpy as np
import pytest

from aejax.config import DataConfig
from aejax.data import registry as sources
from aejax.data.registry import FILE_READERS, NAMED_DATASETS, SCHEME_LOADERS, load_dataset, resolve_data_dir
from aejax.errors import InputError

TABLE = "a,label\n" + "".join(f"{i},{i % 2}\n" for i in range(8))


def refusal(dataset: object) -> str:
    with pytest.raises(InputError) as caught:
        load_dataset(DataConfig(dataset=str(dataset)))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", sorted(set(NAMED_DATASETS) - {"mnist"}))
def test_every_embedded_name_gives_the_dataset_of_that_name(name):
    assert load_dataset(DataConfig(dataset=name)).name == name


@pytest.mark.parametrize("file_name", ["small.csv", "SMALL.CSV", "small.v2.csv"])
def test_a_files_suffix_chooses_its_reader(tmp_path, file_name):
    (tmp_path / file_name).write_text(TABLE)
    dataset = load_dataset(DataConfig(dataset=str(tmp_path / file_name)))
    assert dataset.name == Path(file_name).stem
    np.testing.assert_array_equal(dataset.inputs[:, 0], np.arange(8))


def test_relative_paths_start_from_the_working_folder(tmp_path, monkeypatch):
    np.savez(tmp_path / "small.npz", x=np.eye(8), y=np.arange(8) % 2)
    monkeypatch.chdir(tmp_path)
    assert load_dataset(DataConfig(dataset="small.npz")).n_examples == 8


def test_the_label_column_reaches_the_reader(tmp_path):
    (tmp_path / "small.csv").write_text("kind,size\n" + "".join(f"{i % 2},{i % 4}\n" for i in range(16)))
    assert load_dataset(DataConfig(dataset=str(tmp_path / "small.csv"), label_column="kind")).feature_names == ("size",)


def test_a_name_goes_before_a_file_of_that_name(tmp_path, monkeypatch):
    (tmp_path / "wine").write_text("not a data set")
    monkeypatch.chdir(tmp_path)
    assert load_dataset(DataConfig(dataset="wine")).n_examples == 178


@pytest.mark.parametrize(
    ("option", "variable", "expected"),
    [
        pytest.param("given", "environment", "given", id="the option goes first"),
        pytest.param(None, "environment", "environment", id="then the environment"),
        pytest.param(None, "", None, id="an empty variable is none"),
        pytest.param(None, None, None, id="none"),
    ],
)
def test_the_data_folder_is_the_option_or_the_environments(monkeypatch, option, variable, expected):
    monkeypatch.delenv("AEJAX_DATA", raising=False)
    if variable is not None:
        monkeypatch.setenv("AEJAX_DATA", variable)
    found = resolve_data_dir(DataConfig(data_dir=None if option is None else Path(option)))
    assert found == (None if expected is None else Path(expected))


def test_mnist_is_looked_for_in_the_data_folder(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(
        sources, "load_mnist", lambda folder: asked.append(folder) or NAMED_DATASETS["wine"](DataConfig())
    )
    monkeypatch.setenv("AEJAX_DATA", str(tmp_path))
    load_dataset(DataConfig(dataset="mnist"))
    assert asked == [tmp_path]


@pytest.mark.parametrize(
    ("name", "near"), [("digit", "digits"), ("MNIST", "mnist"), ("breast-cancer", "breast_cancer")]
)
def test_a_misspelt_name_is_answered_with_the_near_one(name, near):
    assert f"did you mean {near}?" in refusal(name)


@pytest.mark.parametrize("name", ["qqqq", "huggingface:cifar10", "iris.arrow", "tfds"])
def test_an_unknown_name_is_answered_with_everything_there_is(name):
    message = refusal(name)
    assert message.startswith(f"--dataset {name}: no such dataset")
    for supported in (
        *NAMED_DATASETS,
        *(f"{scheme}:NAME" for scheme in SCHEME_LOADERS),
        *FILE_READERS,
        "images",
        "IDX",
    ):
        assert supported in message


def test_a_path_that_is_not_there_is_named(tmp_path):
    assert f"{tmp_path / 'none.csv'}: no such file" in refusal(tmp_path / "none.csv")
    assert "none.csv: no such file" in refusal("none.csv")
    assert f"{tmp_path / 'none'}: no such file or folder" in refusal(tmp_path / "none")


@pytest.mark.parametrize(
    ("file_name", "suffix"), [("a.feather", "'.feather'"), ("a", "'nothing'"), ("a.csv.gz", "'.gz'")]
)
def test_a_suffix_without_a_reader_is_named_with_those_that_have_one(tmp_path, file_name, suffix):
    (tmp_path / file_name).touch()
    message = refusal(tmp_path / file_name)
    assert suffix in message
    assert all(known in message for known in FILE_READERS)


def test_a_folder_without_anything_is_told_of_both_kinds_of_folder(tmp_path):
    message = refusal(tmp_path)
    assert message.startswith(str(tmp_path))
    assert "one folder of PNG or JPEG images for each class" in message
    assert "train-images-idx3-ubyte" in message


def test_a_folder_with_an_idx_file_is_read_as_idx(tmp_path):
    (tmp_path / "train-images-idx3-ubyte").touch()
    assert "train-labels-idx1-ubyte" in refusal(tmp_path)


def test_a_scheme_gets_the_name_behind_it_and_the_config(monkeypatch):
    asked = []
    wine = NAMED_DATASETS["wine"](DataConfig())
    monkeypatch.setitem(SCHEME_LOADERS, "tfds", lambda name, config: asked.append((name, config.label_column)) or wine)
    load_dataset(DataConfig(dataset="tfds:plants/leaves:1.0.0", label_column="kind"))
    assert asked == [("plants/leaves:1.0.0", "kind")]


def test_a_tfds_set_gets_the_data_folder_the_flags_and_our_way_to_prepare_mnist(monkeypatch, tmp_path):
    asked = []
    wine = NAMED_DATASETS["wine"](DataConfig())
    monkeypatch.setattr(sources, "load_tfds", lambda *args, **options: asked.append((args, options)) or wine)
    load_dataset(DataConfig(dataset="tfds:mnist", data_dir=tmp_path, label_column="kind", image_size=7))
    preparers = {"mnist": sources.prepare_mnist}
    assert asked == [(("mnist", tmp_path), {"label": "kind", "image_size": 7, "preparers": preparers})]


@pytest.mark.parametrize("name", ["digits", "{}/small.csv", "{}/idx"])
def test_what_is_not_resized_refuses_an_image_size(tmp_path, name):
    (tmp_path / "small.csv").write_text(TABLE)
    (tmp_path / "idx").mkdir()
    (tmp_path / "idx" / "train-images-idx3-ubyte").touch()
    with pytest.raises(InputError, match="--image-size 8"):
        load_dataset(DataConfig(dataset=name.format(tmp_path), image_size=8))


def test_a_file_that_may_not_be_read_is_refused(tmp_path, monkeypatch):
    (tmp_path / "small.csv").write_text(TABLE)

    # The tests may run as root, whom no permission stops.
    def denied(path: Path, *args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", denied)
    assert f"{tmp_path / 'small.csv'}: cannot be read (Permission denied)" in refusal(tmp_path / "small.csv")
