"""The marks of the trade-off figure are the numbers of the results."""

import warnings

import numpy as np
import pytest

from aejax.report.sweep_table import describe_selection, render_sweep_markdown
from aejax.report.tradeoff_plot import ERROR_FLOOR_FACTOR, make_series, plot_tradeoff
from tests.report.conftest import summary


def entry(name, width, accuracy, error):
    return {
        "name": name,
        "features": width,
        "test_accuracy": summary(np.array([accuracy - 0.01, accuracy + 0.01])),
        "test_nll": summary(np.array([0.3])),
        "reconstruction_mse": None if error is None else summary(np.full(2, error)),
        "probe": None,
        "diverged_epoch": [None, None],
        "measures": {},
    }


def point(width, noise, accuracy, error, nll):
    name = f"latent_dim={width} noise_std={noise:g}"
    against = {"raw": "raw", "pca": f"pca-{width}", "random": f"random latent_dim={width}"}
    setting = {"latent_dim": width, "noise_std": noise}
    return {
        **entry(name, width, accuracy, error),
        "setting": setting,
        "against": against,
        "valid_nll": summary(np.array([nll])),
    }


@pytest.fixture
def sweep_results():
    points = [
        point(2, 0.1, 0.80, 0.04, 0.6),
        point(2, 0.3, 0.82, 0.05, 0.5),
        point(4, 0.1, 0.90, 0.01, 0.3),
        point(4, 0.3, 0.91, 0.02, 0.4),
    ]
    comparisons = [
        {"method": row["name"], "baseline": "raw", "mean_difference": -0.05, "ci95": [-0.07, -0.03], "verdict": "worse"}
        for row in points
    ]
    return {
        "config": {"method": "denoising"},
        "dataset": {"name": "digits", "n_train": 10, "n_valid": 2, "n_test": 3},
        "environment": {},
        "axes": [{"field": "latent_dim", "values": [2, 4]}, {"field": "noise_std", "values": [0.1, 0.3]}],
        "points": points,
        "references": [
            entry("raw", 64, 0.95, None),
            entry("pca-2", 2, 0.6, 0.03),
            entry("pca-4", 4, 0.9, 1e-15),
            entry("random latent_dim=2", 2, 0.3, None),
        ],
        "chosen": {"name": "latent_dim=4 noise_std=0.1", "by": "valid_nll"},
        "comparisons": comparisons,
    }


def test_a_line_follows_the_first_axis_and_there_is_one_for_each_value_of_the_others(sweep_results):
    components, *lines = make_series(sweep_results)
    assert [(spot.label, spot.error) for spot in components.points] == [("2", 0.03), ("4", 1e-15)]
    assert [line.name for line in lines] == ["noise_std=0.1, by latent_dim", "noise_std=0.3, by latent_dim"]
    assert [(spot.label, spot.error, spot.score) for spot in lines[1].points] == [
        ("2", 0.05, 82.0),
        ("4", 0.02, 91.0),
    ]


def test_a_rounding_error_is_drawn_at_the_edge_and_does_not_stretch_the_axis(sweep_results):
    (axes,) = plot_tradeoff(sweep_results).axes
    assert axes.get_xlim()[0] > 0.01 / ERROR_FLOOR_FACTOR / 3
    edge = next(line for line in axes.get_lines() if str(line.get_label()).startswith("the same, error below"))
    np.testing.assert_allclose(edge.get_xydata(), [[0.01 / ERROR_FLOOR_FACTOR, 90.0]])
    assert {"2", "4"} <= {text.get_text() for text in axes.texts if text.get_color() == edge.get_color()}


def test_errors_that_are_all_0_are_drawn_without_a_warning(sweep_results):
    for row in [*sweep_results["points"], *sweep_results["references"]]:
        if row["reconstruction_mse"]:
            row["reconstruction_mse"] = summary(np.zeros(2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (axes,) = plot_tradeoff(sweep_results).axes
    assert not any("error below" in label for label in axes.get_legend_handles_labels()[1])


def test_the_ring_is_around_the_chosen_point_and_the_line_is_at_the_raw_inputs(sweep_results):
    (axes,) = plot_tradeoff(sweep_results).axes
    np.testing.assert_allclose(axes.collections[0].get_offsets(), [[0.01, 90.0]])
    raw = next(line for line in axes.get_lines() if line.get_label() == "raw inputs")
    assert set(raw.get_ydata()) == {95.0}


def test_a_point_that_diverged_is_left_out_of_the_figure_and_not_of_the_table_and_one_seed_has_no_intervals(
    sweep_results,
):
    for row in [*sweep_results["points"], *sweep_results["references"]]:
        if row["reconstruction_mse"]:
            row["reconstruction_mse"]["ci95"] = None
    sweep_results["points"][0]["reconstruction_mse"] = {"per_seed": [None, None], "mean": None, "ci95": None}
    assert sum(len(series.points) for series in make_series(sweep_results)) == 2 + 3
    drawn = plot_tradeoff(sweep_results).axes[0].get_legend_handles_labels()[1]
    assert sum("by latent_dim" in label for label in drawn) == 2
    assert "| 2 | 0.1 | 2 | 80.00 [79.00, 81.00] | — |" in render_sweep_markdown(sweep_results)


def test_the_selection_is_described(sweep_results):
    assert "does not use test examples" in describe_selection(sweep_results)
    assert "No point was selected" in describe_selection({**sweep_results, "chosen": None})
    plot_tradeoff({**sweep_results, "chosen": None})
