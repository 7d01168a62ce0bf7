"""A mesh may span processes: each seed's training is the same wherever its seeds or batches are."""

from pathlib import Path

import jax
import numpy as np
import pytest

from tests.train.test_plan import PLANS as ONE_PROCESS_PLANS
from tests.train.test_plan import run_plan
from tests.train.two_process_training import PLANS
from tests.two_processes import exit_statuses, start_pair

pytestmark = pytest.mark.slow
PROGRAM = str(Path(__file__).with_name("two_process_training.py"))
MESHES = ((4, 1), (2, 2), (1, 4), (2, 1))


@pytest.fixture(scope="module")
def two_process_results(tmp_path_factory):
    """The results of two processes with two CPU devices each."""
    folder = tmp_path_factory.mktemp("plans")
    log = folder / "log"
    exit_codes = exit_statuses(start_pair(PROGRAM, str(folder / "results.npz"), log=log), log)
    assert exit_codes == [0, 0], [(folder / f"log.{index}").read_text()[-2000:] for index in (0, 1)]
    with np.load(folder / "results.npz") as arrays:
        return dict(arrays)


@pytest.mark.parametrize(("name", "mesh"), list(zip(PLANS, MESHES, strict=True)), ids=PLANS)
def test_a_plan_of_two_processes_trains_as_one_device_and_repeats_bit_for_bit(tiny, two_process_results, name, mesh):
    weights, metrics = run_plan(tiny, ONE_PROCESS_PLANS["serial"])
    assert tuple(two_process_results[f"{name}|mesh"]) == mesh
    assert two_process_results[f"{name}|repeats"]
    for path, leaf in jax.tree_util.tree_leaves_with_path({"weights": weights, "metrics": metrics}):
        actual = two_process_results[f"{name}|{jax.tree_util.keystr(path)}"]
        np.testing.assert_allclose(actual, leaf, rtol=1e-4, atol=1e-5)
