"""What a benchmark says about itself; never how fast anything is."""

import dataclasses
import importlib.util
import io
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from benchmark.command.workloads import CommandWorkload
from benchmark.contenders import Contender
from benchmark.interleaved import summarize
from benchmark.peers import PEERS, Peer, check_peers
from benchmark.registry import WORKLOAD_TYPES as BENCHMARK_KINDS
from benchmark.report import render_terminal_table
from benchmark.run import run_benchmark
from benchmark.training.flops import flops_per_example, layer_multiplications
from benchmark.training.workloads import TRAINING_WORKLOADS, TrainingWorkload, prepare_training_job
from rich.console import Console

from aejax.autoencoders.registry import KINDS
from aejax.autoencoders.spec import ProblemSpec
from aejax.config import DataConfig, ModelConfig, ObjectiveConfig, PretrainConfig
from aejax.data.batching import Batch
from aejax.errors import InputError, require
from aejax.recipes import get_recipe
from aejax.storage.atomic_io import read_json, to_jsonable

needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")

TABULAR = get_recipe("tutorial-tabular")
TINY = {
    "tiny": TrainingWorkload(
        dataclasses.replace(TABULAR, data=dataclasses.replace(TABULAR.data, tabular_samples=300)), 1
    ),
    "digits": TrainingWorkload(dataclasses.replace(get_recipe("tutorial-deep"), data=DataConfig(dataset="digits")), 1),
    "conv": TrainingWorkload(
        dataclasses.replace(
            TRAINING_WORKLOADS["conv"].config,
            data=DataConfig(dataset="digits"),
            model=ModelConfig(channels=(4, 6, 8, 8), latent_dim=5),
        ),
        1,
    ),
}


def run(tmp_path: Path, name: str, **changes: Any) -> dict[str, Any]:
    settings = {"seeds": 2, "epochs": 1, "repeats": 1, "data_dir": None, "workload_registry": TINY, **changes}
    return run_benchmark([name], ["torch"], tmp_path, Console(file=io.StringIO()), **settings)


@needs_torch
def test_results_have_the_schema_and_equal_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Threads that share cores with other tests may take a minute for what a process takes a second for.
    def one_thread(config: PretrainConfig, seeds: int, cores: int) -> list[Contender]:
        return [Contender("torch", "torch", (tuple(range(seeds)),), 1)]

    monkeypatch.setitem(PEERS, "torch", PEERS["torch"]._replace(training_contenders=one_thread))
    results = run(tmp_path, "tiny")
    assert read_json(tmp_path / "results.json") == to_jsonable(results)
    assert (results["schema"], results["kind"]) == (1, "benchmark")
    assert {"machine", "command", "versions", "seconds"} <= results["environment"].keys()
    (workload,) = results["workloads"]
    contenders = workload["contenders"]
    assert [one["library"] for one in contenders] == ["aejax", "aejax", "torch"]
    assert {one["steps_per_epoch"] for one in contenders} == {workload["steps_per_epoch"]} == {13}
    for one in contenders:
        assert len(one["train_loss"]["per_seed"]) == one["seeds"]
        assert one["peak_memory_bytes"] > 50e6
        seconds = one["seconds_per_epoch_and_seed"]
        assert seconds["min"] <= seconds["median"] <= seconds["max"]
    assert len(workload["ratios"]) == 2
    assert all(one["name"] in (tmp_path / "table.md").read_text() for one in contenders)
    Console(file=io.StringIO(), width=100).print(render_terminal_table(results))


def test_what_was_timed_is_on_the_disk_when_what_comes_after_it_fails(tmp_path: Path) -> None:
    good, bad = (
        CommandWorkload(("scripts/verify.py", "--help"), repeats=1),
        CommandWorkload(("scripts/absent.py",), repeats=1),
    )
    ended = {
        "seconds": summarize([1.0]),
        "peak_memory_bytes": 1,
        "cores_used_by_others": [0.0],
        "compile_seconds": None,
    }
    environment = dict.fromkeys(("python", "jax", "flax", "optax", "machine"), "any") | {"backend": "cpu"}
    one = {"name": "good", "library": "command", **ended}

    def measure(name: str, workload: CommandWorkload, *_: Any) -> dict[str, Any]:
        require(workload is good, "it failed")
        return {"name": name, "kind": "command", "environment": environment, "contenders": [one], "ratios": []}

    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(BENCHMARK_KINDS, CommandWorkload, BENCHMARK_KINDS[CommandWorkload]._replace(measure=measure))
        settings: dict[str, Any] = {"seeds": 1, "epochs": None, "repeats": 1, "data_dir": None}
        with pytest.raises(InputError, match="it failed"):
            run_benchmark(
                ["good", "bad"],
                [],
                tmp_path,
                Console(quiet=True),
                workload_registry={"good": good, "bad": bad},
                **settings,
            )
    assert [entry["name"] for entry in read_json(tmp_path / "results.json")["workloads"]] == ["good"]
    assert "good" in (tmp_path / "table.md").read_text()


@needs_torch
@pytest.mark.parametrize(("name", "epochs"), [("tiny", 10), ("digits", 10), ("conv", 10)])
def test_peers_learn_alike(name: str, epochs: int) -> None:
    """The same model, data, loss and optimizer from the same initial distribution: equal losses but for the draw."""
    from benchmark.training import aejax_runner as own
    from benchmark.training import torch_runner as torch_peer

    job, seeds = prepare_training_job(TINY[name], None), range(4)
    ours = np.array(own.make_runner(job, seeds, 1).run(epochs)["loss"])
    theirs = np.array(torch_peer.make_runner(job, seeds, 1).run(epochs)["loss"])
    error = np.sqrt((ours.var(ddof=1) + theirs.var(ddof=1)) / len(seeds))
    assert abs(ours.mean() - theirs.mean()) < 5 * error + 0.01 * ours.mean()


@pytest.mark.parametrize(
    ("method", "shape"), [("undercomplete", (64,)), ("conv", (16, 16, 1)), ("conv", (13, 10, 3))], ids=str
)
def test_flops_are_those_that_xla_counts(method: str, shape: tuple[int, ...]) -> None:
    model = ModelConfig(hidden=(32,), channels=(24, 32), latent_dim=8, output="linear")
    setting = ProblemSpec(model, ObjectiveConfig(reconstruction="mse"), shape, 2, is_bounded=False)
    made = KINDS[method](setting)
    variables = made.model.init(jax.random.key(0))
    batch = Batch(jnp.ones((16, math.prod(shape))), jnp.zeros(16, int))

    def loss(params: dict[str, Any]) -> jax.Array:
        return made.objective.loss({**variables, "params": params}, batch, jax.random.key(1))[0]

    analysis = jax.jit(jax.grad(loss)).lower(variables["params"]).compile().cost_analysis()
    counted = analysis["flops"] / 16
    products = flops_per_example(layer_multiplications(PretrainConfig(method=method, model=model), shape))
    assert products <= counted < 1.1 * products


@pytest.mark.parametrize(
    ("name", "products"),
    [
        # Two heads of 16 read the last hidden layer; one code of 16 is decoded.
        ("vae", [784 * 128, 128 * 64, 64 * 32, 32 * 2 * 16, 16 * 64, 64 * 128, 128 * 784]),
        ("k-sparse-1000", [784 * 1000, 1000 * 784]),
        ("deep", [784 * 128, 128 * 64, 64 * 32, 32 * 16, 16 * 64, 64 * 128, 128 * 784]),
        ("dense64", [784 * 64, 64 * 784]),
    ],
)
def test_products_are_those_of_the_widths(name: str, products: list[int]) -> None:
    assert layer_multiplications(TRAINING_WORKLOADS[name].config, (28, 28, 1)) == products
    assert flops_per_example(products) == 6 * sum(products) - 2 * products[0]


def test_unknown_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--workload deap: no such workload; did you mean deep"):
        run(tmp_path, "deap", workload_registry=TRAINING_WORKLOADS)
    with pytest.raises(InputError, match="--peers tensorflow: no such peer; there are torch"):
        check_peers(["tensorflow"])
    with pytest.raises(InputError, match="--repeats 0: expected at least 1"):
        run(tmp_path, "tiny", repeats=0)


def test_a_missing_peer_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PEERS, "absent", Peer("no_such_package", "pip install absent"))
    with pytest.raises(InputError, match="--peers absent: is not installed; pip install absent"):
        check_peers(["absent"])


def test_a_peer_process_holds_no_jax() -> None:
    code = "import sys, benchmark.worker; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
