"""A training that was killed anywhere and goes on ends bit for bit as one that was not: of every way, in every plan."""

import dataclasses

import jax
import numpy as np
import pytest
from resuming import SMALL, Killed, trained

from aejax.config import PlanConfig


def bits(tree):
    return [(np.asarray(leaf).shape, np.asarray(leaf).tobytes()) for leaf in jax.tree.leaves(tree)]


# One of each way to train; `python -m tests.robustness` does the same with every kind.
# "undercomplete" is resumed below, in every plan.
KINDS_RESUMED = [pytest.param(kind, marks=pytest.mark.slow) for kind in ("vq", "vae", "conv", "stacked")]


@pytest.mark.parametrize("kind", KINDS_RESUMED)
def test_a_kind_goes_on_bit_for_bit(kind, tmp_path, killed_after, first_epochs):
    config = dataclasses.replace(SMALL, method=kind, seeds=2)
    whole = trained(config, tmp_path / "whole")
    calls = len(first_epochs)
    killed_after(3)
    with pytest.raises(Killed):
        trained(config, tmp_path / "cut")
    first_epochs.clear()
    assert bits(trained(config, tmp_path / "cut")) == bits(whole)
    assert len(first_epochs) == calls - 3


PLANS = [
    pytest.param(PlanConfig(within_device="serial"), id="serial, 2 devices", marks=pytest.mark.slow),
    pytest.param(PlanConfig(within_device="vmap", devices=1), id="vmap, 1 device"),
    pytest.param(PlanConfig(within_device="vmap"), id="vmap, 2 devices", marks=pytest.mark.slow),
    pytest.param(PlanConfig(within_device="serial", devices=1), id="serial, 1 device", marks=pytest.mark.slow),
]


@pytest.mark.parametrize("plan", PLANS)
def test_every_plan_goes_on_bit_for_bit_from_a_kill_after_each_call(plan, tmp_path, killed_after):
    config = dataclasses.replace(SMALL, plan=plan)
    whole = trained(config, tmp_path / "whole")
    for _ in range(config.train.epochs):
        killed_after(1)
        with pytest.raises(Killed):
            trained(config, tmp_path / "cut")
    assert bits(trained(config, tmp_path / "cut")) == bits(whole)
