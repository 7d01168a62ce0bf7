"""Kinds whose objective uses a whole batch, or images, train the same when two devices share each batch."""

import numpy as np
import pytest
from preparing import configure
from rich.console import Console

from aejax.experiments.pretrain import pretrain
from aejax.recipes import get_recipe


@pytest.mark.parametrize("kind", [pytest.param("conv", marks=pytest.mark.slow), "batch-top-k"])
def test_two_devices_that_share_each_batch_train_as_one_device(kind, tmp_path):
    recipe, histories = configure(get_recipe(kind, "digits"), seeds=1, epochs=2, batch_size=256), []
    for devices in (1, 2):
        config = configure(recipe, devices=devices, batch_devices=devices)
        results = pretrain(config, tmp_path / str(devices), Console(quiet=True))
        assert ("2 of them to a batch" in results["environment"]["plan"]) == (devices == 2)
        histories.append(results["history"])
    one_device, two_devices = histories
    for name, values in one_device.items():
        np.testing.assert_allclose(two_devices[name], values, rtol=1e-4, err_msg=name)
