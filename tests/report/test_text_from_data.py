"""Names from the data are text in every figure, table and page, whatever they look like."""

import html
import warnings

import numpy as np
import pytest
from PIL import Image

from aejax.report.comparison_figures import plot_accuracy, plot_differences, plot_representations
from aejax.report.comparison_table import render_comparison_markdown
from aejax.report.data_line import escape_prose
from aejax.report.figures import plot_auroc, plot_codes, plot_learning_curves
from aejax.report.image_grids import plot_example_rows
from aejax.report.results import with_roles
from aejax.report.run_page import FigureFiles, render_run_page
from aejax.report.style import MAX_LABEL_LETTERS, save_figure

NAMES = ("$", "$$", r"\frac{", "_", "[/bold]", '<img src=x onerror="alert(1)">', 40 * "long ", "עברית", "🙂\n\0", "")


@pytest.fixture
def hostile_results(results_with_diagnostics):
    """A run whose names of methods and data are hostile."""
    results = with_roles(results_with_diagnostics)
    new = dict(zip((method["name"] for method in results["methods"]), NAMES, strict=False))
    for entry in (*results["methods"], *results["diagnostics"]["methods"]):
        entry["name"] = new[entry["name"]]
    for row in results["comparisons"]:
        row["method"], row["baseline"] = new[row["method"]], new[row["baseline"]]
    return {**results, "dataset": {**results["dataset"], "name": NAMES[5], "class_names": NAMES}}


def hostile_figures(results):
    codes = np.random.default_rng(0).standard_normal((50, 2))
    curve = {"train_loss": np.ones((2, 3)), "valid_loss": np.ones((2, 3))}
    row = np.ones((1, 2))
    yield lambda: plot_accuracy(results)
    yield lambda: plot_differences(results)
    yield lambda: plot_representations(results)
    yield lambda: plot_codes(dict.fromkeys(NAMES, codes), np.arange(50) % 10, NAMES)
    yield lambda: plot_codes({"$": codes}, np.arange(50) % 20, 2 * NAMES)  # with a colour bar
    yield lambda: plot_learning_curves(dict.fromkeys(NAMES, curve))
    yield lambda: plot_example_rows([(name, row) for name in NAMES], (0.0, 1.0), "", NAMES[:2])
    yield lambda: plot_example_rows([(name, np.ones((2, 4, 4, 1))) for name in NAMES], (0.0, 1.0))
    yield lambda: plot_auroc(np.ones((1, 1)), np.ones((1, 1, 2)), ["$$"], {"$": True}, np.ones(9), np.arange(9) > 4)


@pytest.mark.slow
def test_every_figure_with_hostile_names_is_drawn_in_every_format(hostile_results, tmp_path):
    for file_format in ("svg", "pdf"):
        files = FigureFiles(tmp_path, file_format)
        for number, draw in enumerate(hostile_figures(hostile_results)):
            files.write(f"{number}.png", draw)
        assert not files.warnings
    for path in tmp_path.glob("*.png"):
        with Image.open(path) as image:
            assert image.height < 3000
    assert len(list(tmp_path.iterdir())) == 27


def test_a_legend_shows_every_class_as_text_and_long_names_shortened():
    figure = plot_codes({"code": np.zeros((10, 2))}, np.arange(10), NAMES)
    shown = [text.get_text() for text in figure.legends[0].get_texts()]
    assert shown[:6] == ["$", "$$", r"\frac{", "_", "[/bold]", "<img src=x onerror=…"]
    assert max(map(len, shown)) <= MAX_LABEL_LETTERS


def test_a_figure_is_the_same_small_file_every_time_whatever_the_settings_of_the_user(results, tmp_path):
    import matplotlib

    save_figure(plot_accuracy(with_roles(results)), tmp_path / "plain.png")
    with matplotlib.rc_context({"text.usetex": True, "axes.grid": True, "font.size": 30, "savefig.bbox": "tight"}):
        save_figure(plot_accuracy(with_roles(results)), tmp_path / "user.png")
    plain = (tmp_path / "plain.png").read_bytes()
    assert plain == (tmp_path / "user.png").read_bytes()
    assert b"atplotlib" not in plain
    assert len(plain) < 60_000
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plain.png", "user.png"]


def test_names_are_text_in_markdown_and_html(hostile_results):
    markdown = render_comparison_markdown(hostile_results)
    assert r"| \$\$ |" in markdown
    assert "<img" not in markdown.replace(r"\<img", "")
    page = render_run_page(hostile_results)
    assert "<img src=x" not in page
    assert all(html.escape(name) in page for name in NAMES[:5])
    plain = "95.31 [94.90, 95.70]; a_b <0.001 (p < .05), `--duplicates drop`"
    assert escape_prose(plain) == plain


def test_a_figure_that_fails_costs_itself_and_one_warning(results, tmp_path):
    def fail():
        raise RuntimeError("no\nfont")

    files = FigureFiles(tmp_path)
    files.write("codes.png", fail)
    files.write("accuracy.png", lambda: plot_accuracy(with_roles(results)))
    files.add_warnings(results)
    assert [path.name for path in tmp_path.iterdir()] == ["accuracy.png"]
    (warning,) = results["warnings"]
    assert warning == "codes.png could not be drawn (RuntimeError: no font); every result is kept."
    assert warning in render_comparison_markdown(with_roles(results))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert warning in render_run_page(results)
