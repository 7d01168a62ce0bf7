"""One of two processes that run the same small training by several plans; the first writes the results.

python two_process_training.py OUT --distributed --coordinator HOST:PORT --num-processes 2 --process-id I
"""

import sys

import jax
import numpy as np
import tyro

from aejax.config import DistributedConfig, PlanConfig
from aejax.experiments.multihost import any_process, broadcast_from_primary, initialize_distributed, is_primary
from aejax.train.plan import make_plan
from tests.train.conftest import make_tiny
from tests.train.test_plan import compile_training

PLANS = {
    "seeds over four devices": PlanConfig(),
    "a batch over two devices of each": PlanConfig(batch_devices=2),
    "a batch over all devices of both": PlanConfig(batch_devices=4),
    "one device of each, vmapped": PlanConfig(devices=2, within_device="vmap"),
}


def train_twice(tiny, config):
    """The plan, and the metrics and final weights of three seeds from two calls of one compiled function."""
    plan = make_plan(config, 3)
    per_seed = jax.tree.map(lambda leaf: leaf[:3], (tiny.variables, tiny.orders, tiny.data))
    arguments = (*map(plan.shard, per_seed), plan.replicate(tiny.examples))
    compiled = compile_training(tiny, plan).lower(*arguments).compile()

    def train():
        progress, metrics = compiled(*arguments)
        return plan.to_host({"weights": progress.state.variables, "metrics": metrics})

    return plan, train(), train()


def main():
    """Trains by every plan and checks the messages between the processes."""
    out, *flags = sys.argv[1:]
    jax.config.update("jax_num_cpu_devices", 2)
    initialize_distributed(tyro.cli(DistributedConfig, args=flags))
    arrays, tiny = {}, make_tiny()
    for name, config in PLANS.items():
        plan, result, repeated = train_twice(tiny, config)
        is_equal = jax.tree.all(jax.tree.map(np.array_equal, result, repeated))
        for path, leaf in jax.tree_util.tree_leaves_with_path(result):
            arrays[f"{name}|{jax.tree_util.keystr(path)}"] = leaf
        arrays |= {f"{name}|repeats": np.array(is_equal), f"{name}|mesh": np.array(plan.mesh.devices.shape)}
    message = broadcast_from_primary(lambda: {"index": jax.process_index(), "rows": np.arange(3.0), "none": None})
    assert message["index"] == 0
    np.testing.assert_array_equal(message["rows"], [0, 1, 2])
    assert any_process(jax.process_index() == 1)
    assert not any_process(False)
    if is_primary():
        np.savez(out, **arrays)


if __name__ == "__main__":
    main()
