"""The tables of a comparison: the numbers of `results.json`, its warnings, and what fits a terminal.

`tests/test_readme.py` compares whole pages, with their captions, with the committed ones.
"""

import copy
import re

import pytest

from aejax.evaluate.representation import REPRESENTATION_METRICS
from aejax.report.comparison_table import render_comparison_markdown, render_comparison_terminal
from aejax.report.findings import describe_findings
from aejax.report.formatting import MISSING, format_mean_ci
from aejax.report.method_tables import REPRESENTATION_FORMATS, representation_table
from aejax.report.results import best_method
from aejax.report.tables import format_markdown_table
from tests.consoles import render


def cells(markdown, *leading):
    """Returns the cells of the one table row that begins with these."""
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in markdown.splitlines() if "|" in line]
    (row,) = [row for row in rows if tuple(row[: len(leading)]) == leading and len(row) > 3]
    return row


def render_terminal(results, width=100, *, details=False, **options):
    return render(render_comparison_terminal(results, details=details), width, **options)


def test_every_method_has_a_row_with_its_numbers(results):
    table = render_comparison_markdown({**results, "comparisons": []})
    for method in results["methods"]:
        row = cells(table, method["name"])
        assert row[1] == str(method["features"])
        accuracy = method["test_accuracy"]
        mean, low, high = (float(part.strip("[],")) for part in row[2].split())
        assert mean == pytest.approx(100 * accuracy["mean"], abs=0.00501)
        assert [low, high] == pytest.approx([100 * bound for bound in accuracy["ci95"]], abs=0.00501)
        assert float(row[3].split()[0]) == pytest.approx(method["test_nll"]["mean"], abs=0.000501)
        assert row[5:] == ["1.2", "8.7", "0.6"]


def test_every_comparison_has_a_row_with_its_numbers(results):
    table = render_comparison_markdown(results)
    for comparison in results["comparisons"]:
        row = cells(table, comparison["method"], comparison["baseline"])
        assert float(row[2]) == pytest.approx(100 * comparison["mean_difference"], abs=0.00501)
        assert row[4:] == ["0.040", comparison["verdict"]]


def test_markdown_escapes_bars_and_aligns_columns():
    lines = format_markdown_table(("name", "value"), "lr", [("a|b", "1"), ("c", "2")]).splitlines()
    assert lines[1] == "| :--- | ---: |"
    assert {line.replace("\\|", "").count("|") for line in lines} == {3}


@pytest.mark.parametrize(
    ("damage", "warning"),
    [
        (lambda method: method["diverged_epoch"].__setitem__(0, 0), "1 of 10 seeds diverged: 0 (epoch 0)"),
        (lambda method: method["probe"]["converged"].__setitem__(4, False), "did not converge for seed 4,"),
        (lambda method: method["probe"].update(grid_edge=[True] * 2 + [False] * 8), "its grid for seeds 0, 1; fix"),
    ],
    ids=["diverged", "unconverged probe", "grid edge"],
)
def test_both_tables_warn_of_a_problem_and_of_nothing_else(results, damage, warning):
    assert "⚠" not in render_comparison_markdown(results)
    damage(results["methods"][-1])
    for text in (render_comparison_markdown(results), render_terminal(results)):
        (shown,) = text.split("⚠")[1:]
        assert "sparse-l1" in shown
        assert warning in " ".join(shown.split())
        assert re.search(r"--[a-z]", shown)  # what to do


@pytest.mark.parametrize(
    ("low", "seeds", "warns"),
    [
        pytest.param(0.106, 10, True, id="above chance by more than the margin"),
        pytest.param(0.104, 10, False, id="within the margin"),
        pytest.param(0.106, 3, False, id="too few seeds"),
    ],
)
def test_accuracy_above_chance_with_permuted_labels_is_reported_as_a_leak(results, low, seeds, warns):
    row = copy.deepcopy(results["methods"][0])
    row["name"] = "permuted"
    row["test_accuracy"].update(mean=low + 0.02, ci95=[low, low + 0.04])
    row["probe"].update(grid_edge=[True] * 10)
    results["methods"].append(row)
    results["dataset"]["majority_share"] = 0.1
    for method in results["methods"]:
        method["test_accuracy"]["per_seed"] = method["test_accuracy"]["per_seed"][:seeds]
    text = render_comparison_markdown(results)
    assert ("test labels leak" in text) == warns
    assert "edge of its grid" not in text  # the strongest penalty is right for labels without meaning


def test_duplicates_are_warned_of_or_reported_as_removed(results):
    counts = {"train_test": 3, "dropped": 0, "near_train_test": 1, "near_dropped": 0}
    results["dataset"].update(duplicates=counts)
    lines = [line for line in render_comparison_markdown(results).splitlines() if "⚠" in line]
    assert "3 training or validation examples equal a test example; `--duplicates drop` removes" in lines[0]
    assert "1 training or validation example nearly equals a test example (shifted" in lines[1]
    results["dataset"].update(duplicates={"train_test": 0, "dropped": 2, "near_train_test": 0, "near_dropped": 4})
    text = render_comparison_markdown(results)
    assert "⚠" not in text
    for part in ("2 equal", "4 nearly equal"):
        assert f"Removed from training and validation: {part} to a test example." in text


def test_the_terminal_shows_every_method_and_colours_verdicts(results):
    text = render_terminal(results)
    for method in results["methods"]:
        assert format_mean_ci(method["test_accuracy"], scale=100, decimals=2) in text
    assert "\x1b[1;32mbetter" in render_terminal(results, force_terminal=True, color_system="standard")


def test_the_finding_comes_first_and_has_every_verdict_with_its_numbers(results):
    findings = describe_findings(results)
    assert [finding.split()[0] for finding in findings] == ["undercomplete", "denoising", "sparse-l1"]
    assert findings[1] == (
        "denoising is better than pca (+2.10 [+1.80, +2.50] points of accuracy) and random (+8.50 [+8.20, +8.90]); "
        "worse than supervised (-1.50 [-1.80, -1.10]); no verdict against raw (+0.20 [-0.10, +0.60])."
    )
    terminal = " ".join(render_terminal(results).split())
    assert terminal.startswith(findings[0])
    assert describe_findings({**results, "comparisons": []}) == []


def test_too_few_seeds_are_the_whole_finding(results):
    for row in results["comparisons"]:
        row.update(verdict="too few seeds", reason="2 seeds; a verdict needs at least 6")
    assert describe_findings(results)[0] == "undercomplete: no verdict: 2 seeds; a verdict needs at least 6."


def test_less_nll_is_better_in_the_table_the_finding_and_the_best_method(results):
    results["metric"] = "nll"
    for method in results["methods"]:
        method["test_nll"]["mean"] = 1 - method["test_accuracy"]["mean"]
    assert best_method(results, control=True)["name"] == "supervised"
    assert best_method(results, control=False)["name"] == "denoising"
    assert render_comparison_markdown(results).startswith("| method | d | NLL, nats | accuracy, % | recon. MSE |")
    assert "nats of NLL" in describe_findings(results)[0]


def test_another_metric_is_the_first_column_and_accuracies_near_a_constant_guess_point_to_it(results):
    results["margin"] = 0.005
    for comparison in results["comparisons"]:
        comparison["test"] = "sign-flip over seeds"
    results["dataset"]["majority_share"] = 0.995
    assert "--metric" not in render_comparison_markdown(results)
    results["dataset"]["majority_share"] = 0.997
    (line,) = [line for line in render_comparison_markdown(results).splitlines() if "⚠" in line]
    assert "accuracy gives no verdict" in line
    assert "`--metric balanced_accuracy`" in line
    results["metric"] = "auroc"
    for method in results["methods"]:
        method["test_auroc"] = {"per_seed": [0.7] * 10, "mean": 0.7, "ci95": [0.6, 0.8]}
    text = render_comparison_markdown(results)
    assert "⚠" not in text
    assert cells(text, "raw")[2] == "0.7000 [0.6000, 0.8000]"
    assert cells(text, "denoising", "pca")[2] == "+0.0210"


def test_unknown_numbers_are_shown_as_missing_and_rendering_changes_nothing(results):
    for method in results["methods"]:
        method["test_accuracy"].update(mean=None, ci95=None)
        method.update(probe=None, reconstruction_mse=None)
        method["seconds"] = {"compile": None, "pretrain": 0.0, "probe": None}
    for comparison in results["comparisons"]:
        comparison.update(mean_difference=float("inf"), ci95=[None, None], p_holm=None, verdict="too few seeds")
    before = copy.deepcopy(results)
    assert cells(render_comparison_markdown(results), "raw")[4:] == [MISSING] * 4
    assert cells(render_comparison_markdown(results), "denoising", "pca")[2:] == [MISSING] * 3 + ["too few seeds"]
    assert "too few seeds" in render_terminal(results)
    assert results == before


def test_the_calibration_table_names_the_worst_class_and_failed_seeds(results):
    results["dataset"]["class_names"] = ["zero", "one", "two"]
    for method in results["methods"]:
        for name in ("balanced_accuracy", "calibration_error", "brier"):
            method[name] = {"per_seed": [0.95], "mean": 0.475, "ci95": None}
        method["per_class_accuracy"] = {"per_seed": [[0.9, 0.65, None]], "mean": [0.9, 0.65, None]}
        method["failed_seeds"] = []
    results["methods"][0]["failed_seeds"] = [3, 7]
    for text in (render_comparison_markdown(results), render_terminal(results, details=True)):
        (row,) = [line for line in text.splitlines() if line.strip("| ").startswith("raw") and "one" in line]
        for part in ("47.50", "65.00", "3, 7"):  # balanced accuracy, that of class one, seeds
            assert part in row
    results["methods"][0]["per_class_accuracy"]["mean"] = [None, None, None]
    (row,) = [line for line in render_comparison_markdown(results).splitlines() if line.startswith("| raw | 47.50")]
    assert row.split(" | ")[4:6] == [MISSING, MISSING]


@pytest.mark.parametrize(("seeds", "too_few"), [(10, False), (7, True)])
def test_the_caption_names_the_seeds_that_a_family_of_comparisons_requires(results, seeds, too_few):
    results["margin"] = 0.01
    for comparison in results["comparisons"]:  # as of version 0.1.0, without adjusted intervals
        comparison["test"] = "sign-flip over seeds"
    for method in results["methods"]:
        method["test_accuracy"]["per_seed"] = method["test_accuracy"]["per_seed"][:seeds]
    sentence = "With 4 comparisons of one autoencoder, p below .05 requires 8 seeds."
    assert (sentence in render_comparison_markdown(results)) == too_few


def test_the_representation_table_has_the_means_of_every_metric(results_with_diagnostics):
    assert tuple(REPRESENTATION_METRICS) == tuple(REPRESENTATION_FORMATS)
    methods = results_with_diagnostics["diagnostics"]["methods"]
    for method, row in zip(methods, representation_table(results_with_diagnostics).rows(), strict=True):
        name, *metrics, between_seeds = [cell.text for cell in row]
        assert (name, between_seeds) == (method["name"], "0.71")
        expected = [method[name]["mean"] * (100 if name == "knn_purity" else 1) for name in REPRESENTATION_FORMATS]
        assert [float(cell) for cell in metrics] == pytest.approx(expected, abs=0.0501)


@pytest.mark.parametrize(("likelihood", "heading"), [("bernoulli", "pseudo-ELBO, nats"), ("gaussian", "ELBO, nats")])
def test_a_bernoulli_likelihood_of_grey_values_is_shown_as_none(results, likelihood, heading):
    changed = {**copy.deepcopy(results), "config": {"objective": {"likelihood": likelihood}}}
    changed["methods"][-1]["measures"] = {"elbo": {"mean": -80.0}}
    table = render_comparison_markdown(changed)
    assert f"| {heading} |" in table
    assert ("not of grey values" in table) == (likelihood == "bernoulli")


def test_probes_of_few_features_have_a_column_for_each_number_of_them(results):
    for method, scores in zip(
        results["methods"][:2], ([[0.5, 0.75], [0.6, 0.85]], [[0.2, 0.3], [0.2, None]]), strict=True
    ):
        method["top_units"] = {"counts": [[1, 16]] * 2, "metric": scores}
    first, second = (method["name"] for method in results["methods"][:2])
    table = render_comparison_markdown(results).partition("features per class")[2]
    assert f"| 1 | 16 |\n| :--- | ---: | ---: |\n| {first} | 55.00 | 80.00 |\n| {second} | 20.00 | 30.00 |\n\n" in table
    assert "per class" in render_terminal(results)
    results["methods"][0]["top_units"]["counts"] = [[16]]
    assert "features per class" not in render_comparison_markdown(results)
