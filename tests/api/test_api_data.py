"""Data in memory are the data of a file with the same content; messages speak of arguments."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_wine

from aejax.api.data import load_dataset, make_dataset
from aejax.config import CompareConfig
from aejax.config.settings import replace_settings
from aejax.errors import InputError

X, Y = load_wine(return_X_y=True)
IS_TEST = np.arange(len(X)) % 5 == 0


def test_arrays_and_a_frame_hold_what_a_file_does(tmp_path):
    frame = pd.DataFrame(X.astype(np.float32), columns=[f"c{i}" for i in range(13)]).assign(kind=Y, colour="red")
    frame.loc[::3, "colour"] = "blue"
    frame.to_parquet(tmp_path / "wine.parquet")
    from_file = load_dataset(str(tmp_path / "wine.parquet"), label_column="kind")
    assert make_dataset(frame, "kind").sha256 == from_file.sha256
    assert make_dataset(frame.drop(columns="kind"), frame["kind"]).sha256 == from_file.sha256
    assert from_file.inputs.shape == (178, 15)
    assert make_dataset(X, Y).sha256 == load_dataset("wine").sha256


@pytest.mark.parametrize("as_frame", [False, True])
def test_a_mask_and_a_pair_give_the_same_test_rows(as_frame):
    inputs = pd.DataFrame(X, columns=[f"c{i}" for i in range(13)]) if as_frame else X
    masked = make_dataset(inputs, Y, test=IS_TEST)
    paired = make_dataset(inputs[~IS_TEST], Y[~IS_TEST], test=(inputs[IS_TEST], Y[IS_TEST]))
    assert masked.sha256 == paired.sha256
    np.testing.assert_allclose(masked.inputs[masked.test_rows], X[IS_TEST], rtol=1e-6)
    np.testing.assert_array_equal(masked.labels[masked.test_rows], Y[IS_TEST])


@pytest.mark.parametrize("as_frame", [False, True])
def test_groups_follow_their_rows(as_frame):
    inputs = pd.DataFrame(X, columns=[f"c{i}" for i in range(13)]) if as_frame else X
    groups = np.char.add("patient ", (np.arange(len(X)) // 5).astype(str))
    made = make_dataset(inputs, Y, groups=groups, test=IS_TEST)
    row_of = {tuple(row): index for index, row in enumerate(X.astype(np.float32).tolist())}
    original = [row_of[tuple(row)] for row in made.inputs.tolist()]
    same = made.groups[:, None] == made.groups[None]
    np.testing.assert_array_equal(same, groups[original][:, None] == groups[original][None])


@pytest.mark.parametrize(
    ("make", "message"),
    [
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
