"""Settings laid beside seeds: which row is whose, and that the way in which rows are taken changes nothing."""

import dataclasses

import jax
import numpy as np
import pytest

from aejax.config import DataConfig, ModelConfig, OptimizerConfig, PlanConfig, SweepConfig, TrainConfig
from aejax.config.axes import parse_axes
from aejax.data.sources import load
from aejax.models.parts import HYPER
from aejax.run.experiment import prepare
from aejax.run.progress import Silent
from aejax.run.sweeping.points import followers, groups_of, point_at, points_of
from aejax.run.sweeping.together import at_group, laid_out, method_at, of_point, train_group

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
    return load(CONFIG.data)


@pytest.fixture(scope="module")
def group(wine):
    (found,) = groups_of(points_of(CONFIG, AXES, wine), AXES)
    return found


def trained_by(wine, group, within_device):
    config = dataclasses.replace(group.points[0].config, plan=PlanConfig(within_device=within_device))
    experiment = at_group(prepare(config, wine, Silent()), group)
    return train_group(experiment, "group", group, method_at("denoising", group, experiment.setting))


@pytest.fixture(scope="module")
def serial(wine, group):
    return trained_by(wine, group, "serial")


def test_a_row_has_its_seeds_rows_scaler_and_key(wine, group):
    experiment = prepare(group.points[0].config, wine, Silent())
    wide = laid_out(experiment, 2)
    assert wide.plan.seeds == 6
    assert wide.examples is experiment.examples
    keys, wide_keys = (jax.random.key_data(each.keys("noise")) for each in (experiment, wide))
    for row in range(6):
        np.testing.assert_array_equal(wide_keys[row], keys[row % 3])
        np.testing.assert_array_equal(wide.split.train[row], experiment.split.train[row % 3])
        np.testing.assert_array_equal(wide.seed_scaler.shift[row], experiment.scaler.shift[row % 3])


def test_rows_that_are_vmapped_train_as_those_that_are_not(wine, group, serial):
    vmapped = trained_by(wine, group, "vmap")
    for name, values in serial.course.history.items():
        np.testing.assert_allclose(vmapped.course.history[name], values, rtol=1e-4, err_msg=name)


def test_training_leaves_what_is_carried_alone(serial):
    carried = serial.fit.state.variables[HYPER]["noise_std"]
    np.testing.assert_array_equal(carried, np.float32([0.1, 0.1, 0.1, 0.5, 0.5, 0.5]))


def test_a_point_has_the_rows_of_its_setting(serial):
    second = of_point(serial, 1, 3)
    np.testing.assert_array_equal(second.course.history["train_loss"], serial.course.history["train_loss"][3:])
    assert set(second.fit.state.variables[HYPER]["noise_std"].tolist()) == {np.float32(0.5)}


def test_what_follows_from_an_axis_is_told(wine):
    axes = parse_axes(["sparse_dim=20,40"])
    points = [point_at(CONFIG, axes, (width,), wine) for width in (20, 40)]
    assert followers(points) == {"sparse_dim=20": {"k": 2}, "sparse_dim=40": {"k": 4}}
