"""What the benchmark of the probe's path says about itself; never how fast anything is."""

import io
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from benchmark.logistic_path import aejax_runner as own
from benchmark.logistic_path import sklearn_runner as sklearn_peer
from benchmark.logistic_path.job import PathJob, certify_solutions, load_path_job
from benchmark.logistic_path.workloads import PathWorkload, prepare_path_job, principal_components, standardize
from benchmark.report import render_markdown, render_terminal_table
from benchmark.run import run_benchmark
from benchmark.training.workloads import TRAINING_WORKLOADS
from rich.console import Console

from aejax.config import DataConfig
from aejax.errors import InputError
from aejax.probe.logistic import initial_hessian_blocks, make_problem, solve_logistic, solve_path, zero_coefficients
from aejax.probe.logistic_probe import L2_GRID
from aejax.storage.atomic_io import read_json, to_jsonable

TABULAR = DataConfig(dataset="tabular", tabular_samples=300, tabular_features=12, tabular_redundant=2)
TINY = {"tiny": PathWorkload(TABULAR, seed_counts=(1, 3)), "pca": PathWorkload(TABULAR, n_components=4)}


@pytest.fixture
def job() -> PathJob:
    return prepare_path_job(TINY["tiny"], None)


def test_results_have_the_schema_and_the_table_shows_them(tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), width=100)
    settings: dict[str, Any] = {"seeds": 2, "epochs": None, "repeats": 2, "data_dir": None, "workload_registry": TINY}
    results = run_benchmark(["tiny"], ["sklearn"], tmp_path, console, **settings)
    assert read_json(tmp_path / "results.json") == to_jsonable(results)
    assert "scikit-learn" in results["environment"]["versions"]
    (workload,) = results["workloads"]
    assert workload["strengths"] == list(L2_GRID)
    shown = {one["name"]: one for one in workload["contenders"]}
    assert [shown[name]["fits"] for name in shown] == [12, 12, 36, 1, 1, 1]
    own_ones = [one for one in shown.values() if one["library"] == "aejax"]
    assert all(one["certified"] and one["compile_seconds"]["path"] > 0 for one in own_ones)
    assert [(ratio["contender"], ratio["peer"]) for ratio in workload["ratios"]] == [
        ("aejax, path", "sklearn, float32"),
        ("aejax, path", "sklearn, float64"),
        ("aejax, path", "sklearn, float32, max_iter 100"),
        ("aejax, path, 3 seeds", "aejax, path, 1 seed"),
    ]
    ours, theirs = (shown[name]["at_peers_strength"] for name in ("aejax, path", "sklearn, float64"))
    assert ours["l2"] == theirs["l2"] == workload["peers_strength"]
    assert ours["objective"] == pytest.approx(theirs["objective"], rel=1e-3)
    table = (tmp_path / "table.md").read_text()
    assert table == render_markdown(results)
    assert all(f"| {name} |" in table for name in shown)
    console.print(render_terminal_table(results))


def test_a_path_is_the_solutions_one_after_the_other(job: PathJob) -> None:
    problem = make_problem(jnp.asarray(job.features), jnp.asarray(job.labels), job.classes)
    stacked = jax.jit(solve_path, static_argnums=2)(problem, jnp.asarray(L2_GRID[:5]), 1e-4)
    one = jax.jit(solve_logistic, static_argnums=4)
    known = zero_coefficients(problem), initial_hessian_blocks(problem)
    for index, l2 in enumerate(L2_GRID[:5]):
        found = one(problem, jnp.asarray(l2), *known, 1e-4)
        known = found.coefficients, found.hessian_blocks
        np.testing.assert_allclose(stacked.coefficients[index], found.coefficients, atol=1e-5)
        assert stacked.gradient_norm[index] <= 1e-4


def test_what_did_less_is_not_certified(job: PathJob) -> None:
    """An unfinished fit has a gradient and a gap above the limits, and a higher objective, for two classes too."""
    made = [sklearn_peer.make_runner(job, "float64", max_iter) for max_iter in (2, 10_000)]
    for one in made:
        one.run(1)
    unfinished, finished = (one.facts()["at_peers_strength"] for one in made)
    assert unfinished["gradient_norm"] > 1e-4 > finished["gradient_norm"]
    assert unfinished["gap"] > 10 * finished["gap"]
    # The gap bounds what is lacking, so the finished one cannot be below it.
    assert unfinished["objective"] * (1 - unfinished["gap"]) <= finished["objective"] < unfinished["objective"]


def test_a_seed_draws_rows_of_its_own() -> None:
    drawn = own.rows_per_seed(range(3), 100, subsample=True)
    assert drawn.shape == (3, 90)
    assert all(len(set(rows.tolist())) == 90 for rows in drawn)
    assert len({frozenset(rows.tolist()) for rows in drawn}) == 3
    np.testing.assert_array_equal(own.rows_per_seed(range(2), 5, subsample=False), [[0, 1, 2, 3, 4]] * 2)


def test_seeds_together_are_the_seeds_alone(job: PathJob) -> None:
    together, alone = (own.make_runner(job, seeds, subsample=True) for seeds in ([0, 1, 2], [2]))
    for one in (together, alone):
        one.run(1)
    pairs = zip(together.facts()["points"][2], alone.facts()["points"][0], strict=True)
    for one, other in pairs:
        assert one["objective"] == pytest.approx(other["objective"], rel=1e-5)


def test_a_job_is_read_as_it_was_written(job: PathJob, tmp_path: Path) -> None:
    job.save(tmp_path)
    found = load_path_job(tmp_path)
    for field, written in vars(job).items():
        np.testing.assert_array_equal(getattr(found, field), written)
        assert np.asarray(getattr(found, field)).dtype == np.asarray(written).dtype


def test_everyone_fits_standardised_features(job: PathJob) -> None:
    for features in (job.features, prepare_path_job(TINY["pca"], None).features):
        assert features.flags.c_contiguous
        np.testing.assert_allclose(features.mean(axis=0), 0, atol=1e-5)
        np.testing.assert_allclose(features.std(axis=0), 1, atol=1e-5)
    assert features.shape[1] == 4
    assert not standardize(np.full((5, 1), 7, np.uint8)).any()


def test_principal_components_are_uncorrelated_and_in_order(job: PathJob) -> None:
    inputs = job.features * np.arange(1, 13, dtype=np.float32)
    found = principal_components(inputs, 5)
    covariance = found.T @ found / len(found)
    np.testing.assert_allclose(covariance, np.diag(np.diag(covariance)), atol=1e-8 * covariance.max())
    np.testing.assert_allclose(
        np.diag(covariance), np.linalg.svd(inputs - inputs.mean(0))[1][:5] ** 2 / len(found), rtol=1e-4
    )


def test_the_objective_has_the_constant_of_two_classes(job: PathJob) -> None:
    """scikit-learn's own objective, `C sum(log(1 + exp(-y z))) + w^2 / 2`, over `C n`."""
    coefficients, intercepts = np.linspace(-1, 1, 12)[None], np.array([0.3])
    weights, bias = sklearn_peer.symmetric_softmax_weights(coefficients, intercepts)
    rows, signs = np.arange(len(job.labels)), 2 * job.labels - 1
    z = job.features @ coefficients[0] + intercepts[0]
    l2 = 1 / len(rows)
    expected = np.mean(np.logaddexp(0, -signs * z)) + 0.5 * l2 * np.sum(coefficients**2)
    assert certify_solutions(job, rows, weights[None], bias[None], [l2])[0]["objective"] == pytest.approx(
        expected, rel=1e-12
    )


@pytest.mark.parametrize(("peer", "workload"), [("torch", "tiny"), ("sklearn", "tabular")])
def test_a_peer_without_work_is_refused(peer: str, workload: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("benchmark.run.check_peers", lambda peers: [])
    everything = {**TINY, "tabular": TRAINING_WORKLOADS["tabular"]}
    settings: dict[str, Any] = {"seeds": 2, "epochs": None, "repeats": 1, "data_dir": None, "workload_registry": everything}
    with pytest.raises(InputError, match=f"--peers {peer}: takes no part in these workloads"):
        run_benchmark([workload], [peer], tmp_path, Console(file=io.StringIO()), **settings)
