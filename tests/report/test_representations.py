"""Diagnostics in tables, figures and pages: the numbers of the dict, old results without them, what is not finite."""

import json
import re

import numpy as np
import pytest

from aejax.errors import InputError
from aejax.evaluate import representation as evaluated
from aejax.report.comparison_table import render_comparison_markdown
from aejax.report.formatting import MISSING
from aejax.report.index import FIGURE_CAPTIONS, render_index
from aejax.report.representation_plot import MAX_ANNOTATED_METHODS, plot_representations
from aejax.report.representation_table import REPRESENTATION_HEADINGS, representation_rows
from aejax.report.results import REPRESENTATION_METRIC_NAMES
from aejax.report.style import save_figure


def diagnosed(names, seeds=4):
    """Results' `diagnostics` in which every number differs from every other."""
    generator = np.random.default_rng(0)

    def summary():
        per_seed = generator.uniform(1, 90, seeds)
        return {"per_seed": per_seed.tolist(), "mean": per_seed.mean(), "ci95": [per_seed.min(), per_seed.max()]}

    matrix = generator.uniform(size=(len(names), len(names)))
    methods = [
        {"name": name, **{d: summary() for d in REPRESENTATION_METRIC_NAMES}, "cka_between_seeds": 0.71}
        for name in names
    ]
    similarity = (matrix + matrix.T) / 2
    np.fill_diagonal(similarity, 1)
    cka = {"methods": list(names), "paired_seeds": 3, "matrix": similarity.tolist()}
    return {"rows": 300, "neighbours": 10, "methods": methods, "cka": cka, "seconds": 1.0}


@pytest.fixture
def results(results):
    results["diagnostics"] = diagnosed([method["name"] for method in results["methods"]])
    return results


def test_the_report_knows_every_diagnostic_that_is_evaluated():
    assert tuple(evaluated.REPRESENTATION_METRICS) == REPRESENTATION_METRIC_NAMES
    assert len(REPRESENTATION_HEADINGS) == 1 + len(REPRESENTATION_METRIC_NAMES) + 1


def test_every_method_has_a_row_with_the_means_of_the_dict(results):
    table = render_comparison_markdown(results)
    for method, row in zip(results["diagnostics"]["methods"], representation_rows(results), strict=True):
        assert f"| {' | '.join(row)} |" in table
        assert row[0] == method["name"]
        expected = [method[name]["mean"] * (100 if name == "knn_purity" else 1) for name in REPRESENTATION_METRIC_NAMES]
        assert [float(cell) for cell in row[1:-1]] == pytest.approx(expected, abs=0.0501)
        assert row[-1] == "0.71"


def test_the_caption_names_the_rows_and_says_that_no_verdict_rests_on_them(results):
    assert "300 of the 360 test examples" in render_comparison_markdown(results)
    assert "no verdict rests on them" in render_comparison_markdown(results)
    assert "no verdict rests" in FIGURE_CAPTIONS["diagnostics.png"]
    results["diagnostics"]["rows"] = 360
    assert "all 360 test examples" in render_comparison_markdown(results)


def test_results_without_diagnostics_make_the_table_they_always_made(results):
    with_them = render_comparison_markdown(results)
    del results["diagnostics"]
    assert with_them.startswith(render_comparison_markdown(results).rstrip("\n"))
    assert "diagnostics" not in render_comparison_markdown(results)


def test_what_is_not_finite_is_shown_as_missing_and_not_drawn(results, tmp_path):
    for value in (None, float("nan")):
        pca = results["diagnostics"]["methods"][1]
        pca["effective_rank"] = {"per_seed": [value] * 3 + [5.0], "mean": value, "ci95": None}
        pca["cka_between_seeds"] = results["diagnostics"]["cka"]["matrix"][0][2] = value
        row = representation_rows(results)[1]
        assert (row[1], row[-1]) == (MISSING, MISSING)
        figure = plot_representations(results)
        assert len(figure.axes[1].lines) == len(results["methods"]) - 1
        assert [text.get_text() for text in figure.axes[0].texts].count(MISSING) == 2
        save_figure(figure, tmp_path / "diagnostics.png")


def test_the_matrix_holds_every_pair_and_the_seeds_on_its_diagonal(results):
    drawn = np.asarray(plot_representations(results).axes[0].images[0].get_array())
    expected = np.array(results["diagnostics"]["cka"]["matrix"])
    apart = ~np.eye(len(expected), dtype=bool)
    np.testing.assert_array_equal(drawn[apart], expected[apart])
    np.testing.assert_array_equal(np.diag(drawn), 0.71)


def test_every_seed_of_every_method_is_a_dot_in_the_row_of_its_method(results):
    for axes, name in zip(
        plot_representations(results).axes[1:], ("effective_rank", "intrinsic_dimension"), strict=True
    ):
        for row, (dots, method) in enumerate(zip(axes.collections, results["diagnostics"]["methods"], strict=True)):
            np.testing.assert_allclose(dots.get_offsets()[:, 0], method[name]["per_seed"])
            assert np.all(np.round(np.asarray(dots.get_offsets()[:, 1])) == row)


@pytest.mark.parametrize("count", [1, 2, 18, MAX_ANNOTATED_METHODS + 3])
def test_any_number_of_methods_with_long_names_fits_the_figure(count, tmp_path):
    names = ["raw", *(f"supervised-conv-denoising-{number}" for number in range(1, count))]
    figure = plot_representations(
        {"methods": [{"name": name, "role": "control"} for name in names], "diagnostics": diagnosed(names)}
    )
    figure.draw_without_rendering()
    width, height = figure.get_size_inches() * figure.dpi
    for axes in figure.axes:
        box = axes.get_tightbbox()
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= width + 1
        assert box.y1 <= height + 1
    matrix = figure.axes[0].get_window_extent()
    assert matrix.width > 0.3 * width
    save_figure(figure, tmp_path / "diagnostics.png")


def test_the_page_shows_the_figure_and_accepts_runs_without_it(results, tmp_path):
    for name in ("new", "old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "results.json").write_text(json.dumps(results))
        results.pop("diagnostics", None)
    (tmp_path / "new" / "diagnostics.png").touch()
    page = render_index(tmp_path)
    assert re.findall(r"!\[[^]]+\]\(([^)]+)\)", page) == ["new/diagnostics.png"]
    assert page.count("| diagnostics of |") == 1


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda d: d.pop("cka"), "diagnostics: without cka"),
        (lambda d: d["methods"][2].pop("rankme"), r"diagnostics.methods\[2\]: without rankme"),
        (lambda d: d["methods"][0]["rankme"].pop("ci95"), r"diagnostics.methods\[0\].rankme: without ci95"),
    ],
)
def test_diagnostics_that_are_damaged_are_refused_by_name(results, tmp_path, damage, complaint):
    damage(results["diagnostics"])
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "results.json").write_text(json.dumps(results))
    with pytest.raises(InputError, match=complaint):
        render_index(tmp_path)
