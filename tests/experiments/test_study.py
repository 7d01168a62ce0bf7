"""`aejax study`: its file, its runs in folders, and what it makes of their results."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from aejax.cli.commands.study import main
from aejax.config import EvaluationConfig
from aejax.errors import InputError, require
from aejax.evaluate.estimates import holdout_design
from aejax.experiments.study import PlannedRun, describe_plan, plan_run, run_study
from aejax.experiments.study_cells import Cell, cell_warnings, read_cells
from aejax.experiments.study_file import Question, make_study, read_study
from aejax.experiments.study_statistics import analyze_cells, correlate, default_questions
from aejax.report.index import render_index
from aejax.report.run_page import read_run
from aejax.report.study_figures import plot_profiles
from aejax.report.study_table import study_findings
from aejax.storage.atomic_io import to_jsonable
from aejax.storage.run_folder import acquire_lock

ROOT = Path(__file__).parents[2]
FILE = """
[study]
title = "Two tables"
methods = ["raw", "random"]
label_budgets = [4, 500]
seeds = 4
[defaults]
probe = "ridge"
latent_dim = 2
[[dataset]]
dataset = "one.csv"
[[dataset]]
name = "second"
dataset = "two.csv"
extra_methods = ["pca"]
[[question]]
name = "random"
methods = ["random"]
against = ["raw"]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A study file and its tables."""
    made = tmp_path_factory.mktemp("study")
    rng = np.random.default_rng(0)
    for name in ("one", "two"):
        labels = np.arange(60) % 2
        rows = rng.normal(size=(60, 3)) + labels[:, None]
        lines = [
            ",".join([*(f"{value:.4f}" for value in row), str(label)]) for row, label in zip(rows, labels, strict=True)
        ]
        (made / f"{name}.csv").write_text("a,b,c,label\n" + "\n".join(lines))
    (made / "study.toml").write_text(FILE)
    return made


@pytest.fixture(scope="module")
def finished(folder):
    """The folder of the study, run by two shards and then as a whole."""
    out = folder / "out"
    for shard in ("1/2", "2/2"):
        main([str(folder / "study.toml"), "--out", str(out), "--shard", shard])
    assert not (out / "results.json").exists()
    main([str(folder / "study.toml"), "--out", str(out)])
    return out


def test_a_study_has_a_cell_for_each_data_set_and_budget_that_its_classes_allow(finished):
    results = read_run(finished, ("study",))
    cells = {(cell["dataset"], cell["labels_per_class"]) for cell in results["cells"]}
    assert cells == {("one", 4), ("one", None), ("second", 4), ("second", None)}
    (question,) = results["questions"]
    assert [(row["labels_per_class"], len(row["datasets"])) for row in question["rows"]] == [(4, 2), (None, 2)]
    for row in question["rows"]:  # the differences are those of the runs' own results
        for dataset, difference in zip(row["datasets"], row["differences"], strict=True):
            run = finished / dataset / ("" if row["labels_per_class"] is None else "label-curve/4")
            means = {one["name"]: one["test_accuracy"]["mean"] for one in read_run(run)["methods"]}
            assert difference == pytest.approx(means["random"] - means["raw"])
        assert row["decided"] is None  # two data sets decide nothing
    assert results["warnings"] == []
    page = (finished / "report.html").read_text()
    assert '<a href="second/report.html">second</a>' in page
    assert "Two tables" in (finished / "table.md").read_text()
    assert "\n## out\n\n2 data sets, 4 cells" in render_index(finished.parent)


def test_a_finished_study_trains_nothing_and_one_that_has_grown_only_what_is_new(finished, folder, capsys):
    times = {path: path.stat().st_mtime_ns for path in finished.glob("*/results.json")}
    grown = FILE.replace("4, 500", "4, 8").replace(
        "[[question]]", '[[dataset]]\nname = "third"\ndataset = "one.csv"\n[[question]]'
    )
    (folder / "grown.toml").write_text(grown)
    main([str(folder / "grown.toml"), "--out", str(finished), "--list"])
    listed = capsys.readouterr().out
    assert "third" in listed
    assert {path: path.stat().st_mtime_ns for path in times} == times
    main([str(folder / "study.toml"), "--out", str(finished), "--json"])
    assert json.loads(capsys.readouterr().out)["title"] == "Two tables"
    assert {path: path.stat().st_mtime_ns for path in finished.glob("*/results.json")} == times


def test_a_shard_ends_with_an_error_if_a_comparison_failed_but_runs_the_others(folder, tmp_path, monkeypatch):
    ran = []

    def compare(config, out, *_):
        ran.append(out.name)
        require(out.name != "one", "too little memory")

    monkeypatch.setattr("aejax.experiments.study.compare", compare)
    monkeypatch.setattr("aejax.experiments.study.compare_with_label_curve", lambda run, _, *rest: compare(run, *rest))
    study = read_study(folder / "study.toml")
    with pytest.raises(InputError, match=r"--shard 1/1: not run: one \(too little memory\); the same command"):
        run_study(study, tmp_path, Console(quiet=True), shard="1/1")
    assert ran == ["one", "second"]


@pytest.mark.parametrize("shard", [None, "1/1"])
@pytest.mark.parametrize("failed", [True, False])
def test_a_folder_that_is_taken_away_is_not_made_again(folder, tmp_path, monkeypatch, shard, failed):
    def compare(config, out, *_):
        shutil.rmtree(out.parent)
        require(not failed, "was moved or deleted")

    monkeypatch.setattr("aejax.experiments.study.compare_with_label_curve", lambda run, _, *rest: compare(run, *rest))
    monkeypatch.setattr(
        "aejax.experiments.study.plan_runs", lambda runs: (PlannedRun(run, None, (4,), None) for run in runs)
    )
    with pytest.raises(InputError, match="/study: was moved or deleted while this process filled it"):
        run_study(read_study(folder / "study.toml"), tmp_path / "study", Console(quiet=True), shard=shard)
    assert not (tmp_path / "study").exists()


def test_budgets_that_are_no_longer_declared_are_left_out_and_new_ones_are_not_finished(finished, folder):
    run = read_study(folder / "study.toml").runs[0]
    assert [cell.labels_per_class for cell in read_cells([run], finished)] == [4, None]
    assert [cell.labels_per_class for cell in read_cells([run._replace(label_budgets=())], finished)] == [None]
    states = {
        budgets: describe_plan(plan_run(run._replace(label_budgets=budgets)), finished)["finished"]
        for budgets in ((), (4,), (8,))
    }
    assert states == {(): True, (4,): True, (8,): False}


def test_two_whole_studies_cannot_fill_one_folder(folder, tmp_path):
    with acquire_lock(tmp_path), pytest.raises(InputError, match="is in use by process"):
        run_study(read_study(folder / "study.toml"), tmp_path, Console(quiet=True))


@pytest.mark.parametrize("path", sorted((ROOT / "scripts" / "studies").glob("*.toml")), ids=lambda path: path.stem)
def test_committed_studies_can_be_read(path):
    study = read_study(path)
    assert len({run.folder for run in study.runs}) == len(study.runs) >= 3


def test_the_study_of_the_manual_can_be_read(tmp_path):
    text = (ROOT / "aejax" / "docs" / "study.md").read_text()
    (tmp_path / "tables.toml").write_text(re.search(r"```toml\n(.*?)```", text, re.DOTALL)[1])
    assert [run.folder for run in read_study(tmp_path / "tables.toml").runs] == ["customers", "sensors", "survey"]


def test_a_margin_may_be_written_as_a_whole_number():
    study = make_study({"study": {"margin": 0.0}, "dataset": [{"dataset": "wine", "margin": 0}, {"dataset": "digits"}]})
    assert [run.config.evaluation.margin for run in study.runs] == [0, 0]


def test_variants_follow_the_data_sets_and_have_more_methods_only_where_they_name_none():
    declared = {
        "study": {"methods": ["raw"]},
        "dataset": [{"dataset": "wine", "extra_methods": ["knn"], "latent_dim": 4}, {"dataset": "digits"}],
        "variant": [{"name": "wide", "methods": ["vae"], "latent_dim": 32}, {"name": "long", "epochs": 9}],
        "question": [{"name": "width", "methods": ["vae@wide"], "against": ["raw"]}],
    }
    study = make_study(declared)
    folders = ["wine", "digits", "wine@wide", "digits@wide", "wine@long", "digits@long"]
    assert [run.folder for run in study.runs] == folders
    assert [run.config.methods for run in study.runs[::2]] == [("raw", "knn"), ("vae",), ("raw", "knn")]
    assert [run.config.model.latent_dim for run in study.runs[::2]] == [4, 32, 4]
    assert study.questions[0].pairs == (("vae@wide", "raw"),)


REJECTED = {
    "a section": ("[[datasets]]\ndataset='a'", "dataset"),
    "a key": ("[study]\nlabel_budget=[2]\n[[dataset]]\ndataset='wine'", "label_budgets"),
    "a setting": ("[[dataset]]\ndataset='wine'\nlatent_dims=3", "latent_dim"),
    "a budget": ("[study]\nlabel_budgets=[1]\n[[dataset]]\ndataset='wine'", "at least 2"),
    "a method of a question": (
        "[[dataset]]\ndataset='wine'\n[[question]]\nname='1'\nmethods=['undercomplete']\nagainst=['rav']",
        "raw",
    ),
    "two sets of one name": ("[[dataset]]\ndataset='wine'\n[[dataset]]\ndataset='wine'", "name"),
    "two questions of one name": (
        "[[dataset]]\ndataset='wine'\n" + "[[question]]\nname='1'\nmethods=['raw']\nagainst=['pca']\n" * 2,
        "two [[question]]",
    ),
    "a folder's name": ("[[dataset]]\ndataset='wine'\nname='../wine'", "../wine"),
    "labels of its own": ("[[dataset]]\ndataset='wine'\nlabels_per_class=3", "label_budgets"),
    "two metrics": ("[[dataset]]\ndataset='wine'\nmetric='nll'\n[[dataset]]\ndataset='digits'", "accuracy and nll"),
    "two margins": ("[[dataset]]\ndataset='wine'\nmargin=0.05\n[[dataset]]\ndataset='digits'", "0.005 and 0.05"),
    "a wrong type": ("[study]\nseeds='ten'\n[[dataset]]\ndataset='wine'", "study.seeds"),
    "a date": ("[[dataset]]\ndataset='wine'\nepochs=2020-01-01", "cannot be read"),
    "one method as a text": ("[[dataset]]\ndataset='wine'\nmethods='raw'", "expected a list"),
    "one more method as a text": ("[[dataset]]\ndataset='wine'\nextra_methods='svm'", "expected a list"),
    "no such method": ("[[dataset]]\ndataset='wine'\nmethods=['rav']", "raw"),
    "no set": ("[study]\nseeds=3", "dataset"),
    "no TOML": ("[study", "cannot be read"),
}


@pytest.mark.parametrize(("text", "word"), REJECTED.values(), ids=REJECTED)
def test_a_file_that_is_wrong_is_rejected_in_one_line_that_names_it(tmp_path, text, word):
    path = tmp_path / "study.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=r"study\.toml") as caught:
        read_study(path)
    assert word in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_python_file_declares_the_same_study(folder):
    (folder / "study.py").write_text(f"import tomllib\nstudy = tomllib.loads({FILE!r})\n")
    assert read_study(folder / "study.py") == read_study(folder / "study.toml")


@pytest.mark.parametrize("settings", [{"seeds": 4}, {"test_seed": 1}])
def test_a_variant_with_other_test_rows_is_rejected_before_anything_is_run(tmp_path, settings):
    defaults = {"methods": ["raw"], "probe": "ridge", "seeds": 3}
    study = make_study({"defaults": defaults, "dataset": [{"dataset": "wine"}], "variant": [{"name": "v"} | settings]})
    with pytest.raises(InputError, match=r"^wine@v: is tested on other rows than wine"):
        run_study(study, tmp_path, Console(quiet=True))
    assert not (tmp_path / "wine").exists()


def make_cell(dataset, gains, reconstruction=None, labels_per_class=None, seeds=6, examples=400):
    """A cell whose methods have exactly these accuracies, on the same examples."""
    rng = np.random.default_rng(len(dataset))
    values = {}
    for name, accuracy in gains.items():
        values[name] = np.zeros((seeds, examples))
        values[name][:, : round(accuracy * examples)] = 1
        values[name] = values[name][:, rng.permutation(examples)]
    design = holdout_design(np.arange(examples) % 2, seeds, 4 * examples)
    methods = {
        name: {
            "name": name,
            "role": "control",
            "test_accuracy": {"mean": accuracy},
            "probe": {},
            "reconstruction_mse": {"mean": (reconstruction or {}).get(name)} if reconstruction else None,
            "measures": {"explained_variance": {"mean": 1 - (reconstruction or {}).get(name, 0)}},
        }
        for name, accuracy in gains.items()
    }
    return Cell(dataset, labels_per_class, 100, dataset, methods, values, design, [("code", "raw", "code")])


def test_what_holds_on_every_data_set_is_decided_and_replicated():
    cells = [make_cell(f"set{'x' * index}", {"raw": 0.7, "code": 0.9, "same": 0.7}) for index in range(8)]
    question = Question("q", "", (("code", "raw"), ("raw", "code"), ("same", "raw")))
    results = analyze_cells(cells, [question], EvaluationConfig(margin=0.05))
    better, worse, same = results["questions"][0]["rows"]
    assert (better["decided"], worse["decided"], same["decided"]) == ("better", "worse", "equivalent")
    assert better["replicated"] == {"better": 8, "worse": 0, "of": 8}
    assert worse["hierarchical"]["mean"] == pytest.approx(-0.2, abs=0.01)
    assert better["p"] <= better["p_holm"] == pytest.approx(3 * 2 / 2**8)
    assert results["budgets"][0]["ranks"]["mean_ranks"].tolist() == [2.5, 1.0, 2.5]


def test_a_method_has_one_line_in_all_panels_and_every_line_is_in_the_legend():
    cells = [make_cell("a", {"raw": 0.7, "code": 0.9}, labels_per_class=4)]
    cells += [make_cell("b", {"raw": 0.7, "svm": 0.8, "code": 0.9, "tuned": 0.9})]
    figure = plot_profiles(to_jsonable({"metric": "accuracy", **analyze_cells(cells, [], EvaluationConfig())}))
    few, every = ([line.get_color() for line in axes.get_lines()] for axes in figure.axes)
    assert (few[0], few[1]) == (every[0], every[2])
    assert len(set(every)) == 4
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["raw", "code", "svm", "tuned"]
    assert [line.get_color() for line in legend.get_lines()] == [every[index] for index in (0, 2, 1, 3)]


def test_data_sets_with_the_same_rows_and_seeds_that_diverged_are_named():
    cells = [make_cell(name, {"raw": 0.7, "code": 0.9}, labels_per_class=4) for name in ("a", "b", "c")]
    cells = [cell._replace(sha256=sha256) for cell, sha256 in zip(cells, ("1", "2", "1"), strict=True)]
    cells[1].methods["code"]["diverged_epoch"] = [None, 3, None, None, 1, None]
    assert list(cell_warnings([*cells, *cells])) == [
        "a and c have the same rows and count as 2 data sets; leave all but one out",
        "b: 2 of 6 seeds of code diverged and are scored with their last finite weights",
    ]
    assert list(cell_warnings([cell._replace(sha256="") for cell in cells[::2]])) == []


def test_a_question_whose_methods_no_data_set_has_says_so():
    question = Question("q", "Why?", (("code", "svm"),))
    results = analyze_cells([make_cell("a", {"raw": 0.7, "code": 0.9})], [question], EvaluationConfig())
    assert study_findings(results) == ["q: Why? No data set has both methods of a pair."]


def test_without_questions_each_method_is_compared_as_its_runs_did():
    cells = [make_cell("a", {"raw": 0.7, "code": 0.9}), make_cell("b", {"raw": 0.7, "code": 0.9})]
    (question,) = analyze_cells(cells, [], EvaluationConfig())["questions"]
    assert [(row["method"], row["baseline"]) for row in question["rows"]] == [("code", "raw")]


def test_a_comparison_of_two_families_is_in_the_question_of_each():
    comparisons = [("code", "raw", "code"), ("code", "pca", "code"), ("code", "raw", "versus")]
    cell = make_cell("a", {"raw": 0.7, "pca": 0.8, "code": 0.9})._replace(comparisons=comparisons)
    questions = {question.name: question.pairs for question in default_questions([cell])}
    assert questions == {"code": (("code", "raw"), ("code", "pca")), "versus": (("code", "raw"),)}


def test_a_better_reconstruction_correlates_where_it_goes_with_accuracy():
    errors = {"raw": 0.5, "a": 0.4, "b": 0.3, "c": 0.2, "d": 0.1}
    cells = [
        make_cell(f"set{'x' * index}", {name: 0.95 - error / 2 for name, error in errors.items()}, errors)
        for index in range(5)
    ]
    found = next(entry for entry in correlate(cells) if entry["quantity"] == "reconstruction")
    assert found["within"]["mean"] == pytest.approx(1)
    assert found["across"] == {}  # every method has the same error on all data sets


@pytest.mark.parametrize("name", ["mlp", "supervised-conv"])
def test_features_that_are_made_from_labels_are_not_correlated_with_accuracy(name):
    errors = {"raw": 0.5, "a": 0.4, "b": 0.3, "c": 0.2, "d": 0.1, name: 0.45}
    cells = [
        make_cell(f"set{'x' * index}", {other: 1 - errors[other] for other in errors}, errors) for index in range(5)
    ]
    for index, cell in enumerate(cells):
        cell.methods[name] |= {"probe": None, "reconstruction_mse": {"mean": 1.0}, "rankme": {"mean": 1.0 + index}}
    found = correlate(cells)
    assert found[0]["within"]["mean"] == pytest.approx(1)
    assert all(name not in entry["across"] for entry in found)
