import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgba
from PIL import Image

from aejax.errors import InputError
from aejax.report.comparison_figures import plot_accuracy
from aejax.report.figures import plot_codes, plot_learning_curves
from aejax.report.image_grids import plot_example_rows
from aejax.report.results import with_roles
from aejax.report.style import save_figure

NAMES = ("undercomplete", "denoising", "sparse-l1")


def make_history(seeds=4, epochs=30):
    decay = 0.02 + np.exp(-np.arange(epochs) / 5)
    train = decay * (1 + 0.1 * np.arange(seeds))[:, None]
    return {name: {"train_loss": train, "valid_loss": 1.2 * train} for name in NAMES}


def make_codes(count=60):
    generator = np.random.default_rng(0)
    return {name: generator.standard_normal((count, 2)) for name in NAMES}


def dots(axes):
    return np.concatenate([collection.get_offsets() for collection in axes.collections])


def test_every_seed_of_every_method_is_a_dot_at_its_accuracy(results):
    axes = plot_accuracy(results).axes[0]
    expected = [100 * value for method in results["methods"] for value in method["test_accuracy"]["per_seed"]]
    assert sorted(dots(axes)[:, 0]) == pytest.approx(sorted(expected))
    rows = np.round(dots(axes)[:, 1]).astype(int)
    assert np.bincount(rows).tolist() == [10] * len(results["methods"])


def test_a_diverged_seed_stays_in_the_figure_and_is_marked(results):
    results["methods"][-1]["diverged_epoch"][3] = 12
    axes = plot_accuracy(results).axes[0]
    assert len(dots(axes)) == 70
    assert axes.get_yticklabels()[-1].get_text() == "sparse-l1\n(1 diverged)"


def test_a_method_far_below_the_others_is_a_number_at_the_edge(results):
    for method, mean in zip(results["methods"], (0.97, 0.95, 0.40, 0.98, 0.96, 0.975, 0.974), strict=True):
        method["test_accuracy"]["mean"] = mean
    axes = plot_accuracy(results).axes[0]
    assert [(text.get_text(), round(text.get_position()[1])) for text in axes.texts] == [("◂ 40.00", 2)]
    assert 40 < axes.get_xlim()[0] < 95


def test_the_reference_line_is_the_best_control(results):
    axes = plot_accuracy(results).axes[0]
    (reference,) = [line for line in axes.lines if line.get_linestyle() == ":"]
    supervised = results["methods"][3]
    assert reference.get_xdata()[0] == pytest.approx(100 * supervised["test_accuracy"]["mean"])
    assert "supervised" in axes.get_title(loc="left")


def test_controls_and_autoencoders_differ_in_colour_whatever_their_names(results):
    results["methods"][-1]["name"] = "pca-whitened"
    assert with_roles(results) == results
    axes = plot_accuracy(results).axes[0]
    colours = [tuple(drawn.get_facecolor()[0]) for drawn in axes.collections if len(drawn.get_offsets())]
    assert len(set(colours[:4])) == len(set(colours[4:])) == 1
    assert colours[0] != colours[-1]
    assert axes.get_yticklabels()[-1].get_fontweight() == "bold"


def test_accuracies_that_are_missing_are_not_drawn_and_do_not_stop_the_figure(results, tmp_path):
    results["methods"][0]["test_accuracy"] = {"per_seed": [None] * 9 + [0.9], "mean": None, "ci95": None}
    figure = plot_accuracy(results)
    drawn = np.isfinite(dots(figure.axes[0])[:, 0])
    assert np.count_nonzero(drawn) == 61  # one of this method's ten, all of the six others'
    save_figure(figure, tmp_path / "accuracy.png")


def test_learning_curves_draw_the_mean_over_seeds_of_each_method():
    history = make_history()
    figure = plot_learning_curves(history)
    assert [axes.get_title(loc="left") for axes in figure.axes] == list(NAMES)
    train, valid = figure.axes[0].lines
    np.testing.assert_allclose(train.get_ydata(), history["denoising"]["train_loss"].mean(axis=0))
    np.testing.assert_allclose(valid.get_ydata(), history["denoising"]["valid_loss"].mean(axis=0))
    assert train.get_xdata()[0] == 1
    assert figure.axes[0].get_yscale() == "log"


def test_learning_curves_need_no_validation():
    history = make_history()
    history["denoising"]["valid_loss"] = np.full_like(history["denoising"]["train_loss"], np.nan)
    del history["sparse-l1"]["valid_loss"]
    assert [len(axes.lines) for axes in plot_learning_curves(history).axes] == [2, 1, 1]


def test_a_seed_that_is_not_finite_is_named_and_leaves_the_mean_of_the_others(tmp_path):
    history = make_history()
    history["denoising"]["train_loss"] = history["denoising"]["train_loss"].copy()
    history["denoising"]["train_loss"][2, 10:] = np.inf
    figure = plot_learning_curves(history)
    assert [text.get_text() for axes in figure.axes for text in axes.texts] == ["1 of 4 seeds not finite"]
    others = history["denoising"]["train_loss"][[0, 1, 3], -1].mean()
    assert figure.axes[1].lines[0].get_ydata()[-1] == pytest.approx(others)
    save_figure(figure, tmp_path / "learning_curves.png")


def test_a_single_epoch_is_visible():
    assert plot_learning_curves(make_history(epochs=1)).axes[0].lines[0].get_marker() == "o"


@pytest.mark.parametrize("classes", [10, 11])
def test_every_code_is_a_dot_and_a_long_legend_becomes_a_scale(classes):
    codes, labels = make_codes(), np.arange(60) % classes
    figure = plot_codes(codes, labels, [f"class {index}" for index in range(classes)])
    for axes, code in zip(figure.axes, codes.values(), strict=False):
        np.testing.assert_allclose(np.sort(axes.collections[0].get_offsets(), axis=0), np.sort(code, axis=0))
    if classes <= 10:
        (legend,) = figure.legends
        assert len(legend.get_texts()) == classes
    else:
        assert not figure.legends
        assert len(figure.axes) == len(codes) + 1


def test_a_class_has_the_same_colour_in_every_panel_and_no_two_share_one():
    figure = plot_codes(make_codes(), np.arange(60) % 10, [str(index) for index in range(10)])
    figure.draw_without_rendering()
    panels = [axes.collections[0].get_facecolor() for axes in figure.axes]
    np.testing.assert_array_equal(panels[0], panels[1])
    assert len(np.unique(panels[0], axis=0)) == 10
    keys = [to_rgba(handle.get_color()) for handle in figure.legends[0].legend_handles]
    np.testing.assert_allclose(np.unique(keys, axis=0), np.unique(panels[0], axis=0))


def test_a_save_that_fails_leaves_the_old_file_and_nothing_else(results, tmp_path, monkeypatch):
    (tmp_path / "accuracy.png").write_bytes(b"old")

    def fail(*_arguments, **_options):
        raise OSError(28, "disk full")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(InputError, match="disk full"):
        save_figure(plot_accuracy(results), tmp_path / "accuracy.png")
    assert [path.name for path in tmp_path.iterdir()] == ["accuracy.png"]
    assert (tmp_path / "accuracy.png").read_bytes() == b"old"


def test_colour_photographs_keep_their_colours(tmp_path):
    photographs = np.random.default_rng(0).random((4, 16, 16, 3))
    save_figure(plot_example_rows([("conv", photographs)], (0.0, 1.0)), tmp_path / "photographs.png")
    save_figure(plot_learning_curves(make_history()), tmp_path / "chart.png")
    with Image.open(tmp_path / "photographs.png") as saved, Image.open(tmp_path / "chart.png") as chart:
        assert (saved.mode, chart.mode) == ("RGB", "P")


def test_drawing_leaves_global_settings_alone(results):
    before = dict(matplotlib.rcParams)
    plot_accuracy(results)
    plot_codes(make_codes(), np.arange(60) % 3, ["a", "b", "c"])
    assert dict(matplotlib.rcParams) == before


def test_no_module_of_the_report_imports_jax_or_pyplot():
    program = (
        "import importlib, pkgutil, sys, aejax.report;"
        "names = [module.name for module in pkgutil.iter_modules(aejax.report.__path__, 'aejax.report.')];"
        "assert len(names) > 10, names;"
        "[importlib.import_module(name) for name in names];"
        "wrong = {'jax', 'flax', 'matplotlib.pyplot'} & set(sys.modules); sys.exit(f'imports {wrong}' if wrong else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
