"""Examples without labels pretrain; what needs labels refuses them in one line or leaves them out."""

import numpy as np
import pytest
from preparing import configure, prepare

import aejax
from aejax.config import DataConfig, PretrainConfig, ProbeRunConfig, SweepConfig
from aejax.config.experiment import ExploreConfig
from aejax.errors import InputError
from aejax.experiments.compare import compare
from aejax.experiments.experiment import load_examples
from aejax.experiments.explore import explore, make_analyses
from aejax.experiments.pretrain import pretrain
from aejax.experiments.probe_run import probe_run
from aejax.experiments.progress import SilentReporter
from aejax.experiments.sweep import sweep
from aejax.storage.atomic_io import read_json
from tests.consoles import quiet

SMALL = {"hidden": (4,), "latent_dim": 2, "epochs": 2, "seeds": 1}
PROBE = configure(ProbeRunConfig(), probe="ridge", head_epochs=1)
N_UNLABELLED = 30


def write_table(path, labels):
    """Writes two features of 60 rows, and the labels that are given."""
    rng = np.random.default_rng(0)
    columns = [rng.normal(size=60) + np.arange(60) % 2, rng.normal(size=60), *([] if labels is None else [labels])]
    names = ["a", "b", "label"][: len(columns)]
    rows = [",".join(map(str, row)) for row in zip(*columns, strict=True)]
    path.write_text("\n".join([",".join(names), *rows]) + "\n")


@pytest.fixture(
    scope="module",
    params=[
        pytest.param((None, {"label_column": "none"}), id="no column of labels"),
        pytest.param(([""] * 60, {}), id="empty labels", marks=pytest.mark.slow),
    ],
)
def unlabelled(request, tmp_path_factory):
    """Returns the settings of a table without labels, and a pretraining run of it."""
    folder = tmp_path_factory.mktemp("unlabelled")
    labels, read = request.param
    write_table(folder / "table.csv", labels)
    data = {"dataset": folder / "table.csv", **read}
    pretrain(configure(PretrainConfig(), **data, **SMALL), folder / "run", quiet())
    return data, folder / "run"


def test_a_table_without_labels_is_split_trained_on_and_explored(unlabelled, tmp_path, monkeypatch):
    _, run = unlabelled
    analyses = make_analyses(SilentReporter())
    use_labels = {name: analyses[name] for name in ("interpolation", "codes", "anomaly_detection")}
    monkeypatch.setattr("aejax.experiments.explore.make_analyses", lambda _: use_labels)
    results = read_json(run / "results.json")
    rows = {name: results["dataset"][name] for name in ("n_train", "n_valid", "n_test", "class_names")}
    assert rows == {"n_train": 43, "n_valid": 5, "n_test": 12, "class_names": ["unlabelled"]}
    assert np.isfinite(results["reconstruction_mse"]["mean"])
    explored = explore(run, ExploreConfig(), tmp_path / "explore", quiet())
    assert explored["skipped"].keys() == {"anomaly_detection", "interpolation"}
    assert "correctly" not in explored["parts"]["codes"]["says"]  # there is no accuracy without classes


def test_what_classifies_refuses_a_table_without_labels_in_one_line(unlabelled, tmp_path):
    data, run = unlabelled
    for classify in (
        lambda out: compare(configure(**data, methods=("raw",), **SMALL), out, quiet()),
        lambda out: sweep(configure(SweepConfig(), **data, axis=("latent_dim=1",), **SMALL), out, quiet()),
        lambda out: probe_run(run, PROBE, out, quiet()),
    ):
        with pytest.raises(InputError, match="table: has no labels to classify by; name a column of labels by --label"):
            classify(tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_rows_without_a_label_among_others_pretrain_and_are_never_classified(tmp_path):
    labels = np.array(["x", "y"], object)[np.arange(60) % 2]
    labels[:N_UNLABELLED] = ""
    write_table(tmp_path / "table.csv", labels)
    small = {"dataset": tmp_path / "table.csv", **SMALL}
    pretrain(configure(PretrainConfig(), **small), tmp_path / "run", quiet())
    probed = probe_run(tmp_path / "run", PROBE, tmp_path / "probe", quiet())
    compared = compare(configure(**small, methods=("raw", "knn"), probe="ridge"), tmp_path / "compare", quiet())
    for results in (read_json(tmp_path / "run" / "results.json"), probed, compared):
        described = results["dataset"]
        assert described["class_names"] == ["x", "y"]
        assert described["unlabelled"] == N_UNLABELLED
        labelled = described["n_labelled_train"] + described["n_labelled_valid"] + described["n_test"]
        assert labelled == 60 - N_UNLABELLED
        assert described["n_train"] == described["n_labelled_train"] + N_UNLABELLED
    explored = explore(tmp_path / "run", ExploreConfig(anomaly_class="none"), tmp_path / "explore", quiet())
    assert 0 <= explored["parts"]["codes"]["code"]["neighbour_accuracy"] <= 1


def test_rows_without_a_label_do_not_count_among_the_training_rows_of_the_correction_of_cross_validation():
    inputs, labels = np.random.default_rng(0).normal(size=(90, 2)), np.arange(90) % 2
    few = aejax.make_dataset(inputs[:60], labels[:60])
    more = aejax.make_dataset(inputs, np.where(np.arange(90) < 60, labels, -1), unlabelled="-1")
    config = configure(design="cross-validation", seeds=5)
    designs = [prepare(config, dataset).design for dataset in (few, more)]
    assert [(one.n_train, one.test_index.shape) for one in designs] == [(48, (5, 12))] * 2


def test_labels_that_are_added_make_other_data(tmp_path):
    write_table(tmp_path / "table.csv", [""] * 60)
    data = DataConfig(dataset=str(tmp_path / "table.csv"))
    without = load_examples(data)
    assert without.class_names == ("unlabelled",)
    write_table(tmp_path / "table.csv", np.arange(60) % 2)
    with_labels = load_examples(data)
    np.testing.assert_array_equal(without.inputs, with_labels.inputs)
    assert without.sha256 != with_labels.sha256
