"""`--probe` changes what classifies features, and nothing else; seeds share a classifier only of equal labels."""

import numpy as np
import pytest
from preparing import configure
from threadpoolctl import threadpool_info, threadpool_limits

from aejax.experiments import feature_evaluation, probes, training
from aejax.experiments.compare import compare
from aejax.train.plan import Plan
from tests.consoles import quiet

TRAINED = ("raw", "supervised", "undercomplete")
SMALL = configure(dataset="wine", hidden=(8,), latent_dim=4, epochs=4, batch_size=16, methods=TRAINED, seeds=2)
METHODS = {  # no closed form changes the classifier that trains its own encoder
    "logistic": TRAINED,
    "ridge": ("raw", "undercomplete"),
    "knn": ("raw",),
    "top-units": ("raw",),
    "finetune": TRAINED,
}


@pytest.fixture(scope="module")
def by_probe(tmp_path_factory):
    def run(probe: str):
        strength = None if probe == "ridge" else 1.0  # the path of logistic regressions is tested in test_compare.py
        finetuning = {"finetune_epochs": 40, "finetune_head_learning_rate": 1e-2}
        settings = {"probe": probe, "probe_c": strength, "probe_units": (1, 3), **finetuning}
        found = compare(
            configure(SMALL, methods=METHODS[probe], **settings), tmp_path_factory.mktemp("run") / probe, quiet()
        )
        return {method["name"]: method for method in found["methods"]}

    return {probe: run(probe) for probe in METHODS}


@pytest.mark.parametrize("probe", METHODS)
def test_each_has_its_own_report_and_is_far_above_chance(by_probe, probe):
    fields = {"logistic": "probe", "ridge": "probe", "knn": "neighbours", "top-units": "probe", "finetune": "finetuned"}
    for name in set(METHODS[probe]) - {"supervised"}:
        method = by_probe[probe][name]
        field = "probe" if probe == "finetune" and name == "raw" else fields[probe]
        assert method[field] is not None
        assert all(method[other] is None for other in set(fields.values()) - {field})
        assert method["test_accuracy"]["mean"] > 0.5
    if "supervised" in METHODS[probe]:
        assert all(by_probe[probe]["supervised"][field] is None for field in fields.values())


def test_a_probe_of_few_features_reports_every_number_of_them_and_is_judged_by_the_last(by_probe):
    for method in by_probe["top-units"].values():
        report = method["top_units"]
        assert report["counts"] == [[1, 3]] * 2
        assert [len(units) for units in report["units"][0]] == [3] * 3
        accuracy = np.array(report["metric"])
        np.testing.assert_allclose(accuracy[:, 1], method["test_accuracy"]["per_seed"])
        assert (accuracy[:, 0] < accuracy[:, 1]).all()
    assert "top_units" not in by_probe["logistic"]["raw"]


@pytest.mark.parametrize("probe", ["ridge", "finetune"])
def test_the_encoders_are_the_same_whatever_classifies_their_codes(by_probe, probe):
    mse = [by_probe[name]["undercomplete"]["reconstruction_mse"]["per_seed"] for name in ("logistic", probe)]
    np.testing.assert_array_equal(*mse)
    assert by_probe["logistic"]["raw"]["test_nll"]["mean"] != by_probe["knn"]["raw"]["test_nll"]["mean"]


def test_a_classifier_that_trains_its_own_encoder_is_the_same_whatever_the_probe(by_probe):
    nll = [by_probe[probe]["supervised"]["test_nll"]["per_seed"] for probe in ("logistic", "finetune")]
    np.testing.assert_array_equal(*nll)


def test_closed_form_solutions_are_certified(by_probe):
    for method in by_probe["ridge"].values():
        if method["probe"] is not None:
            assert all(method["probe"]["converged"])
            assert max(method["probe"]["gap"]) < 1e-4


def test_fine_tuning_does_not_diverge_and_beats_uniform_predictions(by_probe):
    report = by_probe["finetune"]["undercomplete"]["finetuned"]
    assert report["diverged_epoch"] == [None, None]
    assert max(report["valid_nll"]) < np.log(3)


def blas_threads():
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


def test_lapack_has_one_thread_while_closed_forms_and_probes_are_computed(tmp_path, monkeypatch):
    threads = []

    def record(module, name):
        make = getattr(module, name)

        def recorded(*args):
            program = make(*args)
            return lambda *arrays: threads.append((name, blas_threads())) or program(*arrays)

        monkeypatch.setattr(module, name, recorded)

    def to_host(plan, tree):
        host = wait_for(plan, tree)
        threads.append(("to_host", blas_threads()))
        return host

    wait_for = Plan.to_host
    monkeypatch.setattr(Plan, "to_host", to_host)
    record(training, "_init_program")
    record(probes, "_classifier_program")
    config = configure(SMALL, methods=("pca",), probe="ridge", seeds=1)
    with threadpool_limits(2, user_api="blas"):
        compare(config, tmp_path / "run", quiet())
        assert blas_threads() == {2}
    assert ("_init_program", {1}) in threads
    first = threads.index(("_classifier_program", {1}))
    assert threads[first + 1] == ("to_host", {1})  # they are computed by then


def test_seeds_share_a_classifier_only_with_the_same_labels_and_many_of_them(monkeypatch, tmp_path):
    def losses_by_seed(many, **split):
        monkeypatch.setattr(feature_evaluation, "MAX_SELECTION_ROWS", (many, 0))
        drawn = {"design": "holdout", "valid_fraction": 0.3, **split}
        config = configure(dataset="wine", scaler="none", **drawn, probe="ridge", methods=("raw", "permuted"), seeds=4)
        methods = compare(config, tmp_path / f"{many}-{len(split)}", quiet())["methods"]
        return {method["name"]: np.array(method["test_nll"]["per_seed"]) for method in methods}

    own, shared = losses_by_seed(1000), losses_by_seed(100)
    assert len(np.unique(own["raw"])) > 1
    np.testing.assert_array_equal(shared["raw"], np.repeat(own["raw"][:1], 4))
    np.testing.assert_array_equal(shared["permuted"], own["permuted"])  # whose labels differ between seeds
    fewer = losses_by_seed(10, label_fraction=0.5)
    assert len(np.unique(fewer["raw"])) > 1
