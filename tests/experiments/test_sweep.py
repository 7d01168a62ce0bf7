"""A small sweep: each point equals its own comparison, and each group of points is compiled once."""

import dataclasses

import numpy as np
import pytest

from aejax.config import (
    CompareConfig,
    DataConfig,
    ModelConfig,
    ObjectiveConfig,
    ProbeConfig,
    SplitConfig,
    SweepConfig,
    TrainConfig,
)
from aejax.config.sweep_axes import parse_axes
from aejax.data.registry import load_dataset
from aejax.experiments.compare import compare
from aejax.experiments.sweep import select_best_point, sweep
from aejax.experiments.sweeping import vectorized
from aejax.experiments.sweeping.baselines import make_baselines
from aejax.experiments.sweeping.grid import choose_kind, group_points, make_grid
from aejax.report.index import render_index
from aejax.report.sweep_table import render_sweep_markdown, render_sweep_terminal
from aejax.report.tradeoff_plot import make_series
from aejax.storage.results_file import read_results
from tests.consoles import quiet

SMALL = SweepConfig(
    data=DataConfig(dataset="wine"),
    split=SplitConfig(label_fraction=0.5),
    model=ModelConfig(hidden=(), latent_dim=3),
    train=TrainConfig(epochs=2, batch_size=32),
    probe=ProbeConfig(probe="ridge"),  # which compiles fastest
    seeds=3,
    axis=("noise_std=0.1,0.5", "batch_size=32,16", "learning_rate=0.001,0.01"),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("results") / "sweep-wine"


@pytest.fixture(scope="module")
def results(folder):
    return sweep(SMALL, folder, quiet())


def find_entry(entries, name):
    return next(entry for entry in entries if entry["name"] == name)


def test_point_and_baseline_equal_a_comparison(results, tmp_path):
    point = "noise_std=0.5 batch_size=32 learning_rate=0.01"  # the last of the first group
    config = CompareConfig(
        data=SMALL.data,
        split=SMALL.split,
        model=SMALL.model,
        objective=ObjectiveConfig(noise_std=0.5),
        optimizer=dataclasses.replace(SMALL.optimizer, learning_rate=0.01),
        train=SMALL.train,
        probe=SMALL.probe,
        seeds=SMALL.seeds,
        methods=("raw", "denoising"),
    )
    compared = compare(config, tmp_path / "alone", quiet())
    for name, method in ((point, "denoising"), ("raw", "raw")):
        swept = find_entry([*results["points"], *results["references"]], name)
        alone = find_entry(compared["methods"], method)
        np.testing.assert_array_equal(swept["test_accuracy"]["per_seed"], alone["test_accuracy"]["per_seed"])
        np.testing.assert_allclose(swept["test_nll"]["per_seed"], alone["test_nll"]["per_seed"], rtol=2e-3)
        if alone["reconstruction_mse"] is not None:
            own, other = swept["reconstruction_mse"]["per_seed"], alone["reconstruction_mse"]["per_seed"]
            np.testing.assert_allclose(own, other, rtol=1e-4)
    swept = next(row for row in results["comparisons"] if row["method"] == point)
    alone = next(row for row in compared["comparisons"] if row["baseline"] == "raw")
    assert [swept[name] for name in ("baseline", "mean_difference", "ci95")] == [
        alone[name] for name in ("baseline", "mean_difference", "ci95")
    ]


def test_every_combination_is_a_distinct_point(results):
    assert [tuple(point["setting"].values()) for point in results["points"]] == [
        (noise, batch, rate) for noise in (0.1, 0.5) for batch in (32, 16) for rate in (0.001, 0.01)
    ]
    errors = [point["reconstruction_mse"]["mean"] for point in results["points"]]
    assert len(set(errors)) == len(errors)


def test_each_group_is_compiled_once(results):
    assert [len(group["points"]) for group in results["groups"]] == [4, 4]
    for group in results["groups"]:
        first, *others = [find_entry(results["points"], name)["seconds"]["compile"] for name in group["points"]]
        shared = others[0]  # each point's share of compiling the training; only the first point compiles its scoring
        assert first >= shared > 0
        assert others == [shared] * 3


def test_default_kind_is_the_first_that_uses_every_axis(results):
    assert results["config"]["method"] == "denoising"
    dataset = load_dataset(SMALL.data)
    for words, kind in {("latent_dim=2,3",): "undercomplete", ("k=2,3",): "k-sparse", ("l1=0,1",): "sparse-l1"}.items():
        assert choose_kind(SMALL, parse_axes(words), dataset) == kind


def test_settings_that_change_the_program_split_the_groups():
    axes = parse_axes(["sparse_dim=4,8", "l1=0,1", "revive=0,1"])
    config = dataclasses.replace(SMALL, method="sparse-l1")
    groups = group_points(make_grid(config, axes, load_dataset(SMALL.data)), axes)
    assert [group.traced for group in groups] == [("l1",)] * 4
    assert {len(group.points) for group in groups} == {2}


def test_each_width_and_architecture_has_its_own_baselines():
    dataset = load_dataset(SMALL.data)
    axes = parse_axes(["latent_dim=2,13,20", "noise_std=0.1,0.5"])
    groups = group_points(make_grid(SMALL, axes, dataset), axes)
    baselines = make_baselines("denoising", axes, groups, dataset)
    assert list(baselines.methods) == ["raw", "pca-2", "pca-13", *(f"random latent_dim={d}" for d in (2, 13, 20))]
    own = {"raw": "raw", "pca": "pca-13", "random": "random latent_dim=20"}
    assert baselines.by_point["latent_dim=20 noise_std=0.5"] == own


def test_best_point_is_selected_by_validation_loss(results):
    chosen = results["chosen"]
    assert chosen["by"] == "valid_nll"
    losses = {point["name"]: point["valid_nll"]["mean"] for point in results["points"]}
    assert chosen["name"] == min(losses, key=losses.get)
    entries = [{**point, "test_accuracy": None, "test_nll": None} for point in results["points"]]
    assert select_best_point(entries) == chosen


def test_best_point_falls_back_to_validation_reconstruction(results):
    entries = [{**point, "valid_nll": None} for point in results["points"]]
    chosen = select_best_point(entries)
    errors = {point["name"]: point["valid_reconstruction_mse"]["mean"] for point in entries}
    assert chosen == {"name": min(errors, key=errors.get), "by": "valid_reconstruction_mse"}
    assert select_best_point([{**entry, "valid_reconstruction_mse": None} for entry in entries]) is None


def test_finished_sweep_is_loaded_and_listed(results, folder):
    assert {path.name for path in folder.iterdir()} == {
        ".lock",
        "run.json",
        "config.json",
        "metrics.jsonl",
        "results.json",
        "scores.npz",
        "correct.npz",
        "table.md",
        "report.html",
        "frontier.png",
    }
    console = quiet()
    again = sweep(SMALL, folder, console)
    assert "holds this run already" in console.file.getvalue()
    assert again == read_results(folder / "results.json")
    page = render_index(folder.parent)
    assert ": sweep. " in page
    assert "[sweep-wine](sweep-wine/table.md): sweep." in page


def test_tables_list_every_point_and_mark_the_best(results):
    markdown = render_sweep_markdown(results)
    rows = [line for line in markdown.splitlines() if line.startswith(("| 0.1 |", "| 0.5 |"))]
    assert len(rows) == 8
    assert sum("◀" in row for row in rows) == 1
    console = quiet()
    console.print(render_sweep_terminal(results))
    assert "pca-3" in console.file.getvalue()


@pytest.mark.slow
def test_numbers_of_labels_share_a_training_and_each_equals_a_comparison_with_them(tmp_path, monkeypatch):
    trained = []
    train_group = vectorized.train_group
    monkeypatch.setattr(vectorized, "train_group", lambda *args: trained.append(args[1]) or train_group(*args))
    config = dataclasses.replace(SMALL, split=SplitConfig(), axis=("labels_per_class=2,8",))
    swept = sweep(config, tmp_path / "sweep", quiet())
    assert len(trained) == 1
    split = SplitConfig(labels_per_class=8)
    alone = CompareConfig(
        data=SMALL.data, model=SMALL.model, train=SMALL.train, probe=SMALL.probe, seeds=SMALL.seeds, split=split
    )
    alone = dataclasses.replace(alone, methods=("raw", "random", "undercomplete"))
    expected = compare(alone, tmp_path / "alone", quiet())
    names = {"raw": "raw labels_per_class=8", "random": "random labels_per_class=8"}
    entries = [*swept["points"], *swept["references"]]
    for method in expected["methods"]:
        entry = find_entry(entries, names.get(method["name"], "labels_per_class=8"))
        np.testing.assert_array_equal(entry["test_accuracy"]["per_seed"], method["test_accuracy"]["per_seed"])
        np.testing.assert_array_equal(entry["test_nll"]["per_seed"], method["test_nll"]["per_seed"])
    assert swept["chosen"] is None
    assert "numbers of labels differ" in (tmp_path / "sweep" / "table.md").read_text()
    assert make_series(swept)[0].name.endswith("labels_per_class=8")
