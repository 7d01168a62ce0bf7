"""Each seed's training is the same however seeds are placed on devices."""

import dataclasses
import functools

import jax
import numpy as np
import pytest

from aejax.config import PlanConfig
from aejax.data.batching import gather_batch
from aejax.errors import InputError
from aejax.train.epoch import make_train_epochs
from aejax.train.plan import make_plan
from aejax.train.state import init_progress
from tests.train.conftest import assert_close, assert_equal

PLANS = {
    "serial": PlanConfig(devices=1, within_device="serial"),
    "sharded, serial": PlanConfig(devices=2, within_device="serial"),
    "sharded, vmapped": PlanConfig(devices=2, within_device="vmap"),
    "batch over devices, serial": pytest.param(
        PlanConfig(devices=2, batch_devices=2, within_device="serial"), marks=pytest.mark.slow
    ),
    "batch over devices, vmapped": PlanConfig(devices=2, batch_devices=2, within_device="vmap"),
}


def compile_training(tiny, plan):
    """A training of every seed of the plan, from variables."""

    def train(variables, orders, data, examples):
        train_epochs = make_train_epochs(tiny.objective, tiny.optimizer)
        return train_epochs(init_progress(variables, tiny.optimizer), orders, data, examples)

    return plan.map_seeds(train, replicated_argnums=(3,))


compile_once = functools.cache(compile_training)


def run_plan(tiny, config: PlanConfig, seeds: slice = slice(3)):
    """Final variables and metrics of the chosen seeds, as NumPy."""
    per_seed = jax.tree.map(lambda leaf: leaf[seeds], (tiny.variables, tiny.orders, tiny.data))
    plan = make_plan(config, len(per_seed[1]))
    program = compile_once(tiny, dataclasses.replace(plan, seeds=0))  # of any number of seeds
    progress, metrics = program(*map(plan.shard, per_seed), plan.replicate(tiny.examples))
    return plan.to_host((progress.state.variables, metrics))


@pytest.mark.parametrize("config", PLANS.values(), ids=PLANS)
def test_every_plan_trains_each_seed_as_it_is_trained_alone_and_repeats_bit_for_bit(tiny, config):
    all_seeds = run_plan(tiny, config)
    for seed in range(3):
        alone = run_plan(tiny, PLANS["serial"], slice(seed, seed + 1))
        assert_close(jax.tree.map(lambda leaf, seed=seed: leaf[seed : seed + 1], all_seeds), alone)
    assert_equal(run_plan(tiny, config), all_seeds)


def test_adding_a_seed_leaves_the_others_bit_equal(tiny):
    four_seeds, three_seeds = (run_plan(tiny, PLANS["sharded, serial"], slice(seeds)) for seeds in (4, 3))
    assert_equal(jax.tree.map(lambda leaf: leaf[:3], four_seeds), three_seeds)


def test_seeds_differ(tiny):
    _, metrics = run_plan(tiny, PLANS["serial"])
    assert len(np.unique(metrics["train_loss"][:, -1])) == 3


@pytest.mark.parametrize(("seeds", "devices", "padded"), [(1, 1, 1), (2, 2, 2), (3, 2, 4), (5, 2, 6)])
def test_seeds_are_padded_to_a_multiple_of_the_devices_and_the_padding_is_removed(seeds, devices, padded):
    plan = make_plan(PlanConfig(devices=2), seeds)
    assert (plan.mesh.size, plan.n_padded_seeds) == (devices, padded)
    values = np.arange(seeds, dtype=np.float32)
    sharded = plan.shard(values)
    assert sharded.shape == (padded,)
    assert len(sharded.sharding.device_set) == devices
    squares = plan.map_seeds(lambda value, offset: value**2 + offset, replicated_argnums=(1,))
    np.testing.assert_array_equal(plan.to_host(squares(sharded, plan.replicate(np.float32(1)))), values**2 + 1)


@pytest.mark.parametrize("within_device", ["vmap", "serial"])
def test_replicated_arguments_may_have_any_position(within_device):
    plan = make_plan(PlanConfig(devices=2, within_device=within_device), 3)
    table, rows, factor = np.arange(10.0, dtype=np.float32), np.array([7, 1, 4]), np.float32(10)
    look_up = plan.map_seeds(lambda table, row, factor: factor * table[row], replicated_argnums=(0, 2))
    values = look_up(plan.replicate(table), plan.shard(rows), plan.replicate(factor))
    np.testing.assert_array_equal(plan.to_host(values), [70, 10, 40])


def test_describe_names_seeds_and_devices():
    assert make_plan(PlanConfig(), 5).describe() == "5 seeds over 2 cpu device(s), serial within a device"


def test_a_batch_divided_over_two_devices_halves_the_work_of_each(tiny):
    def gradient(variables, rows, data, examples):
        batch = gather_batch(examples, data.scaler, rows)
        return jax.grad(lambda variables: tiny.objective.loss(variables, batch, data.key)[0])(variables)

    def count_flops(batch_devices):
        plan = make_plan(PlanConfig(devices=2, batch_devices=batch_devices), 1)
        per_seed = jax.tree.map(lambda leaf: leaf[:1], (tiny.variables, tiny.orders[:, 0, 0], tiny.data))
        arguments = (*map(plan.shard, per_seed), plan.replicate(tiny.examples))
        compiled = plan.map_seeds(gradient, replicated_argnums=(3,)).lower(*arguments).compile()
        return compiled.cost_analysis()["flops"], "all-reduce" in compiled.as_text()

    (alone, reduces_alone), (shared, reduces_shared) = count_flops(1), count_flops(2)
    assert shared < 0.75 * alone
    assert (reduces_alone, reduces_shared) == (False, True)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (PlanConfig(devices=3), "--devices 3: JAX finds 2; ask for at most that many"),
        (PlanConfig(devices=1, batch_devices=2), "--batch-devices 2: does not divide the 1 device"),
    ],
)
def test_unavailable_devices_are_rejected(config, message):
    with pytest.raises(InputError, match=message):
        make_plan(config, 8)


CHUNKS = {
    "vmapped": (PlanConfig(devices=1, within_device="vmap"), 5, [[0, 1, 2, 3, 4]]),
    "serial": (PlanConfig(devices=1, within_device="serial"), 3, [[0], [1], [2]]),
    "sharded, divisible": (PlanConfig(devices=2, within_device="serial"), 4, [[0, 1], [2, 3]]),
    "sharded, padded": (PlanConfig(devices=2, within_device="serial"), 3, [[0, 1], [2, 2]]),
}


@pytest.mark.parametrize(("config", "seeds", "expected"), CHUNKS.values(), ids=CHUNKS)
def test_chunks_have_equal_size_and_concatenate_to_all_seeds(config, seeds, expected):
    plan = make_plan(config, seeds)
    chunks = plan.chunks()
    assert [chunk.seed_indices.tolist() for chunk in chunks] == expected
    per_seed = {"values": np.arange(3 * seeds, dtype=np.float32).reshape(seeds, 3)}
    restored = plan.concatenate([chunk.plan.to_host(chunk.shard(per_seed)) for chunk in chunks])
    assert_equal(restored, per_seed)
    assert len({chunk.plan for chunk in chunks}) == 1
