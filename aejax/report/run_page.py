"""The tables and findings of a finished run, whatever kind of run it is."""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from jinja2 import TemplateError
from matplotlib.figure import Figure
from rich.console import RenderableType
from rich.markdown import Markdown

from aejax.errors import InputError, require, summarize_error
from aejax.report.analysis_page import EXPLORE_RESULTS, render_analysis_page
from aejax.report.comparison_figures import plot_differences, plot_label_curve
from aejax.report.comparison_table import render_comparison_markdown, render_comparison_terminal
from aejax.report.epoch_table import render_pretrain_markdown, render_pretrain_terminal
from aejax.report.figures import plot_accuracy
from aejax.report.html_page import describe_run, render_page, write_page
from aejax.report.page.blocks import PAGE_FILE
from aejax.report.results import Results, with_roles
from aejax.report.study_table import render_study_markdown, render_study_terminal
from aejax.report.style import save_figure
from aejax.report.sweep_table import render_sweep_markdown, render_sweep_terminal
from aejax.report.tradeoff_plot import plot_tradeoff
from aejax.storage.atomic_io import write_atomically
from aejax.storage.results_file import read_results, results_kind
from aejax.storage.run_state import RESULTS_FILE

MARKDOWN: dict[str, Callable[[Results], str]] = {  # by kind of run
    "compare": render_comparison_markdown,
    "sweep": render_sweep_markdown,
    "pretrain": render_pretrain_markdown,
    "explore": render_analysis_page,
    "study": render_study_markdown,
}
VERDICT_FIGURES: dict[str, Callable[[Results], Figure]] = {  # that show intervals and verdicts
    "accuracy.png": plot_accuracy,
    "differences.png": plot_differences,
    "frontier.png": plot_tradeoff,
    "label_curve.png": plot_label_curve,
}


def read_run(folder: Path, kinds: Collection[str] = ("compare", "sweep")) -> Results:
    """Returns the results of a run of one of these `kinds`. Raises `InputError` if the folder has none."""
    is_exploration = (folder / EXPLORE_RESULTS).is_file() and not (folder / RESULTS_FILE).exists()
    path = folder / (EXPLORE_RESULTS if is_exploration else RESULTS_FILE)
    results = read_results(path)
    if results_kind(results) == "compare":
        return with_roles(results)
    expected = " or ".join(kinds)
    require(results_kind(results) in kinds, f"--run {folder}: a run of {results_kind(results)}; expected {expected}")
    return results


def render_run_markdown(results: Results) -> str:
    """Returns `table.md` of a run."""
    return MARKDOWN[results_kind(results)](results)


def render_run_terminal(results: Results, *, details: bool = False) -> RenderableType:
    """Returns the findings and tables of a run for a terminal; `details`: whether to show every table and column."""
    kind = results_kind(results)
    if kind == "explore":
        return Markdown(render_analysis_page(results))
    if kind == "pretrain":
        return render_pretrain_terminal(results)
    if kind == "study":
        return render_study_terminal(results, details=details)
    return (render_sweep_terminal if kind == "sweep" else render_comparison_terminal)(results, details=details)


def write_runs_page(runs: Mapping[Path, Results], out: Path) -> None:
    """Writes one page of several runs, given by folder. Raises `InputError` if results lack what a page shows."""
    pages = []
    for folder, results in runs.items():
        try:
            pages.append(describe_run(results, folder))
        except (KeyError, TypeError, IndexError, AttributeError, TemplateError) as error:
            raise InputError(f"{folder}: results are damaged ({summarize_error(error)}); make the run again") from None
    write_atomically(out, render_page(pages).encode())


def rewrite_pages(results: Results, folder: Path) -> None:
    """Writes `table.md` of a finished run whose verdicts have changed, and again its page and figures that show them.

    Files that the run has not are not added.
    """
    write_atomically(folder / "table.md", render_run_markdown(results).encode())
    for name, draw in VERDICT_FIGURES.items():
        if (folder / name).exists():
            save_figure(draw(results), folder / name)
    if (folder / PAGE_FILE).exists():
        write_page(results, folder)
