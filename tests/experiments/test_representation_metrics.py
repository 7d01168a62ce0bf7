"""Diagnostics of a run: of every method, on the same rows, and what CKA pairs."""

import numpy as np
import pytest
from preparing import configure

from aejax.evaluate.representation import REPRESENTATION_METRICS, measure_representation
from aejax.experiments import representation_metrics
from aejax.experiments.compare import compare
from aejax.experiments.representation_metrics import (
    MAX_PAIRED_SEEDS,
    cka_matrix,
    compute_representation_metrics,
    select_diagnostic_rows,
)
from aejax.storage.atomic_io import read_json
from tests.consoles import quiet

METHODS = ("raw", "pca", "random", "supervised", "linear")
CONFIG = configure(dataset="wine", hidden=(), latent_dim=13, probe_c=1.0, epochs=1, seeds=4, methods=METHODS)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "wine"
    compare(CONFIG, out, quiet())
    return read_json(out / "results.json"), out


def by_name(results):
    return {method["name"]: method for method in results["diagnostics"]["methods"]}


def test_every_method_has_every_diagnostic_of_every_seed(run):
    found = by_name(run[0])
    assert tuple(found) == METHODS
    for method in found.values():
        for name in REPRESENTATION_METRICS:
            assert len(method[name]["per_seed"]) == CONFIG.seeds
            assert np.mean(method[name]["per_seed"]) == pytest.approx(method[name]["mean"])
    assert run[0]["diagnostics"]["rows"] == run[0]["dataset"]["n_test"]
    assert "diagnostics of" in (run[1] / "table.md").read_text()


def test_all_principal_components_are_the_inputs_turned(run):
    # In as many dimensions as there are inputs PCA is an isometry, so that what is isometric in the diagnostics and
    # the CKA of the two say so: rows, seeds and scalers of the two methods are the same ones.
    raw, pca = (by_name(run[0])[name] for name in ("raw", "pca"))
    for name in ("effective_rank", "intrinsic_dimension"):
        np.testing.assert_allclose(pca[name]["per_seed"], raw[name]["per_seed"], rtol=1e-3)
    matrix = np.array(run[0]["diagnostics"]["cka"]["matrix"])
    assert matrix[0, 1] == pytest.approx(1, abs=1e-4)
    np.testing.assert_array_equal(matrix, matrix.T)
    np.testing.assert_allclose(np.diag(matrix), 1, atol=1e-6)
    assert matrix[0, 2] < 0.99


def test_the_diagnostics_of_raw_inputs_are_those_of_the_scaled_test_rows(run, experiment):
    for seed in (0, 3):
        test = experiment.split.test[seed]
        inputs, labels = experiment.dataset.inputs[test], experiment.dataset.labels[test]
        scaled = (inputs - experiment.scaler.shift[seed]) * experiment.scaler.scale[seed]
        for name, value in measure_representation(scaled, labels).items():
            assert by_name(run[0])["raw"][name]["per_seed"][seed] == pytest.approx(value, rel=1e-3), name


def test_of_a_large_test_set_rows_are_taken_from_first_to_last(experiment, monkeypatch):
    test = experiment.split.test[0]
    np.testing.assert_array_equal(select_diagnostic_rows(experiment), experiment.split.test)
    monkeypatch.setattr(representation_metrics, "MAX_DIAGNOSTIC_ROWS", 10)
    rows = select_diagnostic_rows(experiment)[0]
    assert len(set(rows.tolist())) == 10
    assert (rows[0], rows[-1]) == (test[0], test[-1])
    assert set(rows) <= set(test)


def test_features_that_no_seed_changes_are_diagnosed_once_and_stand_for_all():
    generator = np.random.default_rng(0)
    one, labels = generator.normal(size=(1, 30, 4)), generator.integers(0, 2, 30)
    diagnosis = compute_representation_metrics(one, labels, 5)
    assert all(len(values) == 5 and len(set(values)) == 1 for values in diagnosis.measures.values())
    assert np.isnan(diagnosis.cka_between_seeds)
    assert len(diagnosis.paired_features) == 1


def test_of_many_seeds_only_what_cka_needs_is_kept():
    features = np.random.default_rng(0).normal(size=(6, 30, 4))
    diagnosis = compute_representation_metrics(features, np.zeros(30, int), 6)
    np.testing.assert_array_equal(diagnosis.paired_features, features[:MAX_PAIRED_SEEDS].astype(np.float32))
    assert diagnosis.paired_features.base is None  # no view of all seeds'


def test_cka_pairs_seed_with_seed_and_a_single_copy_with_every_seed():
    generator = np.random.default_rng(0)
    turned = np.linalg.qr(generator.normal(size=(4, 4)))[0]
    features, labels = generator.normal(size=(3, 30, 4)), np.zeros(30, int)
    own, same, shifted, single = (
        compute_representation_metrics(rows, labels, 3)
        for rows in (features, features @ turned, features[[1, 2, 0]], features[:1])
    )
    matrix = cka_matrix([own, same, shifted, single])
    assert matrix[0, 1] == pytest.approx(1, abs=1e-5)
    assert matrix[0, 2] < 0.5  # the same seeds in another order
    assert matrix[0, 3] == pytest.approx((1 + 2 * own.cka_between_seeds) / 3, abs=0.2)
    assert matrix[3, 0] == matrix[0, 3]
    collapsed = compute_representation_metrics(np.zeros((3, 30, 4)), labels, 3)
    assert np.all(np.isnan(cka_matrix([own, collapsed])[1]))


def test_a_seed_that_is_not_finite_is_unknown_and_leaves_the_others_as_they_were():
    features = np.random.default_rng(0).normal(size=(3, 30, 4))
    sound = compute_representation_metrics(features, np.zeros(30, int), 3)
    features[1, 0, 0] = np.inf
    broken = compute_representation_metrics(features, np.zeros(30, int), 3)
    for name in REPRESENTATION_METRICS:
        assert np.isnan(broken.measures[name][1])
        np.testing.assert_array_equal(broken.measures[name][[0, 2]], sound.measures[name][[0, 2]])
