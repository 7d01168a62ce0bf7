import copy
import io

import pytest
from rich.console import Console

from aejax.report.comparison_table import format_markdown_table, render_comparison_markdown, render_comparison_terminal
from aejax.report.formatting import (
    MISSING,
    format_mean_ci,
    format_p_value,
    format_points,
    format_seconds,
    format_significant,
)
from aejax.report.results import best_method, with_roles


def cells(markdown, *leading):
    """The cells of the one table row that starts with these."""
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in markdown.splitlines() if "|" in line]
    (found,) = [row for row in rows if tuple(row[: len(leading)]) == leading and len(row) > 3]
    return found


def rendered(results, width=100):
    console = Console(record=True, width=width, file=io.StringIO())
    console.print(render_comparison_terminal(results))
    return console.export_text()


def test_every_method_has_a_row_with_the_numbers_of_the_dict(results):
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


def test_every_comparison_has_a_row_with_the_numbers_of_the_dict(results):
    table = render_comparison_markdown(results)
    for comparison in results["comparisons"]:
        row = cells(table, comparison["method"], comparison["baseline"])
        assert float(row[2]) == pytest.approx(100 * comparison["mean_difference"], abs=0.00501)
        assert row[4:] == ["0.040", comparison["verdict"]]


def test_a_markdown_table_has_as_many_cells_in_every_row():
    lines = format_markdown_table(("name", "value"), "lr", [("a|b", "1"), ("c", "2")]).splitlines()
    assert lines[1] == "| :--- | ---: |"
    assert {line.replace("\\|", "").count("|") for line in lines} == {3}


def test_the_caption_says_what_made_the_numbers(results):
    table = render_comparison_markdown(results)
    for part in ("1,293 training", "144 validation", "360 test", "10 seeds", "`python scripts/compare.py --dataset"):
        assert part in table
    assert "AMD EPYC, 2 cores in 41.2 s" in table
    del results["environment"]["command"], results["environment"]["machine"], results["environment"]["seconds"]
    assert "Made" not in render_comparison_markdown(results)


def test_a_run_without_trouble_warns_of_nothing(results):
    assert "⚠" not in render_comparison_markdown(results)
    assert "⚠" not in rendered(results)


@pytest.mark.parametrize(
    ("damage", "warning"),
    [
        (lambda method: method["diverged_epoch"].__setitem__(3, 12), "1 of 10 seeds diverged: 3 (epoch 12)"),
        (lambda method: method["diverged_epoch"].__setitem__(0, 0), "1 of 10 seeds diverged: 0 (epoch 0)"),
        (lambda method: method["probe"]["converged"].__setitem__(4, False), "did not converge for seed 4;"),
        (lambda method: method["probe"].update(grid_edge=[True] * 2 + [False] * 8), "its grid for seeds 0, 1."),
    ],
    ids=["diverged", "diverged in epoch 0", "unconverged probe", "grid edge"],
)
def test_trouble_is_flagged_in_both_tables(results, damage, warning):
    damage(results["methods"][-1])
    for text in (render_comparison_markdown(results), rendered(results)):
        (line,) = [line for line in text.splitlines() if "⚠" in line]
        assert "sparse-l1" in line
        assert warning in line


def with_permuted(results, low):
    """The results with a row of permuted labels whose accuracy interval begins at `low`; chance is 0.1."""
    row = copy.deepcopy(results["methods"][0])
    row["name"] = "permuted"
    row["test_accuracy"].update(mean=low + 0.02, ci95=[low, low + 0.04])
    row["probe"].update(grid_edge=[True] * 10)
    results["methods"].append(row)
    results["dataset"]["majority_share"] = 0.1


@pytest.mark.parametrize(
    ("low", "seeds", "flagged"),
    [
        pytest.param(0.106, 10, True, id="above chance by more than the margin"),
        pytest.param(0.104, 10, False, id="within the margin"),
        pytest.param(0.02, 10, False, id="at chance"),
        pytest.param(0.106, 5, False, id="so few seeds that luck may do it"),
    ],
)
def test_permuted_labels_above_chance_are_flagged_as_a_leak(results, low, seeds, flagged):
    with_permuted(results, low)
    for method in results["methods"]:
        method["test_accuracy"]["per_seed"] = method["test_accuracy"]["per_seed"][:seeds]
    for text in (render_comparison_markdown(results), rendered(results)):
        assert ("test labels leak" in " ".join(text.split())) == flagged
        assert "edge of its grid" not in text  # the strongest penalty is right for labels that mean nothing


def test_duplicates_are_flagged_and_what_was_dropped_or_left_unlabelled_is_said(results):
    assert "labels:" not in render_comparison_markdown(results)
    results["dataset"].update(duplicates={"train_test": 3, "dropped": 0}, n_labelled_train=13, n_labelled_valid=10)
    text = render_comparison_markdown(results)
    (line,) = [line for line in text.splitlines() if "⚠" in line]
    assert "3 examples outside the test equal a test example" in line
    assert "23 labels: 13 to fit and 10 to choose by" in text
    results["dataset"].update(duplicates={"train_test": 0, "dropped": 2}, n_labelled_train=1293, n_labelled_valid=144)
    text = render_comparison_markdown(results)
    assert "⚠" not in text
    assert "Left out of training and validation: 2 that equal a test example." in text
    assert "labels:" not in text


def test_neighbours_of_inputs_are_a_control_and_those_of_codes_neither_control_nor_best_autoencoder(results):
    for name in ("knn", "knn-denoising", "random-projection", "permuted-denoising"):
        row = copy.deepcopy(results["methods"][0])
        row["name"] = name
        row["test_accuracy"].update(mean=0.99 if name == "knn-denoising" else 0.98)
        results["methods"].append(row)
    for method in results["methods"]:
        del method["role"]  # as in results of version 0.1.0
    results = with_roles(results)
    controls = {method["name"] for method in results["methods"] if method["role"] == "control"}
    assert controls == {"raw", "pca", "random", "supervised", "knn", "random-projection", "permuted-denoising"}
    assert best_method(results, control=False)["name"] == "denoising"


def test_the_terminal_table_cuts_nothing_at_100_columns(results):
    results["methods"][0]["features"] = 3072
    results["methods"][4]["reconstruction_mse"]["mean"] = 1.23e-5
    results["methods"][4]["test_nll"].update(mean=12.345, ci95=[12.341, 12.349])
    results["methods"][4]["test_accuracy"].update(mean=1.0, ci95=[1.0, 1.0])
    text = rendered(results)
    assert "…" not in text
    for whole in ("3072", "[100.00,", "100.00]", "12.345", "12.349]", "1.23e-05", "undercomplete"):
        assert whole in text
    assert max(map(len, text.splitlines())) <= 100


def test_the_terminal_table_holds_every_method_difference_and_interval(results):
    text = rendered(results)
    for method in results["methods"]:
        assert format_mean_ci(method["test_accuracy"], scale=100, decimals=2) in text
    for comparison in results["comparisons"]:
        assert f"{format_points(comparison['mean_difference'])} {comparison['verdict']}" in text
    console = Console(record=True, width=100, force_terminal=True, color_system="standard", file=io.StringIO())
    console.print(render_comparison_terminal(results))
    assert "\x1b[1;32m+0.80 better" in console.export_text(styles=True)


def test_what_was_not_measured_is_shown_as_missing(results):
    for method in results["methods"]:
        method["test_accuracy"].update(mean=None, ci95=None)
        method.update(probe=None, reconstruction_mse=None)
        method["seconds"] = {"compile": None, "pretrain": 0.0, "probe": None}
    for comparison in results["comparisons"]:
        comparison.update(mean_difference=float("nan"), ci95=[None, None], p_holm=None, verdict="too few seeds")
    assert cells(render_comparison_markdown(results), "raw")[4:] == [MISSING] * 4
    assert cells(render_comparison_markdown(results), "denoising", "pca")[2:] == [MISSING] * 3 + ["too few seeds"]
    assert "too few seeds" in rendered(results)


def test_tables_leave_the_results_as_they_were(results):
    before = copy.deepcopy(results)
    render_comparison_markdown(results)
    rendered(results)
    assert results == before


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (format_points(-0.00001), "+0.00"),
        (format_points(0.0042), "+0.42"),
        (format_p_value(0.0009), "<0.001"),
        (format_p_value(None), MISSING),
        (format_significant(0.012), "0.0120"),
        (format_significant(123.4), "123"),
        (format_significant(float("inf")), MISSING),
        (format_seconds(0.04), "<0.1"),
        (format_seconds(1234.5), "1234"),
    ],
)
def test_numbers_are_written_with_the_digits_a_reader_can_use(text, expected):
    assert text == expected
