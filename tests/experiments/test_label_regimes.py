"""Classifiers are fitted to noisy labels of unequal classes, and scored with the true labels of the test rows."""

import numpy as np
import pytest
from preparing import configure

from aejax.config import DataConfig, SplitConfig
from aejax.data.label_budget import add_label_noise
from aejax.data.registry import load_dataset
from aejax.data.splits import make_split
from aejax.errors import InputError
from aejax.experiments.compare import compare
from tests.consoles import quiet

METHODS = ("raw", "supervised", "svm")
CLEAN = configure(dataset="breast_cancer", hidden=(8,), latent_dim=4, epochs=3, probe="ridge", methods=METHODS, seeds=2)


def run(folder, **settings):
    results = compare(configure(CLEAN, **settings), folder, quiet())
    return results, {method["name"]: method["test_accuracy"]["per_seed"] for method in results["methods"]}


@pytest.mark.slow
def test_labels_that_are_all_wrong_turn_every_classifier_of_two_classes_around(tmp_path):
    results, turned = run(tmp_path / "noise", label_noise=1 - 1e-12)
    assert results["dataset"]["wrong_labels"] == [1.0, 1.0]
    assert "100.0 % of them wrong" in (tmp_path / "noise" / "table.md").read_text()
    assert all(max(accuracy) < 0.2 for accuracy in turned.values())
    _, clean = run(tmp_path / "clean", methods=("raw",))
    np.testing.assert_allclose(turned["raw"], 1 - np.array(clean["raw"]), atol=1e-6)


def test_classifiers_see_the_unequal_classes_and_survive_a_class_that_noise_removed(tmp_path):
    regime = {"labels_per_class": 4, "class_imbalance": 2, "label_noise": 0.7, "test_seed": 1}
    wine, split = load_dataset(DataConfig(dataset="wine")), SplitConfig(**regime, design="cross-validation")
    noisy = add_label_noise(wine, split)
    assert any(len(set(noisy[rows])) < 3 for rows in make_split(wine, split, 2).labelled)
    methods = ("raw", "svm", "boosting", "forest", "label-spreading", "knn")
    results, _ = run(tmp_path / "few", dataset="wine", methods=methods, tune=1, **regime)
    assert results["dataset"]["labelled_class_counts"] == [4, 3, 2]
    assert results["dataset"]["n_labelled_train"] + results["dataset"]["n_labelled_valid"] == 9
    assert results["config"]["split"]["class_imbalance"] == 2
    assert all(np.isfinite(method["test_nll"]["mean"]) for method in results["methods"])


@pytest.mark.parametrize("settings", [{}, {"probe": "logistic", "probe_c": 1.0}], ids=["by the probe", "by svm"])
def test_an_imbalance_that_leaves_no_label_for_validation_is_named(settings, tmp_path):
    with pytest.raises(InputError, match=r"^--class-imbalance 10: leaves no validation rows .*; lower it, give --l"):
        run(tmp_path, dataset="digits", label_fraction=0.02, class_imbalance=10, **settings)
