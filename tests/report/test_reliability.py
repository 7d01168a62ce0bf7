import io

import pytest
from rich.console import Console

from aejax.report.comparison_table import render_comparison_markdown, render_comparison_terminal
from aejax.report.formatting import CROSSED_HEADING, MISSING, SEEDS_HEADING


@pytest.fixture
def reliable(results):
    """The results with what this version adds to them."""
    results["dataset"]["class_names"] = ["zero", "one", "two"]
    results["margin"] = 0.01
    results["intervals"] = {"ci95": "both", "ci95_seeds": "other seeds"}
    for method in results["methods"]:
        mean = 0.95 if method["name"] == "raw" else 0.9
        for name in ("balanced_accuracy", "calibration_error", "brier"):
            method[name] = {"per_seed": [mean], "mean": mean / 2, "ci95": None}
        method["per_class_accuracy"] = {"per_seed": [[0.9, mean - 0.3, None]], "mean": [0.9, mean - 0.3, None]}
        method["failed_seeds"] = []
    for comparison in results["comparisons"]:
        comparison |= {"ci95_seeds": [0.001, 0.002], "test": "sign-flip over seeds"}
    return results


def rendered(results):
    console = Console(record=True, width=100, file=io.StringIO())
    console.print(render_comparison_terminal(results))
    return console.export_text()


def test_the_second_table_names_the_worst_class_and_the_seeds_that_failed(reliable):
    reliable["methods"][0]["failed_seeds"] = [3, 7]
    for text in (render_comparison_markdown(reliable), rendered(reliable)):
        rows = [line for line in text.splitlines() if line.strip("| ").startswith("raw") and "one" in line]
        (row,) = rows
        assert "47.50" in row  # balanced
        assert "65.00" in row  # of class one
        assert "10.5" in row  # 1.23 + 8.7 + .6 seconds
        assert "3, 7" in row
        assert "…" not in text


def test_a_class_without_a_number_is_no_worst_class(reliable):
    reliable["methods"][0]["per_class_accuracy"]["mean"] = [None, None, None]
    (row,) = [line for line in render_comparison_markdown(reliable).splitlines() if line.startswith("| raw | 47.50")]
    assert row.split(" | ")[4:6] == [MISSING, MISSING]


def test_the_comparisons_have_both_intervals_and_the_caption_says_what_they_are_of(reliable):
    table = render_comparison_markdown(reliable)
    (row,) = [line for line in table.splitlines() if line.startswith("| denoising | pca")]
    assert "[+0.10, +0.20]" in row
    assert SEEDS_HEADING in table
    assert CROSSED_HEADING in table
    for said in ("Over seeds alone: other seeds.", "p: sign-flip over seeds; p crossed", "difference: 1 points"):
        assert said in table


def test_results_without_the_new_fields_have_the_tables_they_had(results):
    table = render_comparison_markdown(results)
    for absent in (SEEDS_HEADING, "Brier", "margin", "p:"):
        assert absent not in table
    assert "Brier" not in rendered(results)


@pytest.mark.parametrize(("seeds", "said"), [(10, False), (7, True)])
def test_the_caption_says_where_a_family_is_too_large_for_its_seeds(reliable, seeds, said):
    for method in reliable["methods"]:
        method["test_accuracy"]["per_seed"] = method["test_accuracy"]["per_seed"][:seeds]
    sentence = "With 4 comparisons of one autoencoder, p can be below .05 from 8 seeds on."
    assert (sentence in render_comparison_markdown(reliable)) == said
