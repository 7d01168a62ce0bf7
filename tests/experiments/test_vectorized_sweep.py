"""A group's settings and seeds on one axis: the order of its rows, and equal results from every plan."""

import dataclasses

import jax
import numpy as np
import pytest

from aejax.config import DataConfig, ModelConfig, OptimizerConfig, PlanConfig, SweepConfig, TrainConfig
from aejax.config.sweep_axes import parse_axes
from aejax.data.registry import load_dataset
from aejax.experiments.experiment import prepare_experiment
from aejax.experiments.progress import SilentReporter
from aejax.experiments.sweeping.grid import derived_fields, group_points, make_grid, make_point
from aejax.experiments.sweeping.vectorized import (
    experiment_for_group,
    method_for_group,
    train_group,
)
from aejax.experiments.training import tile_experiment

CONFIG = SweepConfig(
    data=DataConfig(dataset="wine"),
    model=ModelConfig(hidden=(), latent_dim=3),
    optimizer=OptimizerConfig(optimizer="sgd", learning_rate=0.01),
    train=TrainConfig(epochs=2),
    seeds=3,
)
AXES = parse_axes(["noise_std=0.1,0.5"])


@pytest.fixture(scope="module")
def wine():
    return load_dataset(CONFIG.data)


@pytest.fixture(scope="module")
def group(wine):
    (group,) = group_points(make_grid(CONFIG, AXES, wine), AXES)
    return group


def train_with_plan(wine, group, within_device):
    config = dataclasses.replace(group.points[0].config, plan=PlanConfig(within_device=within_device))
    experiment = experiment_for_group(prepare_experiment(config, wine, SilentReporter()), group)
    return train_group(experiment, "group", group, method_for_group("denoising", group, experiment.problem))


@pytest.fixture(scope="module")
def serial(wine, group):
    return train_with_plan(wine, group, "serial")


def test_tiled_rows_keep_the_scaler_and_key_of_their_seed(wine, group):
    experiment = prepare_experiment(group.points[0].config, wine, SilentReporter())
    wide = tile_experiment(experiment, 2)
    assert wide.plan.seeds == 6
    assert wide.examples is experiment.examples
    keys, wide_keys = (jax.random.key_data(each.keys("noise")) for each in (experiment, wide))
    for row in range(6):
        np.testing.assert_array_equal(wide_keys[row], keys[row % 3])
        np.testing.assert_array_equal(wide.device_scaler.shift[row], experiment.scaler.shift[row % 3])


def test_vmapped_and_serial_training_agree(wine, group, serial):
    vmapped = train_with_plan(wine, group, "vmap")
    for name, values in serial.history.metrics.items():
        np.testing.assert_allclose(vmapped.history.metrics[name], values, rtol=1e-4, err_msg=name)


def test_derived_fields_lists_settings_that_follow_from_an_axis(wine):
    axes = parse_axes(["sparse_dim=20,40"])
    points = [make_point(CONFIG, axes, (width,), wine) for width in (20, 40)]
    fields = [{"k": k, "k_encode": 3 * k, "k_start": 5 * k} for k in (2, 4)]
    expected = dict(zip(("sparse_dim=20", "sparse_dim=40"), fields, strict=True))
    assert derived_fields(points) == expected
