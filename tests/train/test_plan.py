"""However seeds are laid over devices, each seed's training is the same."""

import functools

import jax
import numpy as np
import pytest

from aejax.config import PlanConfig
from aejax.errors import InputError
from aejax.train.epoch import make_train_epochs
from aejax.train.plan import make_plan
from aejax.train.state import init_progress

PLANS = {
    "vmapped": PlanConfig(devices=1, within_device="vmap"),
    "serial": PlanConfig(devices=1, within_device="serial"),
    "sharded, serial": PlanConfig(devices=2, within_device="serial"),
    "sharded, vmapped": PlanConfig(devices=2, within_device="vmap"),
    "batch over devices, serial": PlanConfig(devices=2, batch_devices=2, within_device="serial"),
    "batch over devices, vmapped": PlanConfig(devices=2, batch_devices=2, within_device="vmap"),
}


@functools.cache
def program(objective, optimizer, plan):
    def of_seed(variables, orders, data, examples):
        return make_train_epochs(objective, optimizer)(init_progress(variables, optimizer), orders, data, examples)

    return plan.map_seeds(of_seed, replicated_argnums=(3,))


def trained(tiny, config: PlanConfig, seeds: slice = slice(3)):
    """Final variables and history of the chosen seeds under a plan, as NumPy."""
    variables, orders, data = jax.tree.map(lambda leaf: leaf[seeds], (tiny.variables, tiny.orders, tiny.data))
    plan = make_plan(config, len(orders))
    placed = (plan.shard(variables), plan.shard(orders), plan.shard(data))
    fit, history = program(tiny.objective, tiny.optimizer, plan)(*placed, plan.replicate(tiny.examples))
    return plan.to_host((fit.state.variables, history))


def assert_equal(here, there) -> None:
    jax.tree.map(np.testing.assert_array_equal, here, there)


def assert_close(here, there) -> None:
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), here, there)


@pytest.mark.parametrize("config", PLANS.values(), ids=PLANS)
def test_every_plan_gives_each_seed_the_training_it_has_alone(tiny, config):
    together = trained(tiny, config)
    for seed in range(3):
        alone = trained(tiny, PLANS["serial"], slice(seed, seed + 1))
        assert_close(jax.tree.map(lambda leaf, own=seed: leaf[own : own + 1], together), alone)


@pytest.mark.parametrize("config", PLANS.values(), ids=PLANS)
def test_every_plan_repeats_itself_to_the_bit(tiny, config):
    assert_equal(trained(tiny, config), trained(tiny, config))


@pytest.mark.parametrize("config", [PLANS["serial"], PLANS["sharded, serial"]], ids=["one device", "two devices"])
def test_adding_a_seed_leaves_the_others_bit_equal(tiny, config):
    more = trained(tiny, config, slice(4))
    assert_equal(jax.tree.map(lambda leaf: leaf[:3], more), trained(tiny, config))


def test_seeds_differ_from_one_another(tiny):
    _, history = trained(tiny, PLANS["serial"])
    assert len(np.unique(history["train_loss"][:, -1])) == 3


@pytest.mark.parametrize(("seeds", "devices", "padded"), [(1, 1, 1), (2, 2, 2), (3, 2, 4), (4, 2, 4), (5, 2, 6)])
def test_seeds_that_the_devices_do_not_divide_are_padded_and_the_padding_is_hidden(seeds, devices, padded):
    plan = make_plan(PlanConfig(devices=min(2, jax.device_count())), seeds)
    assert (plan.mesh.size, plan.n_padded_seeds) == (devices, padded)
    own = np.arange(seeds, dtype=np.float32)
    placed = plan.shard(own)
    assert placed.shape == (padded,)
    assert len(placed.sharding.device_set) == devices
    squares = plan.map_seeds(lambda number, offset: number**2 + offset, replicated_argnums=(1,))(
        placed, plan.replicate(np.float32(1))
    )
    np.testing.assert_array_equal(plan.to_host(squares), own**2 + 1)


@pytest.mark.parametrize("within", ["vmap", "serial"])
def test_shared_arguments_may_stand_anywhere(within):
    plan = make_plan(PlanConfig(devices=2, within_device=within), 3)
    table, rows, scale = np.arange(10.0, dtype=np.float32), np.array([7, 1, 4]), np.float32(10)
    look_up = plan.map_seeds(lambda values, row, factor: factor * values[row], replicated_argnums=(0, 2))
    found = look_up(plan.replicate(table), plan.shard(rows), plan.replicate(scale))
    np.testing.assert_array_equal(plan.to_host(found), [70, 10, 40])


def test_more_devices_than_there_are_is_refused():
    with pytest.raises(InputError, match="--devices 3: JAX finds 2; ask for at most that many"):
        make_plan(PlanConfig(devices=3), 8)


def test_the_plan_says_what_it_is():
    assert make_plan(PlanConfig(), 5).describe() == "5 seeds over 2 cpu device(s), serial within a device"


def test_a_batch_over_two_devices_costs_each_half_the_work(tiny):
    def flops(batch_devices):
        plan = make_plan(PlanConfig(devices=2, batch_devices=batch_devices), 1)
        own = jax.tree.map(lambda leaf: leaf[:1], (tiny.variables, tiny.orders, tiny.data))
        placed = map(plan.shard, own)
        lowered = program(tiny.objective, tiny.optimizer, plan).lower(*placed, plan.replicate(tiny.examples))
        return lowered.compile().cost_analysis()["flops"], "all-reduce" in lowered.compile().as_text()

    (alone, alone_sums), (each, sums) = flops(1), flops(2)
    assert each < 0.75 * alone
    assert (alone_sums, sums) == (False, True)


@pytest.mark.parametrize("batch_devices", [2, 3])
def test_a_batch_needs_devices_that_divide_them(batch_devices):
    with pytest.raises(InputError, match=f"--batch-devices {batch_devices}: does not divide the 1 device"):
        make_plan(PlanConfig(devices=1, batch_devices=batch_devices), 4)


TURNS = {
    "vmapped": (PlanConfig(devices=1, within_device="vmap"), 5, [[0, 1, 2, 3, 4]]),
    "serial": (PlanConfig(devices=1, within_device="serial"), 3, [[0], [1], [2]]),
    "one seed": (PlanConfig(devices=1, within_device="serial"), 1, [[0]]),
    "sharded, as many as divide": (PlanConfig(devices=2, within_device="serial"), 4, [[0, 1], [2, 3]]),
    "sharded, one left over": (PlanConfig(devices=2, within_device="serial"), 3, [[0, 1], [2, 2]]),
}


@pytest.mark.parametrize(("config", "seeds", "expected"), TURNS.values(), ids=TURNS)
def test_turns_are_of_one_size_and_together_they_are_the_seeds(config, seeds, expected):
    plan = make_plan(config, seeds)
    turns = plan.chunks()
    assert [turn.seed_indices.tolist() for turn in turns] == expected
    per_seed = {"values": np.arange(3 * seeds, dtype=np.float32).reshape(seeds, 3)}
    back = plan.concatenate([turn.plan.to_host(turn.shard(per_seed)) for turn in turns])
    assert_equal(back, per_seed)
    assert len({turn.plan for turn in turns}) == 1
