"""Optimizers descend, schedules reach their end points, and frozen parameters stay bit-equal."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from aejax.config import OptimizerConfig
from aejax.config.train import TRACEABLE_FIELDS
from aejax.errors import InputError
from aejax.train.optimizers import (
    freeze,
    make_classifier_optimizer,
    make_optimizer,
    make_schedule,
    make_traced_optimizer,
)

EVERY_OPTIMIZER = {
    "adam, clipped, warm-up and cosine": OptimizerConfig(
        learning_rate=0.1, clip_norm=0.01, schedule="cosine", warmup_epochs=1.0
    ),
    "adamw with weight decay": OptimizerConfig(optimizer="adamw", learning_rate=0.1, weight_decay=0.5),
    "sgd with momentum, clipped": OptimizerConfig(optimizer="sgd", learning_rate=0.1, momentum=0.9, clip_norm=0.5),
    "adadelta": OptimizerConfig(optimizer="adadelta", learning_rate=1.0),
}
every_optimizer = pytest.mark.parametrize("config", EVERY_OPTIMIZER.values(), ids=EVERY_OPTIMIZER)


@every_optimizer
def test_a_frozen_part_does_not_affect_the_updates_of_the_others(config):
    # In particular, clipping must not count its gradient.
    params = {"encoder": {"w": jnp.ones(3)}, "head": {"w": jnp.array([1.0, -2.0])}}
    optimizer, frozen = make_optimizer(config, 3, 3), freeze(make_optimizer(config, 3, 3), {"encoder"})
    alone = {"head": params["head"]}
    states = optimizer.init(alone), frozen.init(params)
    for scale in (1.0, 2.0):
        head = {"w": scale * jnp.array([3.0, 4.0])}
        expected, state = optimizer.update({"head": head}, states[0], alone)
        actual, frozen_state = frozen.update({"encoder": {"w": jnp.full(3, 1e6)}, "head": head}, states[1], params)
        states = state, frozen_state
        np.testing.assert_array_equal(actual["head"]["w"], expected["head"]["w"])
        np.testing.assert_array_equal(actual["encoder"]["w"], 0)


@every_optimizer
def test_every_optimizer_descends(config):
    optimizer = make_optimizer(config, steps_per_epoch=10, epochs=3)
    params = jnp.array([3.0, -2.0])
    state, losses = optimizer.init(params), []
    update = jax.jit(optimizer.update)
    for _ in range(29):
        losses.append(float(jnp.sum(params**2)))
        updates, state = update(2 * params, state, params)
        params = optax.apply_updates(params, updates)
    assert losses[-1] < losses[0]
    assert losses[2] < losses[0]


def updates_of_ones(optimizer, steps, **others):
    """The updates of a weight of 2 for gradients of one."""
    weight = jnp.asarray(2.0)
    state, updates = optimizer.init(weight), []
    for _ in range(steps):
        update, state = optimizer.update(jnp.ones(()), state, weight, **others)
        updates.append(update)
    return np.array(updates)


CONSTANT = {
    "momentum": ({"optimizer": "sgd", "momentum": 0.5}, [-0.1, -0.15, -0.175]),
    "clipped to a norm of 0.5": ({"optimizer": "sgd", "momentum": 0.0, "clip_norm": 0.5}, [-0.05] * 3),
    "decay of a weight of 2": ({"optimizer": "adamw", "weight_decay": 0.5}, [-0.1 - 0.1 * 0.5 * 2] * 3),
}


@pytest.mark.parametrize(("settings", "expected"), CONSTANT.values(), ids=CONSTANT)
def test_updates_for_constant_gradients_have_the_momentum_norm_and_decay_of_the_config(settings, expected):
    optimizer = make_optimizer(OptimizerConfig(learning_rate=0.1, **settings), 1, 1)
    np.testing.assert_allclose(updates_of_ones(optimizer, 3), expected, rtol=1e-5)


@pytest.mark.parametrize(("schedule", "warmup_epochs"), [("constant", 0.5), ("cosine", 2.9)])
def test_a_warm_up_rises_linearly_from_zero_to_the_peak(schedule, warmup_epochs):
    config = OptimizerConfig(learning_rate=0.2, schedule=schedule, warmup_epochs=warmup_epochs)
    rate = make_schedule(config, steps_per_epoch=10, epochs=3)
    warmup = round(10 * warmup_epochs)
    np.testing.assert_allclose(
        [rate(step) for step in range(warmup + 1)], 0.2 * np.arange(warmup + 1) / warmup, atol=1e-7
    )


@pytest.mark.parametrize("warmup_epochs", [0.0, 1.0])
def test_a_cosine_falls_to_zero_at_the_end_of_training_and_a_constant_rate_does_not(warmup_epochs):
    cosine, constant = (
        make_schedule(OptimizerConfig(learning_rate=0.2, schedule=name, warmup_epochs=warmup_epochs), 10, 5)
        for name in ("cosine", "constant")
    )
    steps = np.arange(round(10 * warmup_epochs), 51)
    rates = np.array([cosine(step) for step in steps])
    phase = (steps - steps[0]) / (50 - steps[0])
    np.testing.assert_allclose(rates, 0.1 * (1 + np.cos(np.pi * phase)), atol=1e-7)
    np.testing.assert_allclose([constant(step) for step in steps], 0.2, rtol=1e-6)


@pytest.mark.parametrize("warmup_epochs", [3.0, 2.96])
def test_a_warm_up_that_does_not_end_before_the_training_is_rejected(warmup_epochs):
    config = OptimizerConfig(warmup_epochs=warmup_epochs)
    with pytest.raises(
        InputError, match=f"--warmup-epochs {warmup_epochs}: must be below the 3 epochs of training end to end"
    ):
        make_optimizer(config, steps_per_epoch=10, epochs=3)


TRACED_CASES = [
    ("learning_rate", {}, (1e-3, 1e-1)),
    ("learning_rate", {"schedule": "cosine", "warmup_epochs": 1.0}, (1e-3, 1e-1)),
    ("learning_rate", {"optimizer": "adadelta"}, (0.1, 1.0)),
    ("momentum", {"optimizer": "sgd", "learning_rate": 0.1}, (0.0, 0.9)),
    ("weight_decay", {"optimizer": "adamw"}, (0.0, 10.0)),
    ("clip_norm", {"optimizer": "sgd", "clip_norm": 1.0}, (0.01, 0.1)),
]


def test_every_traceable_field_of_an_optimizer_is_tested():
    assert {field for field, *_ in TRACED_CASES} == set(TRACEABLE_FIELDS["optimizer"])


@pytest.mark.parametrize(("field", "others", "values"), TRACED_CASES)
@pytest.mark.parametrize("masked", [False, True])
def test_a_traced_hyperparameter_updates_like_a_constant_one(field, others, values, masked):
    params = {"encoder": {"w": jnp.asarray([1.0, -2.0])}, "decoder": {"w": jnp.asarray([0.5])}}

    def params_after_training(optimizer, hyper):
        optimizer = freeze(optimizer, {"decoder"}) if masked else optimizer
        update = optax.with_extra_args_support(optimizer).update
        trained, state = params, optimizer.init(params)
        for _ in range(4):
            gradient = jax.tree.map(lambda leaf: 2 * leaf, trained)
            updates, state = update(gradient, state, trained, hyper=hyper)
            trained = optax.apply_updates(trained, updates)
        return trained

    def train_with_traced(value):
        return params_after_training(make_traced_optimizer(OptimizerConfig(**others), 3, 3), {field: value})

    all_values = jax.vmap(train_with_traced)(jnp.asarray(values, jnp.float32))
    for index, value in enumerate(values):
        expected = params_after_training(make_optimizer(OptimizerConfig(**{**others, field: value}), 3, 3), None)
        actual = jax.tree.map(lambda leaf, index=index: leaf[index], all_values)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), actual, expected)
    first, second = all_values["encoder"]["w"]
    assert not np.allclose(first, second, rtol=1e-4)


@every_optimizer
def test_a_classifiers_weights_shrink_by_rate_times_decay_whatever_the_update_rule(config):
    optimizer = make_classifier_optimizer(config, 3, 3)
    plain, decayed = (updates_of_ones(optimizer, 9, hyper={"weight_decay": jnp.asarray(d)}) for d in (0.0, 0.5))
    rates = np.array([make_schedule(config, 3, 3)(step) for step in range(9)])
    np.testing.assert_allclose(decayed, plain - rates * 0.5 * 2.0, atol=1e-6)
    without = dataclasses.replace(config, weight_decay=0.0)
    np.testing.assert_allclose(plain, updates_of_ones(make_optimizer(without, 3, 3), 9), atol=1e-7)
    if config.optimizer == "adamw":
        np.testing.assert_allclose(decayed, updates_of_ones(make_optimizer(config, 3, 3), 9), rtol=1e-6)
