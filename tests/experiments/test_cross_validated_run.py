"""A comparison by cross-validation: every training is fitted, scaled and scored with rows of its own."""

import numpy as np
import pytest
from preparing import configure
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from aejax.config import CompareConfig, PretrainConfig, SplitConfig, SweepConfig
from aejax.data.dataset import make_dataset
from aejax.data.registry import load_dataset
from aejax.data.splits import make_split
from aejax.errors import InputError
from aejax.experiments.compare import compare
from aejax.experiments.resolve import resolve_config
from aejax.experiments.sweep import sweep
from aejax.report.data_line import format_data_line
from aejax.storage.atomic_io import read_json
from tests.consoles import quiet

C = 0.1  # the inverse penalty of the ridge
TRAINING = {"dataset": "wine", "scaler": "standard", "hidden": (8,), "latent_dim": 3, "epochs": 2, "batch_size": 16}
PROBE = {"probe": "ridge", "probe_c": C, "probe_standardize": False}
SEEDS = 7  # the second repetition is incomplete
CONFIG = configure(**TRAINING, **PROBE, devices=1, methods=("raw", "undercomplete"), seeds=SEEDS)
WINE = load_dataset(CONFIG.data)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "wine"
    results = compare(CONFIG, out, quiet())
    return results, dict(np.load(out / "scores.npz")), out


def test_each_training_is_scored_as_by_scikit_learn_on_its_own_fold(run):
    _, scores, _ = run
    split = make_split(WINE, SplitConfig(design="cross-validation"), CONFIG.seeds)
    np.testing.assert_array_equal(scores["test_index"], split.test)
    np.testing.assert_array_equal(scores["test_label"], WINE.labels[split.test])
    assert (int(scores["folds"]), int(scores["n_train"])) == (5, 178 - 178 // 5)
    correct = scores["correct"][scores["method"].tolist().index("raw")]
    assert len({row.tobytes() for row in correct}) > 1
    for training in range(CONFIG.seeds):
        scaler = StandardScaler().fit(WINE.inputs[split.train[training]])
        fitted, test = split.labelled[training], split.test[training]
        ridge = Ridge(alpha=1 / C).fit(scaler.transform(WINE.inputs[fitted]), np.eye(3)[WINE.labels[fitted]])
        predicted = ridge.predict(scaler.transform(WINE.inputs[test])).argmax(axis=1)
        np.testing.assert_array_equal(correct[training], predicted == WINE.labels[test])


def test_results_and_the_line_about_the_data_show_the_design(run):
    results, _, out = run
    assert results["design"] == "cross-validation"
    assert read_json(out / "config.json")["split"]["design"] == "cross-validation"  # the resolved value
    described = results["dataset"]
    shown = {name: described[name] for name in ("folds", "repetitions", "n_test", "trainings")}
    assert shown == {"folds": 5, "repetitions": 2, "n_test": 35, "trainings": 7}
    assert "test: 2 x 5-fold cross-validation, 35 rows each, of which 7 folds are used" in format_data_line(described)
    for method in results["methods"]:
        assert len(method["test_accuracy"]["per_seed"]) == 7
    assert all(
        entry["cka_between_seeds"] is None for entry in read_json(out / "results.json")["diagnostics"]["methods"]
    )


@pytest.mark.slow
def test_one_training_after_the_other_and_all_at_once_classify_alike(run, tmp_path):
    together = configure(CONFIG, devices=2, within_device="vmap", methods=("undercomplete",))
    compare(together, tmp_path / "run", quiet())
    scores = np.load(tmp_path / "run" / "scores.npz")
    np.testing.assert_array_equal(scores["test_index"], run[1]["test_index"])
    assert np.mean(scores["correct"][0] == run[1]["correct"][1]) > 0.99


@pytest.mark.slow
def test_a_sweep_tests_each_point_on_the_folds_of_the_training(tmp_path):
    config = configure(
        SweepConfig(), **TRAINING, **PROBE, devices=1, axis=("noise_std=0.1,0.3",), method="denoising", seeds=3
    )
    results = sweep(config, tmp_path / "run", quiet())
    scores = np.load(tmp_path / "run" / "scores.npz")
    assert results["design"] == "cross-validation"
    assert scores["test_index"].shape == (3, 35)
    assert not np.array_equal(scores["test_index"][0], scores["test_index"][1])


OFFICIAL = make_dataset("made", np.zeros((40, 2)), np.arange(40) % 2, source="made", test_rows=np.arange(10))
DESIGNS = {
    "a comparison": (CompareConfig(), WINE, "cross-validation"),
    "a sweep": (SweepConfig(), WINE, "cross-validation"),
    "a pretraining": (PretrainConfig(), WINE, "holdout"),
    "an official test set": (CompareConfig(), OFFICIAL, "holdout"),
    "the split of the tutorials": (CompareConfig(split=SplitConfig(split="tutorial")), WINE, "holdout"),
}


@pytest.mark.parametrize(("config", "dataset", "design"), DESIGNS.values(), ids=DESIGNS)
def test_the_design_follows_from_the_data_and_the_experiment(config, dataset, design):
    assert resolve_config(config, dataset).split.design == design
    chosen = configure(config, design="holdout")
    assert resolve_config(chosen, dataset).split.design == "holdout"
    chosen = configure(config, design="cross-validation")
    if design == "holdout":
        with pytest.raises(InputError, match=r"^--design cross-validation: [^\n]*$"):
            resolve_config(chosen, dataset)
    else:
        assert resolve_config(chosen, dataset).split.design == "cross-validation"
