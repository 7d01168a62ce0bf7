"""Columns of the comparison's tables that only some methods or probes have."""

import copy
import io

import pytest
from rich.console import Console

from aejax.report.comparison_table import render_comparison_markdown, render_comparison_terminal


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
    shown = Console(record=True, width=100, file=io.StringIO())
    shown.print(render_comparison_terminal(results))
    assert "per class" in shown.export_text()
    results["methods"][0]["top_units"]["counts"] = [[16]]
    assert "features per class" not in render_comparison_markdown(results)
