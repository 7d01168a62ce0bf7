"""Kinds in whole runs: their rows of the table, their checkpoints, and what a run refuses before it trains."""

import json

import jax
import numpy as np
import pytest
from preparing import configure

from aejax.autoencoders.registry import IMAGE_KINDS
from aejax.config import DataConfig, PretrainConfig
from aejax.data.registry import load_dataset
from aejax.errors import InputError
from aejax.experiments.compare import compare
from aejax.experiments.pretrain import pretrain
from aejax.experiments.pretrained import load_pretrained
from aejax.storage.atomic_io import read_json
from tests.consoles import quiet

# A table of 13 features, and kinds that differ in what a run has to do for them.
SMALL = {"dataset": "wine", "hidden": (8,), "latent_dim": 3, "importance_samples": 4, "k": 4, "probe_c": 1.0}
METHODS = ("random", "vicreg", "vae", "stacked", "vq", "batch-top-k", "random-batch-top-k", "supervised-batch-top-k")
TABLE = configure(**SMALL, epochs=4, batch_size=16, seeds=2, methods=METHODS)
WIDTHS = dict.fromkeys(("random", "vicreg", "vae", "stacked", "vq"), 3)  # of the others: twice the inputs


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "wine"
    compare(TABLE, out, quiet())
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return {method["name"]: method for method in read_json(out / "results.json")["methods"]}, lines, out


def test_each_row_says_how_wide_the_code_is_that_was_classified(table):
    rows, _, _ = table
    assert list(rows) == list(TABLE.methods)
    assert {name: row["features"] for name, row in rows.items()} == dict.fromkeys(rows, 26) | WIDTHS


def test_autoencoders_are_measured_and_controls_are_not(table):
    rows, _, _ = table
    codes = {"explained_variance", "l0", "dead_units", "active_units"}
    for name in ("stacked", "batch-top-k"):
        assert rows[name]["measures"].keys() == codes
    assert rows["vq"]["measures"].keys() == codes | {"entries_used", "perplexity", "bits"}
    assert rows["vicreg"]["measures"].keys() == codes - {"explained_variance"}
    assert rows["vae"]["measures"].keys() == codes | {"elbo", "kl", "importance_weighted"}
    for name in ("random", "random-batch-top-k", "supervised-batch-top-k"):
        assert rows[name]["measures"] == {}
        assert rows[name]["reconstruction_mse"] is None
    assert all(len(measure["per_seed"]) == 2 for row in rows.values() for measure in row["measures"].values())


def test_measures_are_within_what_they_can_be(table):
    rows, _, _ = table
    means = {kind: {name: own["mean"] for name, own in row["measures"].items()} for kind, row in rows.items()}
    vae, sparse = means["vae"], means["batch-top-k"]
    assert vae["importance_weighted"] > vae["elbo"]
    assert vae["kl"] > 0
    assert vae["l0"] == 3
    assert 0 < sparse["l0"] < 26
    assert all(means[kind]["explained_variance"] <= 1 for kind in ("vae", "stacked", "vq"))
    assert 1 < means["vq"]["perplexity"] <= means["vq"]["entries_used"] <= 125
    assert means["vq"]["bits"] == pytest.approx(np.log2(125))  # one vector of three units, each of five levels


def test_every_epoch_of_every_training_is_kept_and_losses_fall(table):
    _, lines, _ = table
    for name in ("vicreg", "vae", "stacked", "vq", "batch-top-k", "supervised-batch-top-k"):
        own = [line for line in lines if line["method"] == name]
        assert [(line["seed"], line["epoch"]) for line in own] == [(seed, e) for seed in range(2) for e in range(1, 5)]
        losses = np.array([line["train_loss"] for line in own]).reshape(2, 4).mean(axis=0)
        last = [0, 1, 2, 3] if name != "stacked" else [2, 3]  # before that, each layer had a loss of its own
        assert losses[last[-1]] < losses[last[0]]


def test_an_architectures_own_controls_are_for_its_own_comparisons(table):
    comparisons = read_json(table[2] / "results.json")["comparisons"]
    pairs = {(row["method"], row["baseline"]) for row in comparisons}
    own = {("batch-top-k", "random-batch-top-k"), ("batch-top-k", "supervised-batch-top-k")}
    kinds, common = ("vae", "stacked", "vq", "batch-top-k"), ("random", "vicreg")
    assert pairs == own | {(kind, control) for kind in kinds for control in common}


@pytest.mark.parametrize("name", IMAGE_KINDS)
def test_kinds_for_images_are_rejected_for_a_table_before_training(name, tmp_path):
    config = configure(TABLE, methods=("raw", name))
    with pytest.raises(InputError, match=r"^--methods .*need images.*\(13,\).*leave them out$"):
        compare(config, tmp_path / "out", quiet())
    assert not (tmp_path / "out").exists()


KEPT = {
    "conv-vae": {"likelihood": "gaussian"},  # a learned deviation, and a count of steps
    "batch-top-k": {"tied": True, "sparse_dim": 20},  # a running threshold, and no decoder kernels
}


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "settings"), KEPT.items(), ids=KEPT)
def test_a_pretrained_kind_is_opened_as_it_was_trained(kind, settings, tmp_path):
    digits = load_dataset(DataConfig(dataset="digits"))
    small = {"dataset": "digits", "channels": (4,), "latent_dim": 5, "epochs": 2, "batch_size": 128, "seeds": 2}
    config = configure(PretrainConfig(), **small, method=kind, **settings)
    results = pretrain(config, tmp_path / "run", quiet())
    opened = load_pretrained(tmp_path / "run")
    assert all(isinstance(leaf, np.ndarray) for leaf in jax.tree.leaves(opened.variables))
    # The run's own error of the test rows, found again from what was kept.
    test = digits.inputs[np.random.default_rng(0).permutation(len(digits.inputs))[:200]]
    scaled = test.reshape(len(test), -1) / 16
    for seed in range(2):
        codes = opened.encode(test, seed=seed)
        assert codes.shape == (200, 20 if kind == "batch-top-k" else 5)
        error = np.mean(np.square(opened.decode(codes, seed=seed) - scaled))
        np.testing.assert_allclose(error, results["reconstruction_mse"]["per_seed"][seed], rtol=0.1)
    if kind == "conv-vae":
        steps = -(-results["dataset"]["n_train"] // 128)
        assert opened.variables["batch_stats"]["elbo"]["step"].tolist() == [2.0 * steps] * 2
