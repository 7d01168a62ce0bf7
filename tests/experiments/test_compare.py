"""The main job, small: its files, its reproducibility, its fairness."""

import json

import numpy as np
import pytest
from preparing import configure

from aejax.experiments.compare import compare
from aejax.storage.atomic_io import read_json
from aejax.storage.results_file import read_results
from tests.consoles import quiet

SMALL = configure(dataset="wine", hidden=(8,), latent_dim=3, epochs=3, batch_size=16, seeds=3)
# Controls with and without training, and an autoencoder: what a property of the protocol has to hold for.
# At a fixed strength, because wine is separable and a weak one leaves log-probabilities to the solver's tolerance.
FEW = configure(SMALL, methods=("raw", "supervised", "denoising"), probe_c=1.0)


@pytest.fixture(scope="module")
def run(tmp_path_factory, draw_figures):
    out = tmp_path_factory.mktemp("runs") / "wine"
    with draw_figures():
        results = compare(SMALL, out, quiet())
    return out, results


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "few"
    results = compare(FEW, out, quiet())
    return out, results


def without_times(value):
    times = {"seconds", "command"}
    if isinstance(value, dict):
        return {key: without_times(item) for key, item in value.items() if key not in times}
    return [without_times(item) for item in value] if isinstance(value, list) else value


def test_a_run_leaves_every_file(run):
    data = {"metrics.jsonl", "results.json", "scores.npz", "correct.npz", "examples.npz"}
    figures = ("accuracy", "differences", "learning_curves", "reconstructions", "codes", "diagnostics")
    shown = {"table.md", "report.html", *(f"{name}.png" for name in figures)}
    assert {path.name for path in run[0].iterdir()} == {".lock", "run.json", "config.json"} | data | shown


def test_results_have_the_fields_of_schema_2(run):
    results = read_json(run[0] / "results.json")
    assert (results["schema"], results["design"]) == (2, "cross-validation")
    assert {"name", "sha256", "shape", "classes", "n_train", "n_valid", "n_test"} <= results["dataset"].keys()
    environment = {"python", "jax", "flax", "optax", "backend", "devices", "plan"}
    assert environment <= results["environment"].keys()
    assert [method["name"] for method in results["methods"]] == list(SMALL.methods)
    for method in results["methods"]:
        for name in ("test_accuracy", "test_nll"):
            assert len(method[name]["per_seed"]) == SMALL.seeds
            low, high = method[name]["ci95"]
            assert low <= method[name]["mean"] <= high
        assert {"compile", "pretrain", "probe"} == method["seconds"].keys()
        if method["probe"] is not None:
            fields = {"l2", "gradient_norm", "gap", "converged", "grid_edge", "grid_extended", "valid_nll"}
            assert fields == method["probe"].keys()
        for name in ("balanced_accuracy", "calibration_error", "brier"):
            assert len(method[name]["per_seed"]) == SMALL.seeds
        classes = results["dataset"]["classes"]
        assert np.shape(method["per_class_accuracy"]["per_seed"]) == (SMALL.seeds, classes)
        assert method["failed_seeds"] == []
    fields = {"method", "baseline", "mean_difference", "ci95", "p", "p_holm", "verdict"}
    added = {"ci95_seeds", "test", "p_crossed", "p_crossed_holm", "reason"}
    added |= {"ci95_adjusted", "exceeds_margin", "detectable", "family"}
    assert all(fields | added == comparison.keys() for comparison in results["comparisons"])
    assert results["intervals"].keys() == {"ci95"}  # in cross-validation none is over seeds alone
    assert results["interval"] == results["intervals"]["ci95"]
    assert results["margin"] == SMALL.evaluation.margin == results["config"]["evaluation"]["margin"]
    assert len(results["comparisons"]) == 3 * 7 + 1  # one more for the one with an architecture of its own


def test_every_number_of_the_results_follows_from_the_saved_scores(run):
    results = read_json(run[0] / "results.json")
    with np.load(run[0] / "scores.npz") as scores:
        assert scores["correct"].shape == (len(SMALL.methods), SMALL.seeds, results["dataset"]["n_test"])
        for index, method in enumerate(results["methods"]):
            assert scores["method"][index] == method["name"]
            np.testing.assert_allclose(scores["correct"][index].mean(1), method["test_accuracy"]["per_seed"])
            np.testing.assert_allclose(-scores["log_prob"][index].mean(1), method["test_nll"]["per_seed"], rtol=1e-5)


def test_metrics_have_a_line_for_every_trained_method_seed_and_epoch(run):
    lines = [json.loads(line) for line in (run[0] / "metrics.jsonl").read_text().splitlines()]
    seen = {(line["method"], line["seed"], line["epoch"]) for line in lines}
    trained = ("supervised", "undercomplete", "denoising", "sparse-l1")
    assert seen == {(m, s, e) for m in trained for s in range(3) for e in range(1, 4)}
    assert all(np.isfinite(line["valid_loss"]) for line in lines)


def test_the_same_command_twice_gives_the_same_results_apart_from_times(few):
    compare(FEW, few[0].parent / "again", quiet())
    first, second = (read_results(folder / "results.json") for folder in (few[0], few[0].parent / "again"))
    assert without_times(first) == without_times(second)
    assert (few[0] / "scores.npz").read_bytes() == (few[0].parent / "again" / "scores.npz").read_bytes()


def test_a_seed_more_leaves_the_others_results_as_they_were(few, tmp_path):
    compare(configure(FEW, seeds=4, methods=FEW.methods[1:]), tmp_path / "four", quiet())
    with np.load(few[0] / "scores.npz") as three, np.load(tmp_path / "four" / "scores.npz") as four:
        np.testing.assert_array_equal(four["correct"][:, :3], three["correct"][1:])
        np.testing.assert_allclose(four["log_prob"][:, :3], three["log_prob"][1:], atol=1e-5)


@pytest.mark.slow
def test_the_plans_agree_on_the_whole_comparison(few, tmp_path):
    config = configure(FEW, within_device="vmap", devices=1, methods=FEW.methods[1:])
    compare(config, tmp_path / "vmap", quiet())
    with np.load(few[0] / "scores.npz") as sharded, np.load(tmp_path / "vmap" / "scores.npz") as vmapped:
        np.testing.assert_allclose(vmapped["log_prob"], sharded["log_prob"][1:], atol=2e-3)


@pytest.mark.slow
def test_permuted_labels_give_chance(tmp_path):
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(400, 10)).astype(np.float32)
    inputs[:, 0] += np.repeat([0.0, 8.0], 200)  # two clusters that true labels would find
    np.savez(tmp_path / "permuted.npz", x=inputs, y=rng.permutation(np.repeat([0, 1], 200)))
    methods = ("supervised", "undercomplete")
    config = configure(FEW, dataset=tmp_path / "permuted.npz", seeds=4, methods=methods)
    results = compare(config, tmp_path / "out", quiet())
    for method in results["methods"]:
        # 80 test examples, the same for every seed: 3.5 binomial deviations of one seed
        assert abs(method["test_accuracy"]["mean"] - 0.5) < 3.5 * np.sqrt(0.25 / 80), method["name"]


def test_few_labels_change_the_classifiers_and_their_epochs_and_not_the_autoencoders(few, tmp_path):
    fewer = compare(configure(FEW, label_fraction=0.1), tmp_path / "fewer", quiet())
    assert fewer["dataset"]["n_labelled_train"] < few[1]["dataset"]["n_labelled_train"]

    def mse(results):
        return {m["name"]: m["reconstruction_mse"] for m in results["methods"] if m["reconstruction_mse"]}

    np.testing.assert_array_equal(mse(fewer)["denoising"]["per_seed"], mse(few[1])["denoising"]["per_seed"])
    # A classifier may take as many steps as the autoencoder, which sees all rows; its labels choose how many.
    lines = [json.loads(line) for line in (tmp_path / "fewer" / "metrics.jsonl").read_text().splitlines()]
    epochs = {line["method"]: line["epoch"] for line in lines}  # the last of each
    chosen = [setting["epochs"] for setting in fewer["methods"][1]["settings"]]
    steps_of_all_rows = -(-fewer["dataset"]["n_train"] // FEW.train.batch_size)  # one batch holds all labels
    assert FEW.train.epochs < max(chosen) <= FEW.train.epochs * steps_of_all_rows
    assert epochs["denoising"] == FEW.train.epochs


def test_a_diverging_method_is_marked_and_still_scored(tmp_path):
    config = configure(FEW, methods=("raw", "undercomplete"), learning_rate=1e30)
    results = compare(config, tmp_path / "diverged", quiet())
    raw, trained = results["methods"]
    assert raw["diverged_epoch"] is None
    assert all(epoch == 1 for epoch in trained["diverged_epoch"])
    assert (raw["failed_seeds"], trained["failed_seeds"]) == ([], [0, 1, 2])
    assert all(np.isfinite(trained["test_accuracy"]["per_seed"]))
    assert "diverged" in (tmp_path / "diverged" / "table.md").read_text()
