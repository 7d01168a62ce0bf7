"""Optimizers descend, schedules reach their end points, and frozen parameters stay bit-equal."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from aejax.config import ModelConfig, OptimizerConfig
from aejax.config.train import TRACEABLE_FIELDS
from aejax.data.batching import Batch
from aejax.errors import InputError
from aejax.models.architectures import dense_autoencoder
from aejax.probes.head import Classifier, SoftmaxHead, make_cross_entropy_objective
from aejax.train.epoch import make_train_step
from aejax.train.optimizers import (
    freeze,
    make_classifier_optimizer,
    make_optimizer,
    make_schedule,
    make_traced_optimizer,
)
from aejax.train.state import init_state

MODEL = ModelConfig(hidden=(5,), latent_dim=3, batch_norm=True, output="linear")
CLASSIFIER = Classifier(dense_autoencoder(MODEL, 6), SoftmaxHead(3))
BATCH = Batch(jax.random.normal(jax.random.key(0), (12, 6)), jnp.arange(12, dtype=jnp.int32) % 3)
EVERY_OPTIMIZER = {
    "adam, clipped, warm-up and cosine": OptimizerConfig(
        learning_rate=0.1, clip_norm=0.01, schedule="cosine", warmup_epochs=1.0
    ),
    "adamw with weight decay": OptimizerConfig(optimizer="adamw", learning_rate=0.1, weight_decay=0.5),
    "sgd with momentum, clipped": OptimizerConfig(optimizer="sgd", learning_rate=0.1, momentum=0.9, clip_norm=0.5),
    "adadelta": OptimizerConfig(optimizer="adadelta", learning_rate=1.0),
}
every_optimizer = pytest.mark.parametrize("config", EVERY_OPTIMIZER.values(), ids=EVERY_OPTIMIZER)


@functools.cache
def initial_variables():
    return jax.jit(CLASSIFIER.init)(jax.random.key(1))


def after_steps(optimizer: optax.GradientTransformation, *, frozen_encoder: bool, steps: int = 3):
    """Variables before and after a few steps."""
    before = initial_variables()
    state = init_state(before, optimizer)
    step = jax.jit(make_train_step(make_cross_entropy_objective(CLASSIFIER, frozen_encoder=frozen_encoder), optimizer))
    for _ in range(steps):
        state, _ = step(state, BATCH, jax.random.key(2))
    return before, state.variables


def bit_equal(actual, expected) -> bool:
    return jax.tree.all(jax.tree.map(np.array_equal, actual, expected))


@pytest.mark.parametrize("frozen_encoder", [True, False])
def test_a_frozen_encoder_is_bit_equal_after_training_and_its_batch_statistics_if_the_objective_freezes_it(
    frozen_encoder,
):
    # If the objective does not, the encoder has gradients, so that only the optimizer can freeze it.
    optimizer = freeze(make_optimizer(EVERY_OPTIMIZER["adamw with weight decay"], 3, 3), {"encoder"})
    before, after = after_steps(optimizer, frozen_encoder=frozen_encoder)
    assert bit_equal(after["params"]["encoder"], before["params"]["encoder"])
    assert not bit_equal(after["params"]["head"], before["params"]["head"])
    assert bit_equal(after["batch_stats"]["encoder"], before["batch_stats"]["encoder"]) is frozen_encoder


def is_head(params):
    return {part: jax.tree.map(lambda _, part=part: part == "head", tree) for part, tree in params.items()}


def is_encoder(params):
    return jax.tree.map(lambda in_head: not in_head, is_head(params))


@pytest.mark.parametrize(
    "optimizer",
    [
        # Leaves outside the mask receive their gradient as the update.
        pytest.param(optax.masked(optax.adam(0.1), is_head), id="masked alone"),
        # The weight decay after the zeros changes the frozen weights.
        pytest.param(
            optax.chain(optax.masked(optax.set_to_zero(), is_encoder), optax.adamw(0.1, weight_decay=0.5)),
            id="zeros before the weight decay",
        ),
    ],
)
def test_control_other_ways_of_masking_change_the_encoder(optimizer):
    before, after = after_steps(optimizer, frozen_encoder=False)
    assert not bit_equal(after["params"]["encoder"], before["params"]["encoder"])


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


def test_clipping_limits_the_global_norm_and_keeps_the_direction():
    config = OptimizerConfig(optimizer="sgd", learning_rate=1.0, momentum=0.0, clip_norm=0.5)
    optimizer = make_optimizer(config, 1, 1)
    for gradient, expected in [([3.0, 4.0], [-0.3, -0.4]), ([0.03, 0.04], [-0.03, -0.04])]:
        params = {"a": jnp.zeros(1), "b": jnp.zeros(1)}
        parts = {"a": jnp.array(gradient[:1]), "b": jnp.array(gradient[1:])}
        updates, _ = optimizer.update(parts, optimizer.init(params), params)
        np.testing.assert_allclose([updates["a"][0], updates["b"][0]], expected, rtol=1e-6)


def test_momentum_accumulates_gradients():
    config = OptimizerConfig(optimizer="sgd", learning_rate=0.1, momentum=0.5)
    optimizer = make_optimizer(config, 1, 1)
    state, moves = optimizer.init(jnp.zeros(())), []
    for _ in range(3):
        move, state = optimizer.update(jnp.ones(()), state, jnp.zeros(()))
        moves.append(float(move))
    np.testing.assert_allclose(moves, [-0.1, -0.15, -0.175], rtol=1e-6)


def test_weight_decay_is_decoupled_from_the_gradient():
    config = OptimizerConfig(optimizer="adamw", learning_rate=0.1, weight_decay=0.5)
    optimizer = make_optimizer(config, 1, 1)
    params = jnp.array([2.0, -4.0])
    update, _ = optimizer.update(jnp.zeros(2), optimizer.init(params), params)
    np.testing.assert_allclose(update, -0.1 * 0.5 * params, rtol=1e-6)


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


def updates_of_ones(optimizer, steps, **others):
    """The updates of a weight of 2 for gradients of one."""
    weight = jnp.asarray(2.0)
    state, updates = optimizer.init(weight), []
    for _ in range(steps):
        update, state = optimizer.update(jnp.ones(()), state, weight, **others)
        updates.append(update)
    return np.array(updates)


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
