"""`--label-curve`: budgets as comparisons of their own, trained once, and the curves from their scores."""

import copy
import dataclasses
import itertools
import json
import shutil

import numpy as np
import pytest
from preparing import configure
from rich.console import Console

import aejax
from aejax.config import CheckpointConfig, to_dict
from aejax.data.splits import make_split
from aejax.errors import InputError
from aejax.experiments.compare import compare, load_comparison
from aejax.experiments.label_curve import analyze_label_curve, choose_budgets, compare_with_label_curve, read_budgets
from aejax.experiments.rejudge import rejudge_run
from aejax.experiments.varied_runs import run_with_analyses
from aejax.report.comparison_figures import plot_label_curve
from aejax.report.comparison_table import render_comparison_terminal
from aejax.report.findings import describe_gain, describe_label_curve
from aejax.report.method_tables import budgets_table
from aejax.storage.atomic_io import write_json
from aejax.storage.results_file import read_results
from tests.consoles import quiet

BUDGETS = [2, 8]
METHODS = ("raw", "supervised", "undercomplete")
CONFIG = configure(dataset="wine", hidden=(), latent_dim=2, epochs=1, probe="ridge", methods=METHODS, seeds=5)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run with two budgets, and what it printed."""
    folder, console = tmp_path_factory.mktemp("label_curve") / "run", quiet()
    results = compare_with_label_curve(CONFIG, BUDGETS, folder, console)
    assert read_results(folder / "results.json") == json.loads(json.dumps(results))
    return folder, results, console.file.getvalue()


def test_a_budget_equals_a_comparison_with_its_labels_and_trains_no_autoencoder(run, tmp_path):
    alone = compare(configure(CONFIG, labels_per_class=8), tmp_path / "alone", quiet())
    budget = read_results(run[0] / "label-curve" / "8" / "results.json")
    assert budget["comparisons"] == json.loads(json.dumps(alone["comparisons"]))
    lines = (run[0] / "label-curve" / "8" / "metrics.jsonl").read_text().splitlines()
    assert {json.loads(line)["method"] for line in lines} == {"supervised"}  # which learns from labels
    assert not list(run[0].rglob("found"))


def test_a_folder_that_is_taken_away_between_two_runs_is_not_made_again(tmp_path, monkeypatch):
    def run_comparison(design, folder, *_):
        shutil.rmtree(tmp_path / "run", ignore_errors=True)
        (folder / "found").mkdir(parents=True)
        if folder.name == "run":
            (folder / "config.json").touch()
        return {"dataset": {"split_sha256": ""}}

    monkeypatch.setattr("aejax.experiments.varied_runs.run_comparison", run_comparison)
    design = load_comparison(CONFIG)
    analyses = [analyze_label_curve(design, BUDGETS, None)]
    with pytest.raises(InputError, match="run: was moved or deleted while this process filled it"):
        run_with_analyses(design, analyses, tmp_path / "run", quiet(), CheckpointConfig(), 0.0)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("budgets", [[], BUDGETS])
def test_a_folder_is_known_to_be_of_this_run_before_its_results_are_read(budgets, tmp_path):
    design = load_comparison(CONFIG)
    analyses = [analyze_label_curve(design, budgets, None)] if budgets else []
    (tmp_path / "results.json").write_text("{}")
    with pytest.raises(InputError, match="holds other files and no run; give another --out"):
        run_with_analyses(design, analyses, tmp_path, quiet(), CheckpointConfig(), 0.0)
    write_json(tmp_path / "config.json", to_dict(dataclasses.replace(design.config, seeds=2)))
    with pytest.raises(InputError, match=r"holds another run \(seeds 2 there, 5 here"):
        run_with_analyses(design, analyses, tmp_path, quiet(), CheckpointConfig(), 0.0)


def test_curves_end_at_the_run_with_all_labels(run):
    _, results, printed = run
    curve = results["label_curve"]
    assert [entry["folder"] for entry in curve["budgets"]] == ["label-curve/2", "label-curve/8"]
    assert curve["n_labels"] == [6, 24, 143]
    for entry, method in zip(curve["methods"], results["methods"], strict=True):
        assert entry["mean"][-1] == pytest.approx(method["test_accuracy"]["mean"])
        np.testing.assert_allclose(entry["ci95"][-1], method["test_accuracy"]["ci95"])
    for entry, row in zip(curve["comparisons"], results["comparisons"], strict=True):
        np.testing.assert_allclose(entry["ci95"][-1], row["ci95"])
        low, high = np.array(entry["band"]).T
        assert low[-1] <= row["ci95_adjusted"][0] < row["ci95_adjusted"][1] <= high[-1]
    assert curve["epsilon"] == results["methods"][0]["test_nll"]["mean"]
    assert "--label-curve: 2 more comparisons, which train" in printed


def test_tables_page_figure_findings_and_rejudged_results_show_it(run, tmp_path):
    folder, results, _ = run
    console = Console(width=80, record=True, file=quiet().file)
    console.print(render_comparison_terminal(results))
    assert "by number of labels" in " ".join(console.export_text().split())
    assert "| SDL, nats |" in (folder / "table.md").read_text()
    assert "By number of labels" in (folder / "report.html").read_text()
    assert (folder / "label_curve.png").stat().st_size > 10_000
    before = read_results(folder / "results.json")["label_curve"]
    assert rejudge_run(folder)[1] == []
    assert read_results(folder / "results.json")["label_curve"] == before
    shutil.copytree(folder, committed := tmp_path / "committed")
    for scores in committed.rglob("scores.npz"):  # correct.npz is left, without probabilities: what is of them is kept
        scores.unlink()
    assert rejudge_run(committed)[1] == []
    assert "complexity" in before["methods"][0]
    assert read_results(committed / "results.json")["label_curve"] == before


def test_a_crossover_is_drawn_and_said(run):
    results = copy.deepcopy(run[1])
    (row, *_) = results["label_curve"]["comparisons"]
    row["margin_crossings"] = row["crossovers"] = [{"labels": 12.0, "ci95": [8.0, 20.0], "better": "below"}]
    assert plot_label_curve(results).axes[0].get_lines()[-1].get_xdata()[0] == 12
    (finding,) = describe_label_curve(results, row["method"])
    assert f"over {row['baseline']}: below 12 [8, 20]" in finding


def test_another_epsilon_is_measured_from_the_saved_scores(run, monkeypatch):
    def no_training(*args, **kwargs):
        raise AssertionError

    monkeypatch.setattr("aejax.experiments.compare.fit_and_score_all", no_training)
    design = load_comparison(CONFIG)
    analysis = analyze_label_curve(design, BUDGETS, epsilon=0.5)
    results = run_with_analyses(design, [analysis], run[0], quiet(), CheckpointConfig(), 0.0)
    assert {method["complexity"]["epsilon"] for method in results["label_curve"]["methods"]} == {0.5}


@pytest.mark.slow
def test_a_finished_run_gets_a_curve_in_python_whose_first_budget_trains_for_all(tmp_path):
    settings = {"methods": ["raw", "undercomplete"], "seeds": 2, "epochs": 1, "probe": "ridge", "out": tmp_path}
    aejax.compare("wine", **settings)
    result = aejax.compare("wine", label_curve=[2, 4], **settings)
    assert (tmp_path / "label-curve" / "2" / "metrics.jsonl").exists()
    assert not (tmp_path / "label-curve" / "4" / "metrics.jsonl").exists()
    assert not list(tmp_path.rglob("found"))
    aejax.compare("wine", label_curve=[2, 4, 6, 8], **settings)
    assert (tmp_path / "label-curve" / "6" / "metrics.jsonl").exists()
    assert not (tmp_path / "label-curve" / "8" / "metrics.jsonl").exists()
    assert result.results["label_curve"]["comparisons"][0]["too_few_seeds"]
    assert list(result.label_curve["labels"].unique()) == [6, 12, 143]
    assert len(result.label_curve) == 3 * 3
    assert (result.label_curve["band_low"] <= result.label_curve["value"]).all()
    result.plot("label_curve")


@pytest.mark.parametrize(
    ("argument", "budgets"),
    [(np.array([2, 4]), [2, 4]), ([2], [2]), (True, []), (np.True_, []), (False, None), ([], None)],
)
def test_budgets_are_a_truth_value_or_whole_numbers(argument, budgets):
    assert read_budgets(argument) == budgets


@pytest.mark.parametrize("argument", [8, 2.5, [2.5], "digits", np.array(8)])
def test_other_budgets_are_rejected(argument):
    with pytest.raises(InputError, match=r"^label_curve: expected True, or a list of labels per class"):
        read_budgets(argument)


def test_budgets_are_nested_powers_of_two_as_far_as_every_class_goes():
    design = load_comparison(CONFIG)
    assert choose_budgets(design) == [2, 4, 8, 16, 32]
    assert choose_budgets(load_comparison(configure(CONFIG, labels_per_class=9))) == [2, 4, 8]
    unequal = load_comparison(configure(CONFIG, class_imbalance=4))
    assert choose_budgets(unequal) == [2, 4, 8, 16, 32]  # of the largest class
    config = design.config.split
    splits = [
        make_split(design.dataset, dataclasses.replace(config, labels_per_class=count), 5) for count in (2, 4, 8, None)
    ]
    for smaller, larger in itertools.pairwise(splits):
        assert smaller.unlabelled_sha256 == larger.unlabelled_sha256
        assert smaller.sha256 != larger.sha256
        for few_rows, more_rows in zip(smaller.labelled, larger.labelled, strict=True):
            assert set(few_rows) < set(more_rows)


@pytest.mark.parametrize(
    ("split", "budgets", "message"),
    [
        ({"label_fraction": 0.5}, [], "leave out --label-fraction 0.5"),
        ({}, [2, 40], "--label-budgets 2 40: expected labels per class from 2"),
        ({}, [1], "--label-budgets 1: expected"),
        ({"labels_per_class": 8}, [8], "--label-budgets 8: expected"),
    ],
)
def test_budgets_that_a_class_does_not_have_are_refused(split, budgets, message):
    with pytest.raises(InputError, match=message):
        choose_budgets(load_comparison(configure(CONFIG, **split)), budgets)


@pytest.mark.parametrize(("number", "text"), [(20.0, "≤ 20 [20, 40]"), (30.0, "30 [20, 40]"), (None, "> all [20, 40]")])
def test_the_fewest_labels_that_were_measured_are_a_bound(number, text):
    complexity = {"sample_complexity": number, "sample_complexity_ci95": [20.0, 40.0], "is_lower_bound": False}
    complexity |= {"surplus_description_length": 0.0, "surplus_ci95": None}
    method = {"name": "raw", "mean": [0.5, 0.6], "complexity": complexity}
    table = budgets_table({"label_curve": {"n_labels": [20, 80], "methods": [method]}})
    assert [cell.text for cell in next(iter(table.rows()))][-1] == text


@pytest.mark.parametrize(
    ("band", "crossings", "text"),
    [
        ([[0.1, 0.2], [0.1, 0.2], [0.1, 0.2]], [], "everywhere"),
        ([[-0.2, -0.1]] * 3, [], "nowhere"),
        ([[0.1, 0.2], [-0.1, 0.2], [0.1, 0.2]], [], "at 20 and 80, else undecided"),
        ([[0.1, 0.2], [0.1, 0.2], [-0.2, 0.2]], [], "at 20 to 40, else undecided"),
        ([[-0.1, 0.2], [-0.1, 0.2], [-0.2, -0.1]], [], "not at 80, else undecided"),
        ([[-0.1, 0.2]] * 3, [], "undecided"),
        (
            [[0.1, 0.2]] * 3,
            [{"labels": 1894.2, "ci95": [1203.0, 2618.0], "better": "below"}],
            "below 1,890 [1,200, 2,620]",
        ),
    ],
)
def test_gains_in_words(band, crossings, text):
    results = {"metric": "accuracy", "margin": 0.005, "label_curve": {"n_labels": [20, 40, 80]}}
    row = {"band": band, "crossovers": crossings, "margin_crossings": crossings, "too_few_seeds": False}
    assert describe_gain(results, row, above_margin=False) == text
    assert describe_gain(results, row, above_margin=True) == text
