"""`--sensitivity`: verdicts under variations. One is planted that the standardisation of the probe decides."""

import dataclasses
import json
import shutil
import time

import numpy as np
import pytest
from preparing import configure
from resuming import Killed
from rich.console import Console

import aejax
from aejax.config import CheckpointConfig, CompareConfig, ProbeConfig
from aejax.errors import InputError
from aejax.evaluate.verdicts import judge_sensitivity
from aejax.experiments import variations, varied_runs
from aejax.experiments.compare import compare, design_comparison, load_comparison
from aejax.experiments.rejudge import rejudge_run
from aejax.experiments.varied_runs import run_with_analyses
from aejax.report.comparison_table import render_comparison_terminal
from aejax.storage.results_file import read_results
from tests.consoles import quiet

NOISE_FEATURES, SCALE = 200, 100
L1 = CompareConfig().objective.l1
TRIED = ("standardization", "draw-1", "penalty-x10")


def save_triangle(path):
    """Saves three classes at the corners of a large triangle in two features, and many small features of noise.

    Standardised, the noise drowns the triangle for a classifier with few labels. A code of one unit is dominated by the
    triangle, but sees only one of its two directions, so it is better than the standardised inputs and worse than the
    others.
    """
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.repeat(np.arange(3), 200))
    corners = SCALE * np.array([[0.0, 1.0], [0.87, -0.5], [-0.87, -0.5]])
    triangle = corners[labels] + SCALE / 10 * rng.normal(size=(600, 2))
    np.savez(path, x=np.hstack([triangle, rng.normal(size=(600, NOISE_FEATURES))]).astype(np.float32), y=labels)
    return str(path)


def compare_with_sensitivity(config, folder, console):
    design = load_comparison(config)
    analyses = [variations.analyze_sensitivity(design)]
    return run_with_analyses(design, analyses, folder, console, CheckpointConfig(), time.perf_counter())


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    data = save_triangle(tmp_path_factory.mktemp("data") / "triangle.npz")
    model = {"hidden": (), "latent_dim": 1, "sparse_dim": 1, "code_activation": "linear", "epochs": 1, "seeds": 6}
    methods = ("raw", "undercomplete", "sparse-l1")
    return configure(dataset=data, scaler="none", labels_per_class=8, **model, probe="ridge", methods=methods)


@pytest.fixture(scope="module")
def run(config, tmp_path_factory):
    """A run that is killed in its second variation and continued, with what it printed."""
    folder, console = tmp_path_factory.mktemp("sensitivity") / "run", quiet()
    seen = []

    def killed(design, out, *args):
        seen.append(out.name)
        if out.name == TRIED[1] and seen.count(out.name) == 1:
            raise Killed
        return run_comparison(design, out, *args)

    run_comparison = varied_runs.run_comparison
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(variations, "VARIATIONS", [row for row in variations.VARIATIONS if row[0] in TRIED])
        patch.setattr(varied_runs, "run_comparison", killed)
        with pytest.raises(Killed):
            compare_with_sensitivity(config, folder, quiet())
        finished = [folder / "results.json", folder / "sensitivity" / TRIED[0] / "results.json"]
        before = [read_results(path) for path in finished]
        results = compare_with_sensitivity(config, folder, console)
        after = read_results(finished[0])
        again = compare_with_sensitivity(config, folder, quiet())
    assert {key: value for key, value in after.items() if key != "sensitivity"} == before[0]
    assert read_results(finished[1]) == before[1]
    assert again == json.loads(json.dumps(after))
    assert seen == ["run", *TRIED[:2], "run", *TRIED, "run"]
    return folder, results, console.file.getvalue()


def entry(results, method):
    return next(row for row in results["sensitivity"]["comparisons"] if row["method"] == method)


def test_a_verdict_that_standardisation_decides_is_fragile(run):
    _, results, _ = run
    row = entry(results, "undercomplete")
    assert row["verdicts"] == {"standardization": "worse", "draw-1": "better", "penalty-x10": None}
    assert (row["holds"], row["of"], row["fragile"], row["reversed_by"]) == (1, 2, True, ["standardization"])
    assert entry(results, "sparse-l1")["of"] == 3


def test_cost_is_announced_before_training(run):
    lines = run[2].splitlines()
    assert lines[0] == (
        "--sensitivity: 3 more comparisons, which train 3 epochs besides the 2 of this one: "
        f"--no-probe-standardize; --test-seed 1; --l1 {10 * L1:g}"
    )


def test_a_variation_equals_a_comparison_with_its_settings(run, config, tmp_path):
    folder = run[0]
    probe = ProbeConfig(probe="ridge", probe_standardize=False)
    alone = compare(dataclasses.replace(config, probe=probe, methods=config.methods[:2]), tmp_path / "alone", quiet())
    varied = read_results(folder / "sensitivity" / "standardization" / "results.json")
    assert varied["comparisons"][:1] == json.loads(json.dumps(alone["comparisons"]))
    assert not (folder / "sensitivity" / "standardization" / "metrics.jsonl").exists()  # nothing was trained
    lines = (folder / "sensitivity" / "penalty-x10" / "metrics.jsonl").read_text().splitlines()
    assert {json.loads(line)["method"] for line in lines} == {"sparse-l1"}
    assert not (folder / "found").exists()


def test_findings_tables_and_rejudged_results_show_it(run):
    folder, results, _ = run
    console = Console(width=80, record=True, file=quiet().file)
    console.print(render_comparison_terminal(results))
    text = console.export_text()
    words = " ".join(text.split())
    assert "verdict holds in" in words
    assert "1 of 2," in words
    assert "fragile: worse with --no-probe-standardize" in words
    assert "…" not in text
    table = (folder / "table.md").read_text()
    assert "| holds in |" in table
    assert f"`--no-probe-standardize`, `--test-seed 1`, `--l1 {10 * L1:g}`" in table
    before = read_results(folder / "results.json")["sensitivity"]
    assert rejudge_run(folder)[1] == []
    assert read_results(folder / "results.json")["sensitivity"] == before


def test_a_run_whose_variations_were_not_kept_is_judged_again_with_their_verdicts(run, tmp_path):
    for name in ("results.json", "correct.npz", "table.md"):
        shutil.copy(run[0] / name, tmp_path)
    before = read_results(tmp_path / "results.json")["sensitivity"]
    kept = [f"sensitivity/{name}: is not here; what was judged of it is kept" for name in TRIED]
    assert rejudge_run(tmp_path)[1] == kept
    assert read_results(tmp_path / "results.json")["sensitivity"] == before


@pytest.mark.slow
def test_a_comparison_in_python_needs_no_folder(monkeypatch):
    monkeypatch.setattr(variations, "VARIATIONS", [row for row in variations.VARIATIONS if row[0] == TRIED[0]])
    settings = {"methods": ["raw", "undercomplete"], "seeds": 2, "epochs": 1, "probe": "ridge"}
    result = aejax.compare("wine", sensitivity=True, **settings)
    assert [variation["name"] for variation in result.results["sensitivity"]["variations"]] == [TRIED[0]]
    assert result.folder is None
    np.testing.assert_array_equal(result.scores["correct"], aejax.compare("wine", **settings).scores["correct"])


@pytest.mark.parametrize(
    ("verdict", "varied", "holds", "fragile"),
    [
        ("better", ["better", "inconclusive", "equivalent", "not worse"], 1, False),
        ("better", ["worse", "better"], 1, True),
        ("worse", ["better"], 0, True),
        ("equivalent", ["equivalent", "better"], 1, True),
        ("not worse", ["worse", "not worse"], 1, True),
        ("inconclusive", ["better", "worse", "inconclusive"], 1, False),
        ("too few seeds", ["too few seeds"], 1, False),
    ],
)
def test_only_an_opposite_verdict_makes_one_fragile(verdict, varied, holds, fragile):
    judged = judge_sensitivity(verdict, {str(number): value for number, value in enumerate(varied)})
    assert (judged.holds, judged.of, judged.fragile) == (holds, len(varied), fragile)


def test_the_declared_variations_change_one_thing_each():
    flags = {entry.name: entry.flags for entry in variations.make_variations(CompareConfig())}
    assert flags == {
        "standardization": "--no-probe-standardize",
        "draw-1": "--test-seed 1",
        "draw-2": "--test-seed 2",
        "penalty-x10": f"--l1 {10 * L1:g}",
        "penalty-x0.1": f"--l1 {0.1 * L1:g}",
        "probe-ridge": "--probe ridge",
        "probe-knn": "--probe knn",
    }
    tutorial = variations.make_variations(configure(split="tutorial", methods=("raw", "vae")))
    assert [entry.name for entry in tutorial] == ["standardization", "probe-ridge", "probe-knn"]


def test_nearest_neighbours_have_no_variation_of_standardisation():
    varied = variations.make_variations(configure(probe="knn"))
    assert "standardization" not in {one.name for one in varied}


@pytest.mark.parametrize(
    ("settings", "name", "changed"),
    [
        ({"probe": "finetune"}, "standardization", {"raw"}),  # a fine-tuned encoder's head has none
        ({}, "standardization", {"raw", "sparse-l1"}),
        ({"tune": 2}, "probe-ridge", {"raw", "sparse-l1", "knn-sparse-l1"}),  # whose setting the probe chooses
        ({}, "probe-ridge", {"raw", "sparse-l1"}),
    ],
)
def test_a_variation_changes_what_its_setting_decides(settings, name, changed):
    methods = ("raw", "sparse-l1", "knn-sparse-l1", "svm", "knn")
    design = design_comparison(configure(methods=methods, **settings), aejax.load_dataset("wine"))
    varied = next(one for one in variations.make_variations(design.config) if one.name == name)
    assert {method for method, one in design.methods.items() if varied.affects(method, one)} == changed
    trained = changed & {"sparse-l1", "knn-sparse-l1"} if "tune" in settings else set()
    assert {method for method, one in design.methods.items() if varied.retrains(method, one)} == trained


@pytest.mark.parametrize(
    ("fitted", "test", "draws"), [(True, None, 0), (True, np.arange(60) < 20, 2), (False, None, 2)]
)
def test_features_given_for_each_training_are_not_tested_on_other_draws(fitted, test, draws):
    inputs, labels = np.random.default_rng(0).normal(size=(60, 2)), np.arange(60) % 2
    own = {"mine": aejax.precomputed(np.stack([inputs] * 2) if fitted else inputs)}
    config = CompareConfig(methods=("raw", "mine"), seeds=2)
    analysis = variations.analyze_sensitivity(
        design_comparison(config, aejax.make_dataset(inputs, labels, test=test), own)
    )
    assert sum(one.scope == "data" for one in analysis.variations) == draws
    note = "--sensitivity has no other draws of test rows: what makes the features of mine may"
    assert analysis.note.startswith(note) == (draws == 0)


def test_a_variation_that_is_out_of_range_is_named():
    config = configure(methods=("raw", "sparse-l1"), l1=1e38)
    with pytest.raises(InputError, match=r"--sensitivity \(penalty-x10\): --l1 1e\+39: .*; leave --sensitivity out"):
        variations.make_variations(config)
