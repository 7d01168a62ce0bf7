"""The figure of representations: every number of `diagnostics` is drawn, and any number of methods fits."""

import numpy as np
import pytest

from aejax.report.comparison_figures import MAX_ANNOTATED_METHODS, plot_representations
from aejax.report.formatting import MISSING
from aejax.report.method_tables import representation_table
from aejax.report.style import save_figure
from tests.report.conftest import make_diagnostics


def test_undefined_numbers_are_shown_as_missing_and_not_drawn(results_with_diagnostics, tmp_path):
    results = results_with_diagnostics
    pca = results["diagnostics"]["methods"][1]
    pca["effective_rank"] = {"per_seed": [None, float("nan"), 5.0], "mean": None, "ci95": None}
    pca["cka_between_seeds"] = results["diagnostics"]["cka"]["matrix"][0][2] = None
    row = [cell.text for cell in representation_table(results).rows()[1]]
    assert (row[1], row[-1]) == (MISSING, MISSING)
    figure = plot_representations(results)
    assert len(figure.axes[1].lines) == len(results["methods"]) - 1
    assert [text.get_text() for text in figure.axes[0].texts].count(MISSING) == 2
    save_figure(figure, tmp_path / "diagnostics.png")


def test_the_matrix_has_every_pair_and_the_seeds_on_its_diagonal(results_with_diagnostics):
    drawn = np.asarray(plot_representations(results_with_diagnostics).axes[0].images[0].get_array())
    expected = np.array(results_with_diagnostics["diagnostics"]["cka"]["matrix"])
    apart = ~np.eye(len(expected), dtype=bool)
    np.testing.assert_array_equal(drawn[apart], expected[apart])
    np.testing.assert_array_equal(np.diag(drawn), 0.71)


def test_every_seed_of_every_method_is_a_dot_in_the_row_of_its_method(results_with_diagnostics):
    panels = plot_representations(results_with_diagnostics).axes[1:]
    for axes, name in zip(panels, ("effective_rank", "intrinsic_dimension"), strict=True):
        methods = results_with_diagnostics["diagnostics"]["methods"]
        for row, (dots, method) in enumerate(zip(axes.collections, methods, strict=True)):
            np.testing.assert_allclose(dots.get_offsets()[:, 0], method[name]["per_seed"])
            assert np.all(np.round(np.asarray(dots.get_offsets()[:, 1])) == row)


@pytest.mark.parametrize("count", [1, MAX_ANNOTATED_METHODS, MAX_ANNOTATED_METHODS + 3])
def test_any_number_of_methods_with_long_names_fits_the_figure(count):
    names = ["raw", *(f"supervised-conv-denoising-{number}" for number in range(1, count))]
    methods = [{"name": name, "role": "control", "test_accuracy": {"per_seed": [1.0]}} for name in names]
    dataset = {"name": "digits", "n_train": 9, "n_test": 3}
    figure = plot_representations({"dataset": dataset, "methods": methods, "diagnostics": make_diagnostics(names)})
    figure.draw_without_rendering()
    width, height = figure.get_size_inches() * figure.dpi
    for axes in figure.axes:
        box = axes.get_tightbbox()
        assert min(box.x0, box.y0, width + 1 - box.x1, height + 1 - box.y1) >= 0
    assert figure.axes[0].get_window_extent().width > 0.3 * width
