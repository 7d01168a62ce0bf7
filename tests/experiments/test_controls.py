"""Controls in whole runs: nothing is trained twice, permuted labels are at chance, few labels are counted."""

import json

import numpy as np
import pytest
from preparing import configure

import aejax
from aejax.errors import InputError
from aejax.experiments import method_result
from aejax.experiments.compare import compare
from aejax.storage.atomic_io import read_json
from tests.consoles import quiet

WINE = configure(dataset="wine", hidden=(8,), latent_dim=3, epochs=3, batch_size=16, probe_c=1.0, seeds=2)
METHODS = ("knn-denoising", "raw", "random-projection", "knn", "permuted", "denoising", "permuted-denoising")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "wine"
    trained = []
    with pytest.MonkeyPatch.context() as patch:
        train_method = method_result.train_method
        patch.setattr(method_result, "train_method", lambda *args: trained.append(args) or train_method(*args))
        results = compare(configure(WINE, methods=METHODS), out, quiet())
    return out, results, len(trained)


def rows_of(results):
    return {method["name"]: method for method in results["methods"]}


def test_a_kind_is_trained_once_however_often_it_is_classified_and_rows_stay_in_the_order_asked_for(run):
    out, results, trainings = run
    assert trainings == 1
    assert [method["name"] for method in results["methods"]] == list(METHODS)
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert {line["method"] for line in lines} == {"denoising"}
    with np.load(out / "scores.npz") as scores:
        assert scores["method"].tolist() == list(METHODS)


def test_a_knn_variant_alone_trains_the_kind_to_the_same_codes(run, tmp_path):
    compare(configure(WINE, methods=("knn-denoising",)), tmp_path / "alone", quiet())
    (alone,), rows = (read_json(folder / "results.json")["methods"] for folder in (tmp_path / "alone", run[0]))
    with_kind = rows_of({"methods": rows})["knn-denoising"]
    same = ("features", "test_accuracy", "test_nll", "neighbours", "measures", "reconstruction_mse", "diverged_epoch")
    assert {name: alone[name] for name in same} == {name: with_kind[name] for name in same}
    assert "knn-denoising" in (tmp_path / "alone" / "metrics.jsonl").read_text()


def test_every_row_says_how_it_was_classified_and_whose_features_it_has(run):
    rows = rows_of(run[1])
    autoencoders = {name for name, row in rows.items() if row["role"] == "autoencoder"}
    assert autoencoders == {"denoising", "knn-denoising"}
    assert {row["role"] for name, row in rows.items() if name not in autoencoders} == {"control"}
    for name, row in rows.items():
        by_neighbours = name.startswith("knn")
        assert (row["probe"] is None) == by_neighbours
        assert (row["neighbours"] is not None) == by_neighbours
        if by_neighbours:
            assert all(k in (1, 3, 5, 11, 21, 51) for k in row["neighbours"]["k"])
            assert len(row["neighbours"]["grid_edge"]) == len(row["neighbours"]["temperature"]) == WINE.seeds
        assert all(np.isfinite(row["test_nll"]["per_seed"]))
    lenders = {name: row["features_of"] for name, row in rows.items() if row["features_of"]}
    kind = dict.fromkeys(("knn-denoising", "permuted-denoising"), "denoising")
    assert lenders == kind | dict.fromkeys(("knn", "permuted"), "raw")
    assert rows["random-projection"]["features"] == 3
    assert rows["knn"]["features"] == 13


def test_an_autoencoder_is_compared_with_every_control_and_neighbours_of_codes_with_those_of_inputs(run):
    pairs = [(row["method"], row["baseline"]) for row in run[1]["comparisons"]]
    controls = ("raw", "random-projection", "knn")
    assert pairs == [*(("denoising", control) for control in controls), ("knn-denoising", "knn")]


def test_classifiers_of_permuted_labels_know_nothing_and_those_of_true_labels_do(tmp_path):
    # Two clusters far apart, in equal numbers: one permutation can be lucky, ten cannot.
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 150)
    inputs = (rng.normal(size=(300, 4)) + 6 * labels[:, None]).astype(np.float32)
    np.savez(tmp_path / "clusters.npz", x=inputs, y=labels)
    methods = ("raw", "knn", "permuted")
    config = configure(WINE, dataset=tmp_path / "clusters.npz", seeds=10, methods=methods, probe_c=None)
    rows = rows_of(compare(config, tmp_path / "out", quiet()))
    assert [rows[name]["test_accuracy"]["mean"] for name in ("raw", "knn")] == [1.0, 1.0]
    permuted = np.array(rows["permuted"]["test_accuracy"]["per_seed"])
    assert abs(permuted.mean() - 0.5) < 3.5 * permuted.std(ddof=1) / np.sqrt(10)
    assert len(set(permuted)) > 1  # every seed has a permutation of its own
    assert rows["permuted"]["test_nll"]["mean"] > 0.69  # nats: knowing nothing costs log 2


def test_few_labels_need_no_validation_rows(tmp_path):
    """Cross-validation and leave-one-out choose, where version 0.1.0 rejected the run."""
    config = configure(WINE, valid_fraction=0.0, methods=("raw", "knn"), probe="ridge", probe_c=None)
    rows = rows_of(compare(config, tmp_path / "out", quiet()))
    assert all(rows[name]["test_accuracy"]["mean"] > 0.9 for name in ("raw", "knn"))


def test_two_labels_of_each_of_many_classes_are_not_taken_for_numbers():
    labels = np.repeat(np.arange(22), 6)
    inputs = np.random.default_rng(0).normal(size=(len(labels), 3)) + labels[:, None]
    settings = {"labels_per_class": 2, "valid_fraction": 0.0, "seeds": 2, "design": "holdout"}
    result = aejax.compare(inputs, labels, ["svm"], **settings)  # any warning is an error
    assert result.results["methods"][0]["test_accuracy"]["mean"] > 0.3


def test_many_labels_without_validation_rows_are_rejected_before_training(tmp_path):
    config = configure(WINE, dataset="digits", valid_fraction=0.0, methods=("raw",), probe_c=None)
    with pytest.raises(InputError, match=r"^--valid-fraction 0.0: leaves no validation rows .*--probe-c$"):
        compare(config, tmp_path / "out", quiet())
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_comparison_with_one_label_in_a_hundred_runs_and_says_how_many(tmp_path):
    config = configure(WINE, dataset="digits", label_fraction=0.01, probe_c=None, methods=("raw", "knn"))
    results = compare(config, tmp_path / "few", quiet())
    dataset = read_json(tmp_path / "few" / "results.json")["dataset"]
    assert (dataset["n_train"], dataset["n_labelled_train"], dataset["n_labelled_valid"]) == (1294, 13, 10)
    assert "23 labels; cross-validation in 2 folds" in (tmp_path / "few" / "table.md").read_text()
    rows = rows_of(results)
    assert all(0.3 < rows[name]["test_accuracy"]["mean"] < 0.9 for name in ("raw", "knn"))
    assert all(k <= 22 for k in rows["knn"]["neighbours"]["k"])
