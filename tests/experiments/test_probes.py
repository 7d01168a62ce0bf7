"""`--probe` changes what classifies features, and nothing else."""

import dataclasses
import io

import numpy as np
import pytest
from rich.console import Console

from aejax.config import CompareConfig, DataConfig, ModelConfig, ProbeConfig, TrainConfig
from aejax.experiments.compare import compare

SMALL = CompareConfig(
    data=DataConfig(dataset="wine"),
    model=ModelConfig(hidden=(8,), latent_dim=4),
    train=TrainConfig(epochs=4, batch_size=16),
    methods=("raw", "random", "supervised", "undercomplete"),
    seeds=2,
)


@pytest.fixture(scope="module")
def by_probe(tmp_path_factory):
    def run(probe: str):
        config = dataclasses.replace(
            SMALL, probe=ProbeConfig(probe=probe, finetune_epochs=40, finetune_head_learning_rate=1e-2)
        )
        found = compare(config, tmp_path_factory.mktemp("run") / probe, Console(file=io.StringIO()))
        return {method["name"]: method for method in found["methods"]}

    return {probe: run(probe) for probe in ("logistic", "ridge", "knn", "finetune")}


@pytest.mark.parametrize("probe", ["logistic", "ridge", "knn", "finetune"])
def test_each_has_its_own_report_and_is_far_above_chance(by_probe, probe):
    fields = {"logistic": "probe", "ridge": "probe", "knn": "neighbours", "finetune": "finetuned"}
    for name in ("raw", "random", "undercomplete"):
        method = by_probe[probe][name]
        field = "probe" if probe == "finetune" and name == "raw" else fields[probe]
        assert method[field] is not None
        assert all(method[other] is None for other in set(fields.values()) - {field})
        assert method["test_accuracy"]["mean"] > 0.5
    assert all(by_probe[probe]["supervised"][field] is None for field in fields.values())


@pytest.mark.parametrize("probe", ["ridge", "knn", "finetune"])
def test_the_encoders_are_the_same_whatever_classifies_their_codes(by_probe, probe):
    mse = [by_probe[name]["undercomplete"]["reconstruction_mse"]["per_seed"] for name in ("logistic", probe)]
    np.testing.assert_array_equal(*mse)
    nll = [by_probe[name]["supervised"]["test_nll"]["per_seed"] for name in ("logistic", probe)]
    np.testing.assert_array_equal(*nll)
    assert by_probe["logistic"]["raw"]["test_nll"]["mean"] != by_probe["knn"]["raw"]["test_nll"]["mean"]


def test_closed_form_solutions_are_certified(by_probe):
    for method in by_probe["ridge"].values():
        if method["probe"] is not None:
            assert all(method["probe"]["converged"])
            assert max(method["probe"]["gap"]) < 1e-4


def test_fine_tuning_does_not_diverge_and_beats_uniform_predictions(by_probe):
    report = by_probe["finetune"]["undercomplete"]["finetuned"]
    assert report["diverged_epoch"] == [None, None]
    assert max(report["valid_nll"]) < np.log(3)
