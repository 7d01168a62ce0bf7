"""Data in memory are the data of a file with the same content; messages speak of arguments."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_wine

import aejax
from aejax.api.data import as_dataset, load_dataset, make_dataset
from aejax.config import CompareConfig
from aejax.config.settings import replace_settings
from aejax.errors import InputError

X, Y = load_wine(return_X_y=True)
IS_TEST = np.arange(len(X)) % 5 == 0


def test_texts_of_a_frame_with_a_decimal_comma_are_numbers():
    frame = pd.DataFrame({"width": ["1,5", "2,5"] * 9, "kind": ["a", "b"] * 9})
    assert make_dataset(frame, "kind", decimal=",").inputs[:2, 0].tolist() == [1.5, 2.5]


def test_labels_may_be_bytes_of_utf_8():
    labels = ["\u00e9".encode(), b"a"] * 9
    assert make_dataset(X[:18], labels).class_names == ("a", "\u00e9")


def test_arrays_and_a_frame_hold_what_a_file_does(tmp_path):
    frame = pd.DataFrame(X.astype(np.float32), columns=[f"c{i}" for i in range(13)]).assign(kind=Y, colour="red")
    frame.loc[::3, "colour"] = "blue"
    frame.to_parquet(tmp_path / "wine.parquet")
    from_file = load_dataset(str(tmp_path / "wine.parquet"), label_column="kind")
    assert make_dataset(frame, "kind").sha256 == from_file.sha256
    assert make_dataset(frame.drop(columns="kind"), frame["kind"]).sha256 == from_file.sha256
    assert from_file.inputs.shape == (178, 15)
    assert make_dataset(X, Y).sha256 == load_dataset("wine").sha256


@pytest.mark.parametrize("name", ["digits", "tabular", "mnist"])
@pytest.mark.parametrize("call", ["compare", "pretrain"])
def test_data_that_are_called_like_a_named_dataset_have_the_usual_defaults(tmp_path, monkeypatch, name, call):
    class DesignedError(Exception):
        pass

    def design(config, *_):
        raise DesignedError(config)

    monkeypatch.setattr("aejax.api.comparison.design_comparison", design)
    monkeypatch.setattr("aejax.api.pretraining.design_pretraining", design)

    def settings_for(data):
        with pytest.raises(DesignedError) as raised:
            getattr(aejax, call)(data)
        config = raised.value.args[0]
        return config.model, config.train, config.data.scaler

    defaults = CompareConfig()
    table = pd.DataFrame(X).assign(kind=Y)
    table.to_csv(tmp_path / f"{name}.csv", index=False)
    for data in (str(tmp_path / f"{name}.csv"), make_dataset(X, Y, name=name)):
        assert settings_for(data) == (defaults.model, defaults.train, None)
    if name != "mnist":  # which must be downloaded
        assert settings_for(name) == settings_for(load_dataset(name)) != settings_for("wine")


INPUTS = {"array": X, "frame": pd.DataFrame(X, columns=[f"c{i}" for i in range(13)])}


@pytest.mark.parametrize("inputs", INPUTS.values(), ids=INPUTS)
def test_a_mask_keeps_the_rows_in_order_and_a_pair_appends_its_rows(inputs):
    masked = make_dataset(inputs, Y, test=IS_TEST)
    np.testing.assert_array_equal(masked.inputs, X.astype(np.float32))
    np.testing.assert_array_equal(masked.labels, Y)
    np.testing.assert_array_equal(masked.test_rows, np.flatnonzero(IS_TEST))
    paired = make_dataset(inputs[~IS_TEST], Y[~IS_TEST], test=(inputs[IS_TEST], Y[IS_TEST]))
    order = np.argsort(IS_TEST, kind="stable")
    np.testing.assert_array_equal(paired.inputs, masked.inputs[order])
    np.testing.assert_array_equal(paired.labels, Y[order])
    np.testing.assert_array_equal(order[paired.test_rows], masked.test_rows)
    rows, other = (aejax.make_split(data, seeds=3) for data in (masked, paired))
    for role in ("train", "valid", "labelled_train", "labelled_valid", "test"):
        np.testing.assert_array_equal(getattr(rows, role), order[getattr(other, role)])


@pytest.mark.parametrize("inputs", INPUTS.values(), ids=INPUTS)
def test_groups_follow_their_rows(inputs):
    groups = np.char.add("patient ", (np.arange(len(X)) // 5).astype(str))
    made = make_dataset(inputs, Y, groups=groups, test=IS_TEST).groups
    np.testing.assert_array_equal(made[:, None] == made[None], groups[:, None] == groups[None])


@pytest.mark.parametrize("inputs", INPUTS.values(), ids=INPUTS)
@pytest.mark.parametrize(
    "labels", [np.eye(3)[Y], pd.get_dummies(Y), pd.DataFrame({"name": Y}), Y[:, None], pd.DataFrame({"y": Y})]
)
def test_one_hot_and_single_column_labels_are_labels(inputs, labels):
    expected = make_dataset(inputs, Y, test=(inputs[:30], Y[:30])).labels
    np.testing.assert_array_equal(make_dataset(inputs, labels, test=[inputs[:30], labels[:30]]).labels, expected)


IMAGES = np.arange(40 * 48, dtype=np.uint8).reshape(40, 4, 12)


@pytest.mark.parametrize(
    ("examples", "settings", "shape"),
    [
        (IMAGES, {}, (4, 12, 1)),
        (IMAGES.astype(np.float32), {}, (4, 12, 1)),
        (IMAGES.reshape(40, 4, 4, 3), {}, (4, 4, 3)),
        (IMAGES.reshape(40, 3, 4, 4), {"layout": "channels-first"}, (4, 4, 3)),
        (IMAGES.reshape(40, 48), {"image_shape": "4x4x3"}, (4, 4, 3)),
        (IMAGES.reshape(40, 48), {}, (48,)),
    ],
)
def test_images_are_the_same_with_labels_and_without(examples, settings, shape):
    labelled, plain = (make_dataset(examples, labels, **settings) for labels in ([0, 1] * 20, None))
    assert plain.example_shape == shape
    np.testing.assert_array_equal(plain.inputs, labelled.inputs)
    assert (plain.value_range, plain.description.layout) == (labelled.value_range, labelled.description.layout)


@pytest.mark.parametrize(
    ("labels", "row"),
    [
        (["a", None, "b"] * 20, 1),
        ([0, 1, None] * 20, 2),
        ([0.0, 1.0, np.nan] * 20, 2),
        (np.array([["a"], [None], ["b"]] * 20, object), 1),
        (pd.array([0, 1, None] * 20, "Int64"), 2),
        (pd.Series(["a", None, "b"] * 20, dtype="string"), 1),
    ],
)
def test_missing_labels_are_no_class_in_arrays_and_no_label_in_frames(labels, row):
    with pytest.raises(InputError, match=f"label of row {row} is .*, missing \\(20 such labels"):
        make_dataset(X[:60], labels)
    framed = make_dataset(INPUTS["frame"][:60], labels)
    assert framed.n_classes == 2
    np.testing.assert_array_equal(np.flatnonzero(framed.labels < 0), np.arange(row, 60, 3))


TABLE = pd.DataFrame(X[:, :3], columns=["a", "b", "c"]).assign(
    kind=Y, patient=[f"p{row // 3:02}" for row in range(len(X))]
)
TABLE.loc[4, "a"] = np.nan
TABLE_SETTINGS = {"label_column": "kind", "group_column": "patient", "drop_columns": ["c"], "missing": "mean"}


def test_settings_of_the_data_act_in_every_function_as_in_those_that_make_data(tmp_path):
    file = str(tmp_path / "wine.csv")
    TABLE.to_csv(file, index=False)
    loaded = load_dataset(file, **TABLE_SETTINGS)
    assert loaded.feature_names == ("a", "b")
    assert loaded.sha256 == make_dataset(TABLE, "kind", **dict([*TABLE_SETTINGS.items()][1:])).sha256
    for data in (file, TABLE):
        assert as_dataset(data, None, {**TABLE_SETTINGS, "epochs": 3}).sha256 == loaded.sha256
        np.testing.assert_array_equal(aejax.make_split(data, seeds=2, **TABLE_SETTINGS).groups, loaded.groups)
    assert as_dataset(file, None, TABLE_SETTINGS | {"test": file}).test_rows is not None
    images = np.zeros((40, 12), np.uint8)
    assert as_dataset(images, [0, 1] * 20, {"image_shape": "3x4"}).example_shape == (3, 4, 1)
    assert as_dataset("tabular", None, {"tabular_samples": 50, "scaler": "minmax"}).n_examples == 50


@pytest.mark.parametrize("data", [make_dataset(X, Y), "wine", X])
def test_settings_of_the_data_may_have_their_defaults(data):
    given = aejax.make_split(data, None if data is not X else Y, test=None, missing="refuse", image_size=None, seeds=2)
    assert given.sha256 == aejax.make_split("wine", seeds=2).sha256


def test_a_probe_passes_settings_of_the_data_and_the_scaler_on():
    result = aejax.probe(X, np.where(Y == 2, -1, Y), unlabelled="-1", scaler="standard", seeds=5, probe="ridge")
    assert result.results["dataset"]["class_names"] == ["0", "1"]
    assert result.results["config"]["data"]["scaler"] == "standard"


@pytest.mark.parametrize("function", [aejax.compare, aejax.make_split, aejax.pretrain])
@pytest.mark.parametrize(
    ("data", "settings", "message"),
    [
        (make_dataset(X, Y), {"group_column": "a"}, "group_column: the data are a Dataset already"),
        (X, {"missing": "mean"}, "missing='mean': X is an array, which has no use for it"),
        (TABLE, {"image_shape": "2x2"}, "image_shape='2x2': X is a DataFrame, which has no use for it"),
        (X, {"test": np.arange(len(X)) < 30}, "test: of examples in memory is given to make_dataset"),
        ("wine", {"image_size": 9}, "image_size=9: wine has no use for it"),
        ("wine", {"dataset": "digits"}, "dataset: the data are 'wine' already"),
    ],
)
def test_settings_of_the_data_without_effect_are_rejected(function, data, settings, message):
    with pytest.raises(InputError, match=message):
        function(data, **settings)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: make_dataset(INPUTS["frame"], Y, test=(X, Y)), r"test\[0\]: is a ndarray; expected a DataFrame"),
        (lambda: make_dataset(INPUTS["frame"], Y, test=(INPUTS["frame"], Y[1:])), r"test\[1\]: has shape \(177,\)"),
        (lambda: make_dataset(INPUTS["frame"], Y, test=(INPUTS["frame"], None)), r"test\[0\]: has no column 'y'"),
        (lambda: make_dataset(INPUTS["frame"], test=(INPUTS["frame"], None)), "test: a test set needs labels"),
        (lambda: make_dataset(INPUTS["frame"], np.stack([Y, Y], axis=1)), r"y: has shape \(178, 2\)"),
        (lambda: make_dataset(X, Y, test=(X, Y[1:])), r"test\[0\] has shape .* and test\[1\] \(177,\)"),
        (lambda: make_dataset(X, Y, test=[X, Y, Y]), "test: rows differ in length"),
        (lambda: make_dataset(X, Y, test=IS_TEST[:, None]), "test: expected a mask"),
        (lambda: make_dataset(X, Y, test=IS_TEST & False), "test: marks 0 of 178 rows"),
        (lambda: make_dataset(np.ma.masked_less(X, 1), Y), "X: is a masked array with masked values"),
        (lambda: make_dataset(np.ma.masked_less(X, 1)), "X: is a masked array with masked values"),
        (lambda: make_dataset(X, np.ma.masked_equal(Y, 1)), "y: is a masked array with masked values"),
        (lambda: make_dataset(INPUTS["frame"], np.ma.masked_equal(Y, 1)), "y: is a masked array with masked values"),
        (lambda: make_dataset(X, Y, groups=np.where(Y == 1, np.nan, Y)), "groups: row 59 names no group .71 such"),
        (lambda: make_dataset(INPUTS["frame"], Y, groups=[None, " ", *Y[2:]]), "groups: row 0 names no group .2 such"),
        (lambda: make_dataset(X, Y, groups=Y[:, None]), r"groups: has shape \(178, 1\); expected one group"),
        (lambda: make_dataset(TABLE.assign(groups=0), "kind", groups=Y), "groups: X has another column of that name"),
        (lambda: make_dataset(X, Y, scaler="none"), "scaler=none: is fitted in training"),
        (lambda: load_dataset("wine", scaler="none"), "scaler=none: is fitted in training"),
        (lambda: make_dataset(X, Y, stream=True), "stream=True: X is an array"),
        (lambda: make_dataset(TABLE, "kind", label_column="c"), "label_column: y gives the labels already"),
        (lambda: make_dataset(TABLE, "kind", group_column="c", groups=Y), "group_column: groups gives the groups"),
        (lambda: make_dataset(TABLE, unlabelled="0"), "unlabelled: there are no labels"),
        (lambda: make_dataset(X, unlabelled="0"), "y: test, groups and unlabelled need labels"),
        (lambda: aejax.probe(X, Y, methods=["pca"]), "methods: there is one"),
        (lambda: make_dataset(X, Y[:5]), r"y: has shape \(5,\); expected one value for each of 178 rows"),
        (lambda: make_dataset(X, "kind"), "y='kind': names a column, but X is no DataFrame"),
        (lambda: make_dataset(X, Y, test=[1, 2]), "test: has shape"),
        (lambda: make_dataset(X, Y, test=np.arange(178)), "test: expected a mask"),
        (lambda: make_dataset(X, Y, missing="guess"), "missing='guess': expected refuse or mean"),
        (lambda: make_dataset(X, Y, epochs=3), "epochs: no such setting"),
        (lambda: load_dataset("digit"), "dataset=digit: no such dataset; did you mean digits"),
        (lambda: replace_settings(CompareConfig(), {"epochs": "5"}), "epochs='5': expected an integer"),
    ],
)
def test_errors_name_arguments_and_are_value_errors(make, message):
    with pytest.raises(InputError, match=message) as raised:
        make()
    assert isinstance(raised.value, ValueError)
    assert "--" not in str(raised.value)


def test_settings_are_set_by_the_names_of_flags():
    settings = {"latent_dim": np.int64(4), "hidden": [8, 4], "seeds": 3, "methods": ["raw", "pca"], "label_fraction": 1}
    config = replace_settings(CompareConfig(), settings)
    assert (config.model.latent_dim, config.model.hidden, config.seeds) == (4, (8, 4), 3)
    assert config.methods == ("raw", "pca")
    assert replace_settings(config, {}) == config
