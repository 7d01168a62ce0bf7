"""Names, results and arithmetic of the benchmark; never how fast anything is."""

import dataclasses
import importlib.util
import io
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from benchmark import run as benchmark_run
from benchmark.command import CommandWorkload
from benchmark.contenders import Contender
from benchmark.entries import summarize
from benchmark.flops import flops_per_example, layer_multiplications
from benchmark.interleaved import TimingBudget
from benchmark.peers import PEERS, Peer, check_peers
from benchmark.run import WORKLOAD_TYPES, BenchmarkPlan, run_benchmark
from benchmark.workloads import TRAINING_WORKLOADS, TrainingWorkload, prepare_training_job
from rich.console import Console

from aejax.autoencoders.registry import KINDS
from aejax.autoencoders.spec import ProblemSpec
from aejax.config import DataConfig, ModelConfig, ObjectiveConfig, PretrainConfig
from aejax.data.batching import Batch
from aejax.errors import InputError, require
from aejax.recipes import get_recipe
from aejax.storage.atomic_io import read_json, to_jsonable

needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
BUDGET = TimingBudget(seeds=2, epochs=1, repeats=1, cores=2)
TABULAR = get_recipe("tutorial-tabular")
DIGITS = DataConfig(dataset="digits")
TINY = {
    "tiny": dataclasses.replace(TABULAR, data=dataclasses.replace(TABULAR.data, tabular_samples=300)),
    "digits": dataclasses.replace(get_recipe("tutorial-deep"), data=DIGITS),
    "conv": dataclasses.replace(
        TRAINING_WORKLOADS["conv"].config, data=DIGITS, model=ModelConfig(channels=(4, 6, 8, 8), latent_dim=5)
    ),
}
WORKLOADS = {name: TrainingWorkload(config, 1) for name, config in TINY.items()}


def run(folder: Path, *names: str, peers: tuple[str, ...] = (), budget: TimingBudget = BUDGET) -> dict[str, Any]:
    return run_benchmark(BenchmarkPlan(names, budget, peers), folder, Console(file=io.StringIO()))


@pytest.mark.slow
@needs_torch
def test_results_have_the_schema_and_equal_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def one_thread(job: Any, seeds: int, cores: int) -> list[Contender]:  # threads on busy cores may take a minute
        return [Contender("torch", "torch", "torch", (tuple(range(seeds)),), 1)]

    monkeypatch.setitem(PEERS, "torch", PEERS["torch"]._replace(contenders={"training": one_thread}))
    monkeypatch.setattr(benchmark_run, "WORKLOADS", WORKLOADS)
    results = run(tmp_path, "tiny", peers=("torch",))
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
    assert len(workload["ratios"]) == 2
    assert all(one["name"] in (tmp_path / "table.md").read_text() for one in contenders)


def test_results_are_written_before_a_later_workload_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good, bad = CommandWorkload(("scripts/verify.py", "--help")), CommandWorkload(("scripts/absent.py",))
    environment = dict.fromkeys(("python", "jax", "flax", "optax", "machine"), "any") | {"backend": "cpu"}
    resources = {"peak_memory_bytes": 1, "cores_used_by_others": [0.0], "compile_seconds": None}
    contender = {"name": "good", "library": "command", "seconds": summarize([1.0]), **resources}

    def measure(name: str, workload: CommandWorkload, *_: Any) -> dict[str, Any]:
        require(workload is good, "it failed")
        return {"name": name, "kind": "command", "environment": environment, "contenders": [contender], "ratios": []}

    monkeypatch.setitem(WORKLOAD_TYPES, CommandWorkload, WORKLOAD_TYPES[CommandWorkload]._replace(measure=measure))
    monkeypatch.setattr(benchmark_run, "WORKLOADS", {"good": good, "bad": bad})
    with pytest.raises(InputError, match="it failed"):
        run(tmp_path, "good", "bad")
    assert [entry["name"] for entry in read_json(tmp_path / "results.json")["workloads"]] == ["good"]
    assert "good" in (tmp_path / "table.md").read_text()


@pytest.mark.slow
@needs_torch
@pytest.mark.parametrize("name", TINY)
def test_torch_learns_like_aejax(name: str) -> None:
    """The same model, data, loss, optimizer and initial distribution give equal losses but for randomness."""
    from benchmark import aejax_runner, torch_runner

    job, seeds = prepare_training_job(WORKLOADS[name], None), range(4)
    ours = np.array(aejax_runner.make_training_runner(job, seeds, 1).run(10)["loss"])
    theirs = np.array(torch_runner.make_training_runner(job, seeds, 1).run(10)["loss"])
    error = np.sqrt((ours.var(ddof=1) + theirs.var(ddof=1)) / len(seeds))
    assert abs(ours.mean() - theirs.mean()) < 5 * error + 0.01 * ours.mean()


@pytest.mark.parametrize(("method", "shape"), [("undercomplete", (64,)), ("conv", (13, 10, 3))], ids=str)
def test_flops_are_those_that_xla_counts(method: str, shape: tuple[int, ...]) -> None:
    model = ModelConfig(hidden=(32,), channels=(24, 32), latent_dim=8, output="linear")
    problem = ProblemSpec(model, ObjectiveConfig(reconstruction="mse"), shape, 2, is_bounded=False)
    autoencoder = KINDS[method](problem)
    variables = autoencoder.model.init(jax.random.key(0))
    batch = Batch(jnp.ones((16, math.prod(shape))), jnp.zeros(16, int))

    def loss(params: dict[str, Any]) -> jax.Array:
        return autoencoder.objective.loss({**variables, "params": params}, batch, jax.random.key(1))[0]

    counted = jax.jit(jax.grad(loss)).lower(variables["params"]).compile().cost_analysis()["flops"] / 16
    flops = flops_per_example(layer_multiplications(PretrainConfig(method=method, model=model), shape))
    assert flops <= counted < 1.1 * flops


@pytest.mark.parametrize(
    ("name", "products"),
    [
        # Two heads of 16 read the last hidden layer; one code of 16 is decoded.
        ("vae", [784 * 128, 128 * 64, 64 * 32, 32 * 2 * 16, 16 * 64, 64 * 128, 128 * 784]),
        ("k-sparse-1000", [784 * 1000, 1000 * 784]),
        ("dense64", [784 * 64, 64 * 784]),
    ],
)
def test_multiplications_are_those_of_the_widths(name: str, products: list[int]) -> None:
    assert layer_multiplications(TRAINING_WORKLOADS[name].config, (28, 28, 1)) == products
    assert flops_per_example(products) == 6 * sum(products) - 2 * products[0]


def test_unknown_names_and_numbers_below_one_are_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="--workload deap: no such workload; did you mean deep"):
        run(tmp_path, "deap")
    with pytest.raises(InputError, match="--repeats 0: expected at least 1"):
        run(tmp_path, "deep", budget=BUDGET._replace(repeats=0))
    with pytest.raises(InputError, match="--peers tensorflow: no such peer; there are torch"):
        check_peers(["tensorflow"])
    monkeypatch.setitem(PEERS, "absent", Peer("no_such_package", "absent", "pip install absent"))
    with pytest.raises(InputError, match="--peers absent: is not installed; pip install absent"):
        check_peers(["absent"])


def test_a_worker_imports_no_jax_by_itself() -> None:
    code = "import sys, benchmark.worker; sys.exit('jax' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "scripts")}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0
