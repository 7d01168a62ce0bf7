"""Sets of Hugging Face's library give the arrays that were written, without network and without running code."""

import sys
from decimal import Decimal

import numpy as np
import pytest
from expected_errors import error_message
from loading import load as load_named
from PIL import Image

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (30, 6, 5), dtype=np.uint8)
LABELS = np.arange(30) % 3
COLOURS = ("red", "green", "blue")


@pytest.fixture(scope="module")
def library():
    return pytest.importorskip("datasets", reason="pip install 'aejax[hf]'")


@pytest.fixture
def images(library):
    features = library.Features({"picture": library.Image(), "colour": library.ClassLabel(names=list(COLOURS))})
    columns = {"picture": [Image.fromarray(image) for image in IMAGES], "colour": LABELS.tolist()}
    return library.Dataset.from_dict(columns, features=features)


def load(folder, **options):
    return load_named(f"hf:{folder}", **options)


def load_error(folder, **options) -> str:
    return error_message(load, folder, **options)


def save(rows, folder, **parts: range):
    """Saves a set whose splits are parts of its rows, and returns its folder."""
    dictionary = pytest.importorskip("datasets").DatasetDict
    dictionary({name: rows.select(part) for name, part in parts.items()}).save_to_disk(folder)
    return folder


def test_images_of_a_saved_set_equal_what_was_written(images, tmp_path):
    save(images, tmp_path / "set", train=range(18), validation=range(18, 22), test=range(22, 30))
    dataset = load(tmp_path / "set")
    np.testing.assert_array_equal(dataset.inputs, IMAGES[..., None])
    np.testing.assert_array_equal(dataset.labels, LABELS)
    np.testing.assert_array_equal(dataset.test_rows, np.arange(22, 30))
    assert (dataset.class_names, dataset.value_range, dataset.name) == (COLOURS, (0, 255), "set")
    assert dataset.description.label_source == "feature 'colour'"
    assert dataset.description.notes == ("the 4 validation rows join the training rows",)
    assert load(tmp_path / "set", image_size=3).example_shape == (3, 3, 1)


def test_files_of_parquet_are_read_offline(images, tmp_path):
    (tmp_path / "parquet").mkdir()
    images.to_parquet(tmp_path / "parquet" / "train.parquet")
    dataset = load(tmp_path / "parquet", data_dir=tmp_path / "cache")
    np.testing.assert_array_equal(dataset.inputs, IMAGES[..., None])
    assert dataset.class_names == COLOURS


def test_folders_of_images_by_class_are_left_to_their_own_reader(library, tmp_path):
    for row in range(6):
        path = tmp_path / "set" / COLOURS[row % 2] / f"{row}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(IMAGES[row]).save(path)
    assert "give it without hf:" in load_error(tmp_path / "set", data_dir=tmp_path / "cache")


def test_numbers_of_several_features_lie_side_by_side(library, tmp_path):
    columns = {"a": RNG.normal(size=30), "b": np.arange(30), "c": RNG.normal(size=(30, 3)), "note": ["x"] * 30}
    rows = {name: np.asarray(values).tolist() for name, values in columns.items()}
    library.Dataset.from_dict({**rows, "label": [COLOURS[i] for i in LABELS]}).save_to_disk(tmp_path / "set")
    dataset = load(tmp_path / "set")
    expected = np.column_stack([columns["a"], columns["b"], columns["c"]]).astype(np.float32)
    np.testing.assert_array_equal(dataset.inputs, expected)
    assert [dataset.class_names[i] for i in dataset.labels] == [COLOURS[i] for i in LABELS]
    assert dataset.description.notes == ("inputs are a, b, c", "features not used: note")


def test_single_values_are_read_as_a_table(library, tmp_path):
    kinds = {
        "size": library.Value("float32"),
        "colour": library.ClassLabel(names=list(COLOURS)),
        "ok": library.Value("bool"),
        "grade": library.Value("decimal128(3, 1)"),
        "__index_level_0__": library.Value("int64"),  # of a DataFrame that was filtered: no feature
    }
    features = library.Features(
        {**kinds, "shape": library.Value("string"), "label": library.ClassLabel(names=["n", "y"])}
    )
    columns = {"size": [0.5, None] * 15, "colour": LABELS.tolist(), "ok": [True, False, False] * 10}
    columns |= {"shape": ["round", "flat"] * 15, "label": (np.arange(30) // 3 % 2).tolist()}
    columns |= {"grade": [Decimal(row % 2) for row in range(30)], "__index_level_0__": list(range(30))}
    rows = library.Dataset.from_dict(columns, features=features)
    save(rows, tmp_path / "set", train=range(24), test=range(24, 30))
    assert "--missing" in load_error(tmp_path / "set")
    assert str(tmp_path / "set") in load_error(tmp_path / "set")
    dataset = load(tmp_path / "set", missing="mean")
    expected = np.column_stack([LABELS == 2, LABELS == 1, LABELS == 0])  # blue, green and red, in this order
    columns_by_name = dict(zip(dataset.feature_names, dataset.inputs.T, strict=True))
    for name, column in zip(("blue", "green", "red"), expected.T, strict=True):
        np.testing.assert_array_equal(columns_by_name[f"colour={name}"], column)
    np.testing.assert_array_equal(columns_by_name["ok"], columns["ok"])
    np.testing.assert_array_equal(dataset.test_rows, np.arange(24, 30))
    assert (dataset.class_names, dataset.name) == (("n", "y"), "set")
    assert "__index_level_0__" not in columns_by_name
    np.testing.assert_array_equal(dataset.labels, columns["label"])
    assert load(tmp_path / "set", missing="mean", label_column="grade").class_names == ("0", "1")


def test_arrays_keep_their_shape(library, tmp_path):
    features = library.Features(
        {
            "pixels": library.Array3D((3, 6, 5), "uint8"),
            "y": library.Value("int64"),
            "z": library.ClassLabel(names=["n"]),
        }
    )
    stacked = np.repeat(IMAGES[:, None], 3, axis=1)
    columns = {"pixels": list(stacked), "y": LABELS.tolist(), "z": [0] * 30}
    library.Dataset.from_dict(columns, features=features).save_to_disk(tmp_path / "set")
    dataset = load(tmp_path / "set", label_column="y")
    np.testing.assert_array_equal(dataset.inputs, np.moveaxis(stacked, 1, -1))
    assert dataset.description.layout == "images 6x5x3, channels last (stored first)"


def test_splits_of_a_table_are_read_in_order(library, tmp_path):
    rows = library.Dataset.from_dict({"a": [*range(24)], "b": [0.5] * 24, "label": [0, 1] * 12})
    save(rows, tmp_path / "set", validation=range(12, 18), test=range(18, 24), train=range(12))  # in stored order
    np.testing.assert_array_equal(load(tmp_path / "set").inputs[:, 0], np.arange(24))


@pytest.fixture(params=["images", "arrays"])
def patients(request, library, tmp_path):
    """The folder of a set of images or arrays with groups, ages, and a class of unknown labels."""
    images, arrays = (library.Image(), [*map(Image.fromarray, IMAGES)]), (library.Array2D((6, 5), "uint8"), [*IMAGES])
    kind, inputs = images if request.param == "images" else arrays
    features = {"input": kind, "age": library.Value("float32"), "patient": library.Value("string")}
    features["label"] = library.ClassLabel(names=["unknown", "cat", "dog"])
    columns = {"input": inputs, "age": list(range(30)), "label": LABELS.tolist()}
    columns["patient"] = [f"p{row // 3}{' ' * (row % 2)}" for row in range(30)]
    rows = library.Dataset.from_dict(columns, features=library.Features(features))
    return save(rows, tmp_path / "set", test=range(18, 30), validation=range(12, 18), train=range(12))


def test_images_and_arrays_have_groups_and_no_dropped_features(patients):
    dataset = load(patients, group_column="patient", drop_columns=("age",))
    np.testing.assert_array_equal(dataset.groups, np.arange(30) // 3)
    np.testing.assert_array_equal(dataset.inputs.squeeze(), IMAGES)
    assert {"groups: feature 'patient'", "features not used: age"} <= {*dataset.description.notes}


def test_a_class_of_images_and_arrays_marks_rows_without_a_label(patients):
    dataset = load(patients, unlabelled="0", drop_columns=("age",))
    assert dataset.class_names == ("cat", "dog")
    np.testing.assert_array_equal(dataset.labels, np.where(LABELS == 0, -1, LABELS - 1))


def test_options_that_images_and_arrays_have_no_use_for_are_rejected_by_name(patients):
    rejected = {
        "--missing mean": {"missing": "mean"},
        "--categorical drop": {"categorical": "drop"},
        "no feature named --group-column nobody; it has input, age": {"group_column": "nobody"},
        "no feature named --drop-columns nothing; it has input, age": {"drop_columns": ("nothing",)},
        "'label' is the label, and --group-column, too": {"group_column": "label"},
        "--group-column input: ": {"group_column": "input"},
    }
    for mentioned, options in rejected.items():
        assert mentioned in load_error(patients, **options)


def test_rows_of_no_class_can_be_unlabelled_and_rows_of_no_group_are_rejected(library, tmp_path):
    columns = {"a": [[1.0, row] for row in range(30)], "who": [None, *"abc" * 9, "a", "b"]}
    library.Dataset.from_dict({**columns, "label": [-1, *LABELS[1:].tolist()]}).save_to_disk(tmp_path / "set")
    assert "1 of 30 rows have no label" in load_error(tmp_path / "set")
    dataset = load(tmp_path / "set", unlabelled="-1")
    assert (dataset.labels[0], dataset.n_classes) == (-1, 3)
    message = load_error(tmp_path / "set", unlabelled="-1", group_column="who")
    assert "who names no group in 1 of 30 rows, such as row 0" in message


def test_a_test_split_without_labels_is_not_used(library, images, tmp_path):
    hidden = images.select(range(6)).map(lambda row: {"colour": -1})
    parts = {"train": images.select(range(24)), "validation": images.select(range(24, 30)), "test": hidden}
    library.DatasetDict(parts).save_to_disk(tmp_path / "set")
    dataset = load(tmp_path / "set")
    np.testing.assert_array_equal(dataset.inputs, IMAGES[..., None])
    np.testing.assert_array_equal(dataset.test_rows, np.arange(24, 30))
    assert "the test split has no labels and is not used" in dataset.description.notes


def test_unclear_sets_are_rejected_by_name(library, tmp_path):
    def saved(name, **columns):
        library.Dataset.from_dict(columns).save_to_disk(tmp_path / name)
        return tmp_path / name

    labels = LABELS.tolist()
    assert "give --label-column: it has a, b" in load_error(saved("unnamed", a=labels, b=labels))
    assert "no feature named --label-column z" in load_error(tmp_path / "unnamed", label_column="z")
    text = saved("text", text=[["a"]] * 30, label=labels)
    assert "neither images nor numbers besides label: text" in load_error(text)
    ragged = saved("ragged", a=[[0.0] * (1 + i % 2) for i in range(30)], label=labels)
    assert "a differs in shape between rows" in load_error(ragged)
    assert "1 of 30 rows have no label, such as [0]" in load_error(
        saved("missing", a=[[1.0]] * 30, label=[None, *labels[1:]])
    )
    assert "cannot be loaded" in load_error(saved("damaged", a=labels, label=labels) / "none")


def test_code_and_links_in_a_folder_are_rejected(images, tmp_path):
    images.save_to_disk(tmp_path / "set")
    (tmp_path / "set" / "set.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    assert "set.py: code in a data set is not run" in load_error(tmp_path / "set")
    assert not (tmp_path / "ran").exists()
    (tmp_path / "set" / "set.py").unlink()
    (tmp_path / "set" / "more.arrow").symlink_to("/etc/hostname")
    assert "more.arrow: a link out of" in load_error(tmp_path / "set")


def test_a_missing_library_is_named_with_the_install_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    needed = "needs the package datasets, which is not installed; pip install 'aejax[hf]'"
    assert load_error("set") == f"--dataset hf:set: {needed}"
