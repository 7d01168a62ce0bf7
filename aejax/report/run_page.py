"""The tables and findings of a finished run, whatever kind of run it is."""

from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure
from rich.console import RenderableType

from aejax.errors import InputError
from aejax.report.comparison_table import render_comparison_markdown, render_comparison_terminal
from aejax.report.differences_plot import plot_differences
from aejax.report.figures import plot_accuracy
from aejax.report.html_page import PAGE_FILE, write_page
from aejax.report.results import Results, read_results, results_kind, validate_results, with_roles
from aejax.report.style import save_figure
from aejax.report.sweep_table import render_sweep_markdown, render_sweep_terminal
from aejax.report.tradeoff_plot import plot_tradeoff
from aejax.storage.atomic_io import write_atomically
from aejax.storage.run_state import RESULTS_FILE

VERDICT_FIGURES: dict[str, Callable[[Results], Figure]] = {  # that show intervals and verdicts
    "accuracy.png": plot_accuracy,
    "differences.png": plot_differences,
    "frontier.png": plot_tradeoff,
}


def read_run(folder: Path) -> Results:
    """Returns the results of a comparison, a probe or a sweep. Raises `InputError` if the folder has none."""
    path = folder / RESULTS_FILE
    results = read_results(path)
    if results_kind(results) == "compare":
        validate_results(results, path)
        return with_roles(results)
    if results_kind(results) != "sweep":
        raise InputError(
            f"--run {folder}: a run of {results_kind(results)}; give one of compare.py, probe.py or sweep.py"
        )
    return results


def render_run_markdown(results: Results) -> str:
    """Returns `table.md` of a run."""
    return (render_sweep_markdown if results_kind(results) == "sweep" else render_comparison_markdown)(results)


def render_run_terminal(results: Results, *, details: bool = False) -> RenderableType:
    """Returns the findings and tables of a run for a terminal; `details`: whether to show every table and column."""
    render = render_sweep_terminal if results_kind(results) == "sweep" else render_comparison_terminal
    return render(results, details=details)


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
