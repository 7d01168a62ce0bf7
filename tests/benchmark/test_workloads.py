"""Encoding, commands, curves, contenders and tables; never how fast anything is."""

import dataclasses
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmark import run as benchmark_run
from benchmark.command import CommandWorkload, load_command
from benchmark.curves import CURVES, Curve, CurvePoint, contenders_at_point, curve_lines, curve_table
from benchmark.encoding import EncodingWorkload
from benchmark.entries import summarize
from benchmark.interleaved import TimingBudget
from benchmark.peers import PEERS, PEERS_INSTALL_COMMAND, check_peers, keras_training_contenders
from benchmark.plots import curves_figure, ratios_figure, relative_times
from benchmark.run import DEFAULT_WORKLOADS, WORKLOAD_TYPES, WORKLOADS, BenchmarkPlan, run_benchmark
from benchmark.summary import summary_table
from benchmark.training_job import TrainingJob
from benchmark.workloads import TrainingWorkload, prepare_training_job, take_first_examples
from rich.console import Console

from aejax.config import DataConfig
from aejax.data.registry import load_dataset
from aejax.errors import InputError
from aejax.recipes import get_recipe
from aejax.storage.atomic_io import read_json, to_jsonable

TABULAR = get_recipe("tutorial-tabular")
TABULAR = dataclasses.replace(TABULAR, data=dataclasses.replace(TABULAR.data, tabular_samples=300))
ENCODE = EncodingWorkload(dataclasses.replace(get_recipe("tutorial-deep"), data=DataConfig(dataset="digits")), rounds=2)
QUICK = ("scripts/compare.py", "--dataset", "wine", "--methods", "raw", "--seeds", "1")
BUDGET = TimingBudget(seeds=2, epochs=1, repeats=2, cores=2)


@pytest.fixture(scope="module")
def job() -> TrainingJob:
    return prepare_training_job(TrainingWorkload(TABULAR), None)


def run(folder: Path, *names: str, curves: tuple[str, ...] = ()) -> dict[str, Any]:
    return run_benchmark(BenchmarkPlan(names, BUDGET, curves=curves), folder, Console(file=io.StringIO()))


@pytest.mark.slow
def test_encoding_and_a_command_are_in_one_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workloads = {"encode": ENCODE, "quick": CommandWorkload(QUICK, repeats=1)}
    monkeypatch.setattr(benchmark_run, "WORKLOADS", workloads)
    results = run(tmp_path, "encode", "quick")
    assert read_json(tmp_path / "results.json") == to_jsonable(results)
    encoding, command = results["workloads"]
    assert [one["seeds"] for one in encoding["contenders"]] == [2, 1]
    assert all(one["codes"] == [encoding["dataset"]["n_train"], 16] for one in encoding["contenders"])
    (one,) = command["contenders"]
    assert len(one["seconds"]["each"]) == 1
    assert 100e6 < one["peak_memory_bytes"] < 5e9
    assert command["environment"]["backend"] == "cpu"
    assert "python scripts/compare.py --dataset wine" in (tmp_path / "table.md").read_text()


@pytest.mark.slow
def test_a_failing_command_is_named_with_its_last_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = CommandWorkload(("scripts/compare.py", "--dataset", "wyne"))
    monkeypatch.setattr(benchmark_run, "WORKLOADS", {"bad": bad})
    with pytest.raises(InputError, match=r"python scripts/compare\.py --dataset wyne failed: status 2: err"):
        run(tmp_path, "bad")


def test_a_saved_command_is_read_back(tmp_path: Path) -> None:
    command = CommandWorkload(QUICK, repeats=3, data_dir="/data")
    command.save(tmp_path)
    assert load_command(tmp_path) == command


@pytest.mark.slow
def test_a_curve_is_timed_written_and_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    curve = Curve("seeds trained at once", tuple(CurvePoint(n, TrainingWorkload(TABULAR, 1), n) for n in (1, 3)))
    monkeypatch.setitem(CURVES, "seeds", lambda: curve)
    results = run(tmp_path, curves=("seeds",))
    assert [one["seeds"] for point in results["curves"][0]["points"] for one in point["contenders"]] == [1, 3]
    assert "### Time against seeds trained at once" in (tmp_path / "table.md").read_text()
    assert (tmp_path / "curves.png").stat().st_size > 5000
    assert not (tmp_path / "ratios.png").exists()


def timed(name: str, peer: str, *seconds: float, seeds: int = 2) -> dict[str, Any]:
    key = {"seconds_per_epoch_and_seed": summarize(seconds)}
    return {"name": name, "peer": peer, "library": peer, "seeds": seeds, "share_of_product": 0.5, **key}


def test_a_curve_shows_the_fastest_setting_at_each_point() -> None:
    ours = timed("ours", "aejax", 1.0, 1.1)
    points = [
        {"x": x, "examples": 10, "contenders": [ours, timed("a", "torch", a), timed("b", "torch", b)]}
        for x, a, b in ((1, 2.0, 3.0), (2, 5.0, 4.0))
    ]
    points.append({"x": 4, "examples": 10, "contenders": [ours]})
    curve = {"name": "seeds", "label": "seeds", "points": points}
    aejax, torch = curve_lines(curve)
    assert (aejax.x, torch.x) == ([1, 2, 4], [1, 2])
    assert [one["name"] for one in torch.fastest] == ["a", "b"]
    rows = curve_table(curve).splitlines()
    assert [row.split("|")[-2].strip() for row in rows[-3:]] == ["a", "b", ""]
    figure = curves_figure([curve, curve, curve])
    assert [len(axes.lines) for axes in figure.axes] == [3, 3, 3, 0]  # two lines, and one for further seeds


def test_the_summary_compares_several_seeds_with_each_peers_fastest_setting() -> None:
    """The ratios are taken repetition by repetition."""
    ours = [timed("aejax, 1 seed", "aejax", 2.0, 2.0, 2.0, seeds=1), timed("aejax, 4 seeds", "aejax", 1, 2, 1, seeds=4)]
    peers = [timed("torch, slow", "torch", 99, 99, 99), timed("torch, fast", "torch", 3.0, 8.0, 2.0)]
    row = summary_table([{"name": "deep", "contenders": [*ours, *peers]}]).splitlines()[-1]
    assert row == "| deep | 1 | 3.00 (2.00 to 4.00) times as long |  | 50% |"
    assert summary_table([{"name": "deep", "contenders": ours}]) == ""
    assert summary_table([{"name": "deep", "contenders": [ours[0], *peers]}]) == ""


def test_the_curves_cover_their_ranges() -> None:
    ends = {name: (make().points[0].x, make().points[-1].x) for name, make in CURVES.items()}
    assert ends == {"seeds": (1, 256), "batch": (16, 4096), "width": (0.25, 4.0), "examples": (1000, 60000)}
    wide = CURVES["width"]().points[-1].workload.config.model
    assert (wide.hidden, wide.decoder_hidden, wide.latent_dim) == ((512, 256, 128), (256, 512), 16)


def test_torch_is_timed_for_at_most_as_many_seeds_as_cores(job: TrainingJob) -> None:
    peers = [
        {one.peer for one in contenders_at_point(CurvePoint(n, TrainingWorkload(TABULAR), n), job, ["torch"], BUDGET)}
        for n in (2, 4)
    ]
    assert peers == [{"aejax", "torch"}, {"aejax"}]


def test_ratios_are_relative_to_the_first_contender() -> None:
    contenders = [timed("aejax, 4 seeds", "aejax", 2.0), timed("torch, 2 threads", "torch", 5.0)]
    workload = {"name": "deep", "contenders": contenders}
    assert relative_times(workload) == {"torch, 2 threads": pytest.approx(2.5)}
    assert len(ratios_figure({"workloads": [workload]}).axes[0].lines) == 2  # the marker, and the line at 1
    assert not relative_times({"kind": "command", "contenders": []})


def test_every_workload_has_a_type_and_the_long_one_is_not_timed_by_default() -> None:
    assert {type(workload) for workload in WORKLOADS.values()} == set(WORKLOAD_TYPES)
    assert set(WORKLOADS) - set(DEFAULT_WORKLOADS) == {"memory-mnist"}


def test_the_first_examples_leave_out_the_test_rows() -> None:
    dataset = load_dataset(TABULAR.data)
    dataset = dataclasses.replace(dataset, test_rows=np.array([0, 5, 7]))
    few = take_first_examples(dataset, 4)
    assert (few.inputs[:4] == dataset.inputs[[1, 2, 3, 4]]).all()
    assert (few.inputs[few.test_rows] == dataset.inputs[[0, 5, 7]]).all()


def test_keras_without_tensorflow_runs_on_jax_alone_and_a_line_reports_it(
    job: TrainingJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = {"keras", "jax"}
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name if name in installed else None)
    (line,) = check_peers(["keras"])
    assert "TensorFlow is not installed, so Keras runs on JAX alone" in line
    assert PEERS_INSTALL_COMMAND in line
    assert {one.runner for one in keras_training_contenders(job, 4, 2)} == {"keras-jax"}
    installed.add("tensorflow")
    assert not check_peers(["keras"])
    assert {one.runner for one in keras_training_contenders(job, 4, 2)} == {"keras-jax", "keras-tensorflow"}


def test_a_process_per_core_has_one_seed_each(job: TrainingJob) -> None:
    contenders = {one.name: one for one in PEERS["torch"].contenders_for("training", job, 4, 2)}
    assert contenders["torch, 2 x 1 thread"].seeds_per_process == ((0,), (1,))
    assert contenders["torch, 2 threads"].seeds_per_process == ((0, 1),)
    assert {one.runner for one in contenders.values()} == {"torch", "torch-compile"}
