"""One of two processes that train the same tiny training by several plans; the first writes what came out.

python two_plans.py OUT --distributed --coordinator HOST:PORT --num-processes 2 --process-id I
"""

import argparse

import jax
import numpy as np

from aejax.config import DistributedConfig, PlanConfig
from aejax.experiments.multihost import any_process, broadcast_from_primary, initialize_distributed, is_primary
from aejax.train.epoch import make_train_epochs
from aejax.train.plan import make_plan
from aejax.train.state import init_progress
from tests.train.conftest import make_tiny

PLANS = {
    "seeds over four devices": PlanConfig(),
    "a batch over two devices of each": PlanConfig(batch_devices=2),
    "a batch over all devices of both": PlanConfig(batch_devices=4),
    "one device of each, vmapped": PlanConfig(devices=2, within_device="vmap"),
}


def trained_twice(tiny, config):
    """The plan, and history and final weights of three seeds on the host, by two calls of one program."""
    plan = make_plan(config, 3)
    own = jax.tree.map(lambda leaf: leaf[:3], (tiny.variables, tiny.orders, tiny.data))

    def of_seed(variables, orders, data, examples):
        return make_train_epochs(tiny.objective, tiny.optimizer)(
            init_progress(variables, tiny.optimizer), orders, data, examples
        )

    placed = [*map(plan.shard, own), plan.replicate(tiny.examples)]
    program = plan.map_seeds(of_seed, replicated_argnums=(3,)).lower(*placed).compile()

    def once():
        fit, history = program(*placed)
        return plan.to_host({"weights": fit.state.variables, "history": history})

    return plan, once(), once()


def main():
    """Train by every plan, and hold what is told between the processes to what was said."""
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    parser.add_argument("--distributed", action="store_true")
    for flag, kind in (("--coordinator", str), ("--num-processes", int), ("--process-id", int)):
        parser.add_argument(flag, type=kind)
    asked = vars(parser.parse_args())
    out = asked.pop("out")
    jax.config.update("jax_num_cpu_devices", 2)
    initialize_distributed(DistributedConfig(**asked))
    found, tiny = {}, make_tiny()
    for name, config in PLANS.items():
        plan, values, again = trained_twice(tiny, config)
        same = all(np.array_equal(a, b) for a, b in zip(*map(jax.tree.leaves, (values, again)), strict=True))
        named = {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(values)}
        found |= {f"{name}|{path}": leaf for path, leaf in named.items()}
        found |= {f"{name}|repeats": np.array(same), f"{name}|mesh": np.array(plan.mesh.devices.shape)}
    told = broadcast_from_primary(lambda: {"index": jax.process_index(), "rows": np.arange(3.0), "none": None})
    assert told["index"] == 0
    np.testing.assert_array_equal(told["rows"], [0, 1, 2])
    assert any_process(jax.process_index() == 1)
    assert not any_process(False)
    if is_primary():
        np.savez(out, **found)


if __name__ == "__main__":
    main()
