"""Names, results, tables and arithmetic of the benchmark; never how fast anything is."""

import dataclasses
import io
import math
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from benchmark import args as benchmark_args
from benchmark import run as benchmark_run
from benchmark.architecture import flops_per_example
from benchmark.args import Args
from benchmark.command import make_command_runner
from benchmark.curves import CURVES, Curve, contenders_at_point, curve_lines
from benchmark.measure import KINDS, make_entry, own_contenders
from benchmark.path_job import PathJob
from benchmark.peers import PEERS, check_peers, keras_contenders, peer_contenders
from benchmark.plots import curves_figure, ratios_figure, relative_times
from benchmark.report import LAYOUTS, curve_table, render_markdown
from benchmark.run import run_benchmark
from benchmark.summaries import command_summary, path_summary, summary_table
from benchmark.timing import Contender, TimedTask, Timing, start_processes, summarize
from benchmark.training_job import TrainingJob
from benchmark.workloads import (
    WORKLOADS,
    CommandWorkload,
    PathWorkload,
    TrainingWorkload,
    take_first_examples,
)
from rich.console import Console

from aejax.autoencoders.registry import KINDS as AUTOENCODERS
from aejax.autoencoders.spec import ProblemSpec
from aejax.config import DataConfig, ModelConfig, ObjectiveConfig, PretrainConfig
from aejax.data.batching import Batch
from aejax.data.registry import load_dataset
from aejax.errors import InputError, require
from aejax.probes.regularization_path import L2_GRID
from aejax.recipes import get_recipe
from aejax.storage.atomic_io import read_json, to_jsonable

ARGS = Args(seeds=2, epochs=1, repeats=2)
TABULAR = get_recipe("tutorial-tabular")
TABULAR = dataclasses.replace(TABULAR, data=dataclasses.replace(TABULAR.data, tabular_samples=300))
DIGITS = DataConfig(dataset="digits")
SMALL_TABLE = DataConfig(dataset="tabular", tabular_samples=300, tabular_features=12, tabular_redundant=2)
TINY = {
    "tabular": TrainingWorkload(TABULAR),
    "dense": TrainingWorkload(dataclasses.replace(get_recipe("tutorial-dense64"), data=DIGITS)),
    "encode": TrainingWorkload(dataclasses.replace(get_recipe("tutorial-deep"), data=DIGITS), units=2, kind="encoding"),
    "path": PathWorkload(SMALL_TABLE, seed_counts=(1, 3)),
    "quick": CommandWorkload(("scripts/compare.py", "--dataset", "wine", "--methods", "raw", "--seeds", "1"), 1),
    "bad": CommandWorkload(("scripts/compare.py", "--dataset", "wyne")),
}
CURVE = Curve("seeds trained at once", {n: TINY["tabular"]._replace(seeds=n) for n in (1, 3)})


@pytest.fixture(scope="module")
def job() -> TrainingJob:
    return TINY["tabular"].prepare(None)


@pytest.fixture
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark_args, "usable_cores", lambda: 2)


@pytest.fixture
def tiny(two_cores: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark_run, "WORKLOADS", TINY)
    monkeypatch.setitem(CURVES, "seeds", CURVE)


def run(folder: Path, *names: str, **fields: Any) -> dict[str, Any]:
    args = dataclasses.replace(ARGS, workload=names, out=folder, **fields)
    return run_benchmark(args, Console(file=io.StringIO()))


@pytest.mark.slow
@pytest.mark.usefixtures("tiny")
def test_every_kind_of_workload_is_timed_written_and_shown(tmp_path: Path) -> None:
    results = run(tmp_path, "dense", "encode", "path", "quick", peers=("sklearn",), curve=("seeds",))
    assert read_json(tmp_path / "results.json") == to_jsonable(results)
    assert (results["schema"], results["kind"]) == (1, "benchmark")
    assert {"machine", "command", "versions", "seconds"} <= results["environment"].keys()
    training, encoding, path, command = results["workloads"]
    for workload in results["workloads"]:
        assert workload["environment"]["backend"] == "cpu"
        assert all(50e6 < one["peak_memory_bytes"] < 5e9 for one in workload["contenders"])

    libraries = [one["library"] for one in training["contenders"]]
    assert libraries == ["aejax", "aejax", "sklearn", "sklearn"]
    assert {one["steps_per_epoch"] for one in training["contenders"]} == {training["steps_per_epoch"]}
    assert all(len(one["train_loss"]["per_seed"]) == one["seeds"] for one in training["contenders"])
    assert len(training["ratios"]) == 4

    assert [one["seeds"] for one in encoding["contenders"]] == [2, 1]
    assert all(one["codes"] == [encoding["dataset"]["n_train"], 16] for one in encoding["contenders"])

    by_name = {one["name"]: one for one in path["contenders"]}
    assert path["strengths"] == list(L2_GRID)
    assert [one["fits"] for one in path["contenders"]] == [12, 12, 36, 1, 1, 1, 12, 12]
    aejax = [one for one in path["contenders"] if one["library"] == "aejax"]
    assert all(one["certified"] and one["compile_seconds"]["path"] > 0 for one in aejax)
    peers = ("float32", "float64", "float32, max_iter 100", "path, lbfgs", "path, newton-cholesky")
    assert [(ratio["contender"], ratio["peer"]) for ratio in path["ratios"]] == [
        *(("aejax, path", f"sklearn, {peer}") for peer in peers),
        ("aejax, path, 3 seeds", "aejax, path, 1 seed"),
    ]
    ours, theirs = (by_name[name]["at_peers_strength"] for name in ("aejax, path", "sklearn, float64"))
    assert ours["l2"] == theirs["l2"] == path["peers_strength"]
    assert ours["objective"] == pytest.approx(theirs["objective"], rel=1e-3)

    assert [len(one["seconds"]["each"]) for one in command["contenders"]] == [1]
    points = results["curves"][0]["points"]
    assert [one["seeds"] for point in points for one in point["contenders"]] == [1, 3]

    table = (tmp_path / "table.md").read_text()
    assert table == render_markdown(results)
    assert all(f"| {one['name']} |" in table for entry in results["workloads"] for one in entry["contenders"])
    assert "### Time against seeds trained at once" in table
    assert all((tmp_path / name).stat().st_size > 5000 for name in ("curves.png", "ratios.png"))


@pytest.mark.slow
@pytest.mark.usefixtures("tiny")
def test_a_failing_command_is_named_with_its_last_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"python scripts/compare\.py --dataset wyne failed: status 2: err"):
        run(tmp_path, "bad")


FAKE_SCRIPT = """
import json, pathlib, sys
calls = json.__dict__.setdefault("calls", [])
calls.append(sys.argv)
flags = dict(zip(sys.argv[1::2], sys.argv[2::2]))
out = pathlib.Path(flags["--out"])
cache = flags.get("--compilation-cache")
was_filled = bool(cache) and pathlib.Path(cache).is_dir()
if cache:
    pathlib.Path(cache).mkdir(exist_ok=True)
out.mkdir()
environment = {"flag": flags["--flag"], "calls": len(calls), "was_filled": was_filled, "cwd": str(pathlib.Path.cwd())}
(out / "results.json").write_text(json.dumps({"environment": environment}))
"""


@pytest.mark.parametrize(("mode", "calls", "was_filled"), [("fresh", 1, 0), ("cached", 1, 1), ("again", 2, 0)])
def test_a_command_runs_in_its_checkout_in_each_mode(mode: str, calls: int, was_filled: bool, tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "any.py").write_text(FAKE_SCRIPT)
    runner = make_command_runner(("scripts/any.py", "--flag", "1"), (0,), 1, mode=mode, checkout=str(tmp_path))
    answer = runner.run(1)
    facts = runner.facts()
    assert facts["environment"] == {"flag": "1", "calls": calls, "was_filled": was_filled, "cwd": str(tmp_path)}
    assert len(facts["cpu_seconds"]) == 1
    assert answer["seconds"] > 0
    assert facts["commit"] is None


def test_a_command_and_the_same_before_are_shown_with_their_ratio(job: TrainingJob) -> None:
    def timing(contender: Contender, seconds: float, commit: str) -> Timing:
        phases = {"compile": seconds / 2, "pretrain": 0.3, "probe": 0.1} if seconds < 8 else {}
        facts = {"environment": {"any": 1}, "peak_memory_bytes": 1, "cpu_seconds": [seconds], "commit": commit}
        facts["phases"] = [phases]
        return Timing(TimedTask(contender, "command", job), [seconds], [0.0], [{}], [facts])

    command = ("scripts/compare.py", "--data-dir", "/here")
    contenders = own_contenders(TINY["quick"], command, Args(before=Path("there")))
    assert [dict(one.options).get("checkout") for one in contenders] == [None, str(Path("there").absolute())]
    timings = [timing(contenders[0], 2.0, "a" * 40), timing(contenders[1], 8.0, "b" * 40)]
    entry = make_entry("quick", KINDS["command"], command, timings, 1)
    assert [one["options"] for one in entry["contenders"]] == [{}, {}]  # no path of this machine
    assert [one["median"] for one in entry["ratios"]] == [0.25]
    environment = {"versions": {}}
    table = render_markdown({"environment": environment, "workloads": [entry], "curves": []})
    assert "/here" not in table
    name = "python scripts/compare.py --dataset wine --methods raw --seeds 1"
    assert f"| {name} | aaaaaaa | 2 | 2-2 | 2.0 | 1.0 | 0.3 | 0.1 | 0 |" in table
    assert "| the same, before | bbbbbbb | 8 | 8-8 | 8.0 |  |  |  | 0 |" in table
    assert f"{name} / the same, before: 0.25" in table
    assert "| quick: a fresh process each time | 2.0 (8.0) | 2.0 (8.0) | 0 (0) |" in command_summary([entry])
    assert command_summary([]) == ""


@pytest.mark.usefixtures("tiny")
def test_results_are_written_before_a_later_workload_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = dict.fromkeys(("python", "jax", "flax", "optax", "machine"), "any") | {"backend": "cpu"}
    resources = {"peak_memory_bytes": 1, "cores_used_by_others": [0.0], "cpu_seconds": [1.0], "phases": [{}]}
    contender = {"name": "good", "note": "", "commit": None, "seconds": summarize([1.0]), **resources}

    def measure(name: str, *_: Any) -> dict[str, Any]:
        require(name == "quick", "it failed")
        entry = {"name": name, "kind": "command", "mode": "fresh", "environment": environment}
        return entry | {"contenders": [contender], "ratios": [], "refused": []}

    monkeypatch.setattr(benchmark_run, "measure", measure)
    with pytest.raises(InputError, match="it failed"):
        run(tmp_path, "quick", "bad")
    assert [entry["name"] for entry in read_json(tmp_path / "results.json")["workloads"]] == ["quick"]
    assert "good" in (tmp_path / "table.md").read_text()


@pytest.mark.parametrize(("method", "shape"), [("undercomplete", (64,)), ("conv", (13, 10, 3))], ids=str)
def test_flops_are_those_that_xla_counts(method: str, shape: tuple[int, ...]) -> None:
    model = ModelConfig(hidden=(32,), channels=(24, 32), latent_dim=8, output="linear")
    problem = ProblemSpec(model, ObjectiveConfig(reconstruction="mse"), shape, 2, is_bounded=False)
    autoencoder = AUTOENCODERS[method](problem)
    variables = autoencoder.model.init(jax.random.key(0))
    batch = Batch(jnp.ones((16, math.prod(shape))), jnp.zeros(16, int))

    def loss(params: dict[str, Any]) -> jax.Array:
        return autoencoder.objective.loss({**variables, "params": params}, batch, jax.random.key(1))[0]

    counted = jax.jit(jax.grad(loss)).lower(variables["params"]).compile().cost_analysis()["flops"] / 16
    flops = flops_per_example(PretrainConfig(method=method, model=model), shape)
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
def test_flops_are_those_of_the_widths(name: str, products: list[int]) -> None:
    config = WORKLOADS[name].config
    config = dataclasses.replace(config, objective=dataclasses.replace(config.objective, k=25))
    assert flops_per_example(config, (28, 28, 1)) == 6 * sum(products) - 2 * products[0]


def test_unknown_names_missing_peers_and_numbers_below_one_are_rejected(tmp_path: Path, monkeypatch: Any) -> None:
    with pytest.raises(InputError, match="--workload deap: no such workload; did you mean deep"):
        run(tmp_path, "deap")
    with pytest.raises(InputError, match="--repeats 0: expected at least 1"):
        run(tmp_path, "deep", repeats=0)
    with pytest.raises(InputError, match="--peers tensorflow: no such peer; there are torch"):
        check_peers(["tensorflow"])
    monkeypatch.setitem(PEERS, "absent", PEERS["sklearn"])
    with pytest.raises(InputError, match=r"--peers absent: is not installed; pip install -e \., or leave it out"):
        check_peers(["absent"])


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(("peer", "workload"), [("torch", "path"), ("sklearn", "tabular")])
def test_a_peer_that_takes_no_part_is_rejected(peer: str, workload: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(benchmark_run, "check_peers", lambda peers: None)
    with pytest.raises(InputError, match=f"--peers {peer}: takes no part in these workloads"):
        run(tmp_path, workload, peers=(peer,))


def test_the_process_of_a_peer_gets_its_job_and_environment_but_no_jax() -> None:
    job = PathJob(
        name="two blobs",
        sha256="",
        features=np.eye(4, 2, dtype=np.float32),
        labels=np.array([0, 1, 0, 1], np.int32),
        strengths=np.ones(1),
        tolerance=1e-4,
    )
    contender = Contender("sklearn", "sklearn", ((0,),), 1, env_vars=(("AEJAX_BENCHMARK_TEST", "set"),))
    with start_processes(TimedTask(contender, "path", job)) as (process,):
        assert not process.submit(eval, "'jax' in __import__('sys').modules").result()
        assert process.submit(eval, "__import__('os').environ['AEJAX_BENCHMARK_TEST']").result() == "set"


def timed(name: str, library: str, *seconds: float, seeds: int = 2) -> dict[str, Any]:
    key = {"seconds_per_epoch_and_seed": summarize(seconds)}
    return {"name": name, "library": library, "seeds": seeds, "share_of_product": 0.5, **key}


def test_a_curve_shows_the_fastest_setting_at_each_point() -> None:
    ours = timed("ours", "aejax", 1.0, 1.1)
    points = [
        {"x": x, "examples": 10, "contenders": [ours, timed("a", "torch", a), timed("b", "torch", b)]}
        for x, a, b in ((1, 2.0, 3.0), (2, 5.0, 4.0))
    ]
    points.append({"x": 4, "examples": 10, "contenders": [ours]})
    curve = {"name": "seeds", "label": "seeds", "points": points}
    lines = curve_lines(curve)
    assert list(lines["aejax"]) == [1, 2, 4]
    assert {x: one["name"] for x, one in lines["torch"].items()} == {1: "a", 2: "b"}
    rows = curve_table(curve).splitlines()
    assert [row.split("|")[-2].strip() for row in rows[-3:]] == ["a", "b", ""]
    figure = curves_figure([curve, curve, curve])
    assert [len(axes.lines) for axes in figure.axes] == [3, 3, 3, 0]  # two lines, and one for further seeds


def test_the_summary_compares_several_seeds_with_each_peers_fastest_setting() -> None:
    """The ratios are taken repetition by repetition."""
    ours = [timed("aejax, 1 seed", "aejax", 2.0, 2.0, 2.0, seeds=1), timed("aejax, 4 seeds", "aejax", 1, 2, 1, seeds=4)]
    peers = [timed("torch, slow", "torch", 99, 99, 99), timed("torch, fast", "torch", 3.0, 8.0, 2.0)]
    deep = {"name": "deep", "kind": "training"}
    row = summary_table([deep | {"contenders": [*ours, *peers]}]).splitlines()[-1]
    assert row == "| deep | 1 | 3.00 (2.00 to 4.00) times as long |  | 50% |"
    assert summary_table([deep | {"contenders": ours}]) == ""
    assert summary_table([deep | {"contenders": [ours[0], *peers]}]) == ""


def test_ratios_are_relative_to_the_first_contender() -> None:
    contenders = [timed("aejax, 4 seeds", "aejax", 2.0), timed("torch, 2 threads", "torch", 5.0)]
    workload = {"name": "deep", "kind": "training", "contenders": contenders}
    assert relative_times(workload) == {"torch, 2 threads": pytest.approx(2.5)}
    assert len(ratios_figure({"workloads": [workload]}).axes[0].lines) == 2  # the marker, and the line at 1
    assert not relative_times({"kind": "command", "contenders": []})


def test_the_widest_point_of_the_curve_is_four_times_as_wide() -> None:
    wide = CURVES["width"].points[4.0].config.model
    assert (wide.hidden, wide.decoder_hidden, wide.latent_dim) == ((512, 256, 128), (256, 512), 16)


@pytest.mark.usefixtures("two_cores")
def test_torch_is_on_curves_for_at_most_as_many_seeds_as_cores(job: TrainingJob) -> None:
    points, args = [TINY["tabular"]._replace(seeds=n) for n in (2, 4)], Args(peers=("torch",))
    libraries = [{one.library for one in contenders_at_point(point, job, args)} for point in points]
    assert libraries == [{"aejax", "torch"}, {"aejax"}]


def test_every_workload_has_a_kind() -> None:
    assert {workload.kind for workload in WORKLOADS.values()} == set(KINDS) == set(LAYOUTS)


def test_the_first_examples_leave_out_the_test_rows() -> None:
    dataset = dataclasses.replace(load_dataset(TABULAR.data), test_rows=np.array([0, 5, 7]))
    few = take_first_examples(dataset, 4)
    assert (few.inputs[:4] == dataset.inputs[[1, 2, 3, 4]]).all()
    assert (few.inputs[few.test_rows] == dataset.inputs[[0, 5, 7]]).all()


@pytest.mark.parametrize("installed", [{"jax"}, {"jax", "tensorflow"}])
def test_keras_runs_on_each_installed_backend(installed: set[str], job: TrainingJob, monkeypatch: Any) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name if name in installed else None)
    assert {dict(one.env_vars)["KERAS_BACKEND"] for one in keras_contenders(job, 4, 2)} == installed


def test_a_process_per_core_has_one_seed_and_one_thread(job: TrainingJob) -> None:
    contenders = {one.name: one for one in peer_contenders(["torch"], "training", job, 4, 2)}
    assert contenders["torch, 2 x 1 thread"].seeds_per_process == ((0,), (1,))
    assert contenders["torch, 2 threads"].seeds_per_process == ((0, 1),)
    assert [one.threads for one in contenders.values()] == [2, 2, 1, 2, 1]
    assert len({one.options for one in contenders.values()}) == 2  # eager and compiled


def test_the_summary_of_paths_shows_the_fastest_peer_that_solves_all_of_it_with_a_certificate():
    def contender(name, library, seconds, *, seeds=1, fits=12, certified=True):
        counts = {"seeds": seeds, "fits": fits, "certified": certified}
        return {"name": name, "library": library, "seconds": {"median": seconds}} | counts

    ours = contender("aejax, path", "aejax", 2.0), contender("aejax, path, 10 seeds", "aejax", 13.0, seeds=10, fits=120)
    unsolved = contender("peer, loose", "peer", 1.0, certified=False), contender("peer, one fit", "peer", 1.0, fits=1)
    peers = contender("peer, slow", "peer", 30.0), contender("peer, fast", "peer", 7.0)
    entry = {"name": "path-64", "kind": "path", "contenders": [*ours, *unsolved, *peers]}
    assert path_summary([entry]).splitlines()[-1] == "| path-64 | 2 | 13 | peer, fast: 7 s, 3.50 times as long |"
    alone = entry | {"contenders": [ours[0], *unsolved]}
    assert path_summary([alone]).splitlines()[-1] == "| path-64 | 2 |  | none |"
    assert path_summary([{"name": "deep", "kind": "training", "contenders": []}]) == ""
