"""Results and solutions of the benchmark of the probe's path; never how fast anything is."""

import io
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from benchmark import path_runner, sklearn_runner
from benchmark import run as benchmark_run
from benchmark.interleaved import TimingBudget
from benchmark.logistic_path import PathWorkload, prepare_path_job, principal_components, standardize
from benchmark.path_job import PathJob, certify_solutions, load_path_job
from benchmark.report import render_markdown
from benchmark.run import BenchmarkPlan, run_benchmark
from benchmark.workloads import TRAINING_WORKLOADS
from rich.console import Console

from aejax.config import DataConfig
from aejax.errors import InputError
from aejax.probe.logistic import initial_hessian_blocks, make_problem, zero_coefficients
from aejax.probe.newton import solve_logistic, solve_path
from aejax.probe.regularization_path import L2_GRID
from aejax.storage.atomic_io import read_json, to_jsonable

TABULAR = DataConfig(dataset="tabular", tabular_samples=300, tabular_features=12, tabular_redundant=2)
TINY = {"tiny": PathWorkload(TABULAR, seed_counts=(1, 3)), "pca": PathWorkload(TABULAR, n_components=4)}

BUDGET = TimingBudget(seeds=2, epochs=None, repeats=2, cores=2)


@pytest.fixture(scope="module")
def job() -> PathJob:
    return prepare_path_job(TINY["tiny"], None)


@pytest.mark.slow
def test_results_have_the_schema_and_the_table_shows_them(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(benchmark_run, "WORKLOADS", TINY)
    results = run_benchmark(BenchmarkPlan(["tiny"], BUDGET, ["sklearn"]), tmp_path, Console(file=io.StringIO()))
    assert read_json(tmp_path / "results.json") == to_jsonable(results)
    assert "scikit-learn" in results["environment"]["versions"]
    (workload,) = results["workloads"]
    assert workload["strengths"] == list(L2_GRID)
    shown = {one["name"]: one for one in workload["contenders"]}
    assert [shown[name]["fits"] for name in shown] == [12, 12, 36, 1, 1, 1]
    aejax = [one for one in shown.values() if one["library"] == "aejax"]
    assert all(one["certified"] and one["compile_seconds"]["path"] > 0 for one in aejax)
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


def test_a_path_solves_each_strength_from_the_solution_before(job: PathJob) -> None:
    problem = make_problem(jnp.asarray(job.features), jnp.asarray(job.labels), job.classes)
    path = jax.jit(solve_path, static_argnums=2)(problem, jnp.asarray(L2_GRID[:5]), 1e-4)
    solve = jax.jit(solve_logistic, static_argnums=4)
    initial = zero_coefficients(problem), initial_hessian_blocks(problem)
    for index, l2 in enumerate(L2_GRID[:5]):
        solution = solve(problem, jnp.asarray(l2), *initial, 1e-4)
        initial = solution.coefficients, solution.hessian_blocks
        np.testing.assert_allclose(path.coefficients[index], solution.coefficients, atol=1e-5)
        assert path.gradient_norm[index] <= 1e-4


def test_an_unfinished_fit_is_not_certified(job: PathJob) -> None:
    """Its gradient and gap are above the limits, and its objective is higher, for two classes too."""
    runners = [sklearn_runner.make_path_runner(job, "float64", max_iter) for max_iter in (2, 10_000)]
    for one in runners:
        one.run(1)
    unfinished, finished = (one.facts()["at_peers_strength"] for one in runners)
    assert unfinished["gradient_norm"] > 1e-4 > finished["gradient_norm"]
    assert unfinished["gap"] > 10 * finished["gap"]
    # The gap bounds the distance to the optimum.
    assert unfinished["objective"] * (1 - unfinished["gap"]) <= finished["objective"] < unfinished["objective"]


def test_each_seed_draws_its_own_rows() -> None:
    drawn = path_runner.rows_per_seed(range(3), 100, subsample=True)
    assert drawn.shape == (3, 90)
    assert all(len(set(rows.tolist())) == 90 for rows in drawn)
    assert len({frozenset(rows.tolist()) for rows in drawn}) == 3
    np.testing.assert_array_equal(path_runner.rows_per_seed(range(2), 5, subsample=False), [[0, 1, 2, 3, 4]] * 2)


def test_a_seed_solves_the_same_alone_as_among_others(job: PathJob) -> None:
    together, alone = (path_runner.make_subsampled_path_runner(job, seeds, 1) for seeds in ([0, 1, 2], [2]))
    for one in (together, alone):
        one.run(1)
    pairs = zip(together.facts()["points"][2], alone.facts()["points"][0], strict=True)
    for one, other in pairs:
        assert one["objective"] == pytest.approx(other["objective"], rel=1e-5)


def test_a_saved_job_is_read_back(job: PathJob, tmp_path: Path) -> None:
    job.save(tmp_path)
    loaded = load_path_job(tmp_path)
    for field, written in vars(job).items():
        np.testing.assert_array_equal(getattr(loaded, field), written)
        assert np.asarray(getattr(loaded, field)).dtype == np.asarray(written).dtype


def test_features_are_standardized(job: PathJob) -> None:
    for features in (job.features, prepare_path_job(TINY["pca"], None).features):
        assert features.flags.c_contiguous
        np.testing.assert_allclose(features.mean(axis=0), 0, atol=1e-5)
        np.testing.assert_allclose(features.std(axis=0), 1, atol=1e-5)
    assert features.shape[1] == 4
    assert not standardize(np.full((5, 1), 7, np.uint8)).any()


def test_principal_components_are_uncorrelated_and_in_order(job: PathJob) -> None:
    inputs = job.features * np.arange(1, 13, dtype=np.float32)
    components = principal_components(inputs, 5)
    covariance = components.T @ components / len(components)
    np.testing.assert_allclose(covariance, np.diag(np.diag(covariance)), atol=1e-8 * covariance.max())
    np.testing.assert_allclose(
        np.diag(covariance), np.linalg.svd(inputs - inputs.mean(0))[1][:5] ** 2 / len(components), rtol=1e-4
    )


def test_the_objective_has_the_constant_of_two_classes(job: PathJob) -> None:
    """scikit-learn's own objective, `C sum(log(1 + exp(-y z))) + w^2 / 2`, over `C n`."""
    coefficients, intercepts = np.linspace(-1, 1, 12)[None], np.array([0.3])
    weights, bias = sklearn_runner.symmetric_softmax_weights(coefficients, intercepts)
    rows, signs = np.arange(len(job.labels)), 2 * job.labels - 1
    z = job.features @ coefficients[0] + intercepts[0]
    l2 = 1 / len(rows)
    expected = np.mean(np.logaddexp(0, -signs * z)) + 0.5 * l2 * np.sum(coefficients**2)
    assert certify_solutions(job, rows, weights[None], bias[None], [l2])[0]["objective"] == pytest.approx(
        expected, rel=1e-12
    )


@pytest.mark.parametrize(("peer", "workload"), [("torch", "tiny"), ("sklearn", "tabular")])
def test_a_peer_that_takes_no_part_is_rejected(peer: str, workload: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(benchmark_run, "check_peers", lambda peers: [])
    monkeypatch.setattr(benchmark_run, "WORKLOADS", {**TINY, "tabular": TRAINING_WORKLOADS["tabular"]})
    with pytest.raises(InputError, match=f"--peers {peer}: takes no part in these workloads"):
        run_benchmark(BenchmarkPlan([workload], BUDGET, [peer]), tmp_path, Console(file=io.StringIO()))
