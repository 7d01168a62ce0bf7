"""A mesh may span processes: every seed's training is the same wherever its seeds, or its batches, lie."""

from pathlib import Path

import jax
import numpy as np
import pytest

from tests.pairs import start_pair, statuses
from tests.train.test_plan import PLANS as HERE
from tests.train.test_plan import trained
from tests.train.two_plans import PLANS

PROGRAM = str(Path(__file__).with_name("two_plans.py"))
MESHES = ((4, 1), (2, 2), (1, 4), (2, 1))


@pytest.fixture(scope="module")
def by_two(tmp_path_factory):
    """What two processes with two CPU devices each made of it."""
    folder = tmp_path_factory.mktemp("plans")
    ended = statuses(start_pair(PROGRAM, str(folder / "found.npz"), log=folder / "said"), folder / "said")
    assert ended == [0, 0], [(folder / f"said.{index}").read_text()[-2000:] for index in (0, 1)]
    with np.load(folder / "found.npz") as found:
        return dict(found)


@pytest.mark.parametrize(("name", "mesh"), list(zip(PLANS, MESHES, strict=True)), ids=PLANS)
def test_a_plan_of_two_processes_trains_what_one_device_trains_and_repeats_itself(tiny, by_two, name, mesh):
    weights, history = trained(tiny, HERE["serial"])
    alone = {"weights": weights, "history": history}
    assert tuple(by_two[f"{name}|mesh"]) == mesh
    assert by_two[f"{name}|repeats"]
    for path, leaf in jax.tree_util.tree_leaves_with_path(alone):
        found = by_two[f"{name}|{jax.tree_util.keystr(path)}"]
        np.testing.assert_allclose(found, leaf, rtol=1e-4, atol=1e-5)
