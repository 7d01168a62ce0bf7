"""Kinds that look at a whole batch, or at images, mean the same when two devices share it."""

import dataclasses

import numpy as np
import pytest
from rich.console import Console

from aejax.config import PlanConfig
from aejax.experiments.pretrain import pretrain
from aejax.recipes import get_recipe


@pytest.mark.parametrize("kind", ["conv", "batch-top-k"])
def test_two_devices_that_share_each_batch_train_what_one_trains(kind, tmp_path):
    config = get_recipe(kind, "digits")
    train = dataclasses.replace(config.train, epochs=2, batch_size=256)
    histories = []
    for devices in (1, 2):
        plan = PlanConfig(devices=devices, batch_devices=devices)
        own = dataclasses.replace(config, seeds=1, train=train, plan=plan)
        found = pretrain(own, tmp_path / str(devices), Console(quiet=True))
        assert ("2 of them to a batch" in found["environment"]["plan"]) == (devices == 2)
        histories.append(found["history"])
    for name, values in histories[0].items():
        np.testing.assert_allclose(histories[1][name], values, rtol=1e-4, err_msg=name)
