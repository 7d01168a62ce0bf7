"""Encoding, commands and curves: what they say of themselves; never how fast anything is."""

import dataclasses
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmark.command.workloads import CommandWorkload, load_command
from benchmark.curves.measure import contenders_at_point
from benchmark.curves.points import CURVES, Curve, CurvePoint
from benchmark.curves.report import curve_lines, curve_table, curves_figure
from benchmark.encoding.workloads import EncodingWorkload
from benchmark.interleaved import TimingBudget, summarize
from benchmark.peers import PEERS, PEERS_INSTALL_COMMAND, check_peers, keras_training_contenders
from benchmark.plots import ratios_figure, relative_times
from benchmark.registry import ALL_WORKLOADS, DEFAULT_WORKLOADS, WORKLOAD_TYPES
from benchmark.report import render_terminal_table
from benchmark.run import run_benchmark
from benchmark.training.workloads import TRAINING_WORKLOADS, TrainingWorkload, prepare_training_job, take_first_examples
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
SETTINGS: dict[str, Any] = {"seeds": 2, "epochs": 1, "repeats": 2, "data_dir": None}


def run(tmp_path: Path, names: list[str], **changes: Any) -> dict[str, Any]:
    return run_benchmark(names, [], tmp_path, Console(file=io.StringIO()), **{**SETTINGS, **changes})


def test_encoding_and_a_command_are_in_one_table(tmp_path: Path) -> None:
    results = run(
        tmp_path, ["encode", "quick"], workload_registry={"encode": ENCODE, "quick": CommandWorkload(QUICK, repeats=1)}
    )
    assert read_json(tmp_path / "results.json") == to_jsonable(results)
    encoding, command = results["workloads"]
    assert [one["seeds"] for one in encoding["contenders"]] == [2, 1]
    assert all(one["codes"] == [encoding["dataset"]["n_train"], 16] for one in encoding["contenders"])
    (one,) = command["contenders"]
    assert len(one["seconds"]["each"]) == 1
    assert 100e6 < one["peak_memory_bytes"] < 5e9
    assert command["environment"]["backend"] == "cpu"
    table = (tmp_path / "table.md").read_text()
    assert "python scripts/compare.py --dataset wine" in table
    Console(file=io.StringIO(), width=100).print(render_terminal_table(results))


def test_a_command_that_fails_is_named_with_its_last_line(tmp_path: Path) -> None:
    bad = CommandWorkload(("scripts/compare.py", "--dataset", "wyne"))
    with pytest.raises(InputError, match=r"python scripts/compare\.py --dataset wyne failed: status 2: err"):
        run(tmp_path, ["bad"], workload_registry={"bad": bad})


def test_a_command_is_read_as_it_was_written(tmp_path: Path) -> None:
    command = CommandWorkload(QUICK, repeats=3, data_dir="/data")
    command.save(tmp_path)
    assert load_command(tmp_path) == command


def test_a_curve_is_timed_written_and_drawn(tmp_path: Path) -> None:
    seeds = Curve("seeds trained at once", tuple(CurvePoint(n, TrainingWorkload(TABULAR, 1), n) for n in (1, 3)))
    results = run(tmp_path, [], curves=["seeds"], curve_registry={"seeds": lambda: seeds})
    (curve,) = results["curves"]
    assert [one["seeds"] for point in curve["points"] for one in point["contenders"]] == [1, 3]
    assert "### Time against seeds trained at once" in (tmp_path / "table.md").read_text()
    assert (tmp_path / "curves.png").stat().st_size > 5000
    assert not (tmp_path / "ratios.png").exists()


def timed(name: str, peer: str, seconds: float) -> dict[str, Any]:
    each = {"seconds_per_epoch_and_seed": summarize([seconds, 1.1 * seconds])}
    return {"name": name, "peer": peer, "library": peer, "seeds": 2, **each}


def test_a_curves_line_takes_the_fastest_setting_at_each_point() -> None:
    points = [
        {
            "x": x,
            "examples": 10,
            "contenders": [timed("ours", "aejax", 1.0), timed("a", "torch", a), timed("b", "torch", b)],
        }
        for x, a, b in ((1, 2.0, 3.0), (2, 5.0, 4.0))
    ]
    points.append({"x": 4, "examples": 10, "contenders": [timed("ours", "aejax", 1.0)]})
    curve = {"name": "seeds", "label": "seeds", "points": points}
    own, torch = curve_lines(curve)
    assert (own.x, torch.x) == ([1, 2, 4], [1, 2])
    assert [one["name"] for one in torch.fastest] == ["a", "b"]
    rows = curve_table(curve).splitlines()
    assert [row.split("|")[-2].strip() for row in rows[-3:]] == ["a", "b", ""]
    figure = curves_figure([curve, curve, curve])
    assert [len(axes.lines) for axes in figure.axes] == [3, 3, 3, 0]  # two lines, and one for further seeds


def test_curves_reach_as_far_as_they_say() -> None:
    reach = {name: (make().points[0].x, make().points[-1].x) for name, make in CURVES.items()}
    assert reach == {"seeds": (1, 256), "batch": (16, 4096), "width": (0.25, 4.0), "examples": (1000, 60000)}
    for make in CURVES.values():
        assert len({point.x for point in make().points}) == len(make().points)
    wide = CURVES["width"]().points[-1].workload.config.model
    assert (wide.hidden, wide.decoder_hidden, wide.latent_dim) == ((512, 256, 128), (256, 512), 16)


def test_torch_is_not_timed_where_more_seeds_are_more_of_the_same() -> None:
    effort = TimingBudget(4, None, 1)
    libraries = [
        {
            one.peer
            for one in contenders_at_point(CurvePoint(n, TRAINING_WORKLOADS["deep"], n), ["torch"], effort, cores=2)
        }
        for n in (2, 4)
    ]
    assert libraries == [{"aejax", "torch"}, {"aejax"}]


def test_ratios_are_to_the_first_contender() -> None:
    workload = {
        "name": "deep",
        "contenders": [timed("aejax, 4 seeds", "aejax", 2.0), timed("torch, 2 threads", "torch", 5.0)],
    }
    assert relative_times(workload) == {"torch, 2 threads": pytest.approx(2.5)}
    assert len(ratios_figure({"workloads": [workload]}).axes[0].lines) == 2  # the mark, and the line at 1
    assert not relative_times({"kind": "command", "contenders": []})


def test_everything_has_a_kind_and_the_long_one_is_not_timed_by_default() -> None:
    assert {type(workload) for workload in ALL_WORKLOADS.values()} == set(WORKLOAD_TYPES)
    assert set(ALL_WORKLOADS) - set(DEFAULT_WORKLOADS) == {"memory-mnist"}


def test_the_first_examples_keep_the_test_rows_apart() -> None:
    dataset = load_dataset(TABULAR.data)
    whole = dataclasses.replace(dataset, test_rows=np.array([0, 5, 7]))
    few = take_first_examples(whole, 4)
    assert (few.inputs[:4] == dataset.inputs[[1, 2, 3, 4]]).all()
    assert (few.inputs[few.test_rows] == dataset.inputs[[0, 5, 7]]).all()


def test_keras_without_tensorflow_runs_on_jax_alone_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    there = {"keras", "jax"}
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name if name in there else None)
    (line,) = check_peers(["keras"])
    assert "TensorFlow is not installed, so Keras runs on JAX alone" in line
    assert PEERS_INSTALL_COMMAND in line
    assert {one.runner for one in keras_training_contenders(TABULAR, 4, 2)} == {"keras-jax"}
    there.add("tensorflow")
    assert not check_peers(["keras"])
    assert {one.runner for one in keras_training_contenders(TABULAR, 4, 2)} == {"keras-jax", "keras-tensorflow"}


def test_a_process_per_core_has_a_seed_each() -> None:
    config = prepare_training_job(TrainingWorkload(TABULAR), None).config
    found = {one.name: one for one in PEERS["torch"].training_contenders(config, 4, 2)}
    assert found["torch, 2 x 1 thread"].seeds_per_process == ((0,), (1,))
    assert found["torch, 2 threads"].seeds_per_process == ((0, 1),)
    assert {one.runner for one in found.values()} == {"torch", "torch-compile"}
