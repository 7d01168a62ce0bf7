"""Solutions of the benchmark of the probe's path; never how fast anything is."""

import itertools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from benchmark import path_job, path_runner, sklearn_runner
from benchmark.path_job import PathJob, certify_solutions
from benchmark.training_job import UnsupportedJobError
from benchmark.worker import runners_of
from benchmark.workloads import PathWorkload, standardize

from aejax.config import DataConfig
from aejax.probes.logistic import initial_hessian_blocks, make_problem, zero_coefficients
from aejax.probes.newton import solve_logistic, solve_path
from aejax.probes.regularization_path import L2_GRID

TABULAR = DataConfig(dataset="tabular", tabular_samples=300, tabular_features=12, tabular_redundant=2)


@pytest.fixture(scope="module")
def job() -> PathJob:
    return PathWorkload(TABULAR).prepare(None)


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
    runners = [
        sklearn_runner.make_path_runner(job, [0], 1, dtype="float64", max_iter=max_iter) for max_iter in (2, 10_000)
    ]
    for one in runners:
        one.run(1)
    unfinished, finished = (one.facts()["at_peers_strength"] for one in runners)
    assert unfinished["gradient_norm"] > 1e-4 > finished["gradient_norm"]
    assert unfinished["gap"] > 10 * finished["gap"]
    # The gap bounds the distance to the optimum.
    assert unfinished["objective"] * (1 - unfinished["gap"]) <= finished["objective"] < unfinished["objective"]


@pytest.mark.parametrize(
    ("library", "solver"),
    [("sklearn", "lbfgs"), ("sklearn", "newton-cholesky"), ("cyanure", "catalyst-miso"), ("cyanure", "qning-miso")],
)
def test_a_peer_solves_the_path_to_the_certificate_that_is_asked_of_aejax(job: PathJob, library: str, solver: str):
    pytest.importorskip(library)
    own, peer = path_runner.make_path_runner(job, [0], 1), runners_of(library)["path"](job, [0], 1, solver=solver)
    for one in (own, peer):
        one.run(1)
    for ours, theirs in zip(own.facts()["points"][0], peer.facts()["points"][0], strict=True):
        assert theirs["l2"] == pytest.approx(ours["l2"])
        assert max(theirs["gradient_norm"], theirs["gap"]) <= job.tolerance
        assert theirs["objective"] == pytest.approx(ours["objective"], rel=2 * job.tolerance)


def test_a_peer_without_a_certificate_in_time_takes_no_part(job: PathJob, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit holds within a fit: here the third never ends."""
    solved = path_job.Point(np.zeros((job.features.shape[1], job.classes)), np.zeros(job.classes))

    def make_path(tolerance: float) -> Callable[[float], path_job.Point]:
        fits = itertools.count(1)

        def fit(l2: float) -> path_job.Point:
            while next(fits) > 2:
                pass
            return solved

        return fit

    monkeypatch.setattr(path_job, "PREPARATION_LIMIT", 0.5)
    runner = path_job.make_peer_path_runner(job, "1", make_path)
    with pytest.raises(UnsupportedJobError, match=r"no certificate of the path in 0.5 s: .* fitted 2 of 12 strengths"):
        runner.run(1)


def test_each_seed_draws_its_own_rows() -> None:
    drawn = path_runner.rows_per_seed(range(3), 100, subsample=True)
    assert drawn.shape == (3, 90)
    assert all(len(set(rows.tolist())) == 90 for rows in drawn)
    assert len({frozenset(rows.tolist()) for rows in drawn}) == 3
    np.testing.assert_array_equal(path_runner.rows_per_seed(range(2), 5, subsample=False), [[0, 1, 2, 3, 4]] * 2)


def test_a_seed_solves_the_same_alone_as_among_others(job: PathJob) -> None:
    together, alone = (path_runner.make_path_runner(job, seeds, 1, subsample=True) for seeds in ([0, 1, 2], [2]))
    for one in (together, alone):
        one.run(1)
    pairs = zip(together.facts()["points"][2], alone.facts()["points"][0], strict=True)
    for one, other in pairs:
        assert one["objective"] == pytest.approx(other["objective"], rel=1e-5)


def test_features_are_standardized(job: PathJob) -> None:
    for features in (job.features, PathWorkload(TABULAR, n_components=4).prepare(None).features):
        assert features.flags.c_contiguous
        np.testing.assert_allclose(features.mean(axis=0), 0, atol=1e-5)
        np.testing.assert_allclose(features.std(axis=0), 1, atol=1e-5)
    assert features.shape[1] == 4
    assert not standardize(np.full((5, 1), 7, np.uint8)).any()


def test_examples_are_scaled_to_norm_one() -> None:
    features = PathWorkload(TABULAR, unit_rows=True).prepare(None).features
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, rtol=1e-6)


def test_the_objective_has_the_constant_of_two_classes(job: PathJob) -> None:
    """scikit-learn's own objective, `C sum(log(1 + exp(-y z))) + w^2 / 2`, over `C n`."""
    coefficients, intercepts = np.linspace(-1, 1, 12)[None], np.array([0.3])
    point = path_job.symmetric_softmax_weights(coefficients, intercepts)
    rows, signs = np.arange(len(job.labels)), 2 * job.labels - 1
    z = job.features @ coefficients[0] + intercepts[0]
    l2 = 1 / len(rows)
    expected = np.mean(np.logaddexp(0, -signs * z)) + 0.5 * l2 * np.sum(coefficients**2)
    assert certify_solutions(job, rows, [point], [l2])[0]["objective"] == pytest.approx(expected, rel=1e-12)
