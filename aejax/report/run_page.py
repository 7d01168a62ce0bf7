"""The tables and findings of a finished run, whatever kind of run it is."""

from pathlib import Path

from rich.console import RenderableType

from aejax.errors import InputError
from aejax.report.comparison_table import render_comparison_markdown, render_comparison_terminal
from aejax.report.results import Results, read_results, results_kind, validate_results, with_roles
from aejax.report.sweep_table import render_sweep_markdown, render_sweep_terminal
from aejax.storage.run_state import RESULTS_FILE


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


def render_run_terminal(results: Results) -> RenderableType:
    """Returns the findings and tables of a run for a terminal."""
    return (render_sweep_terminal if results_kind(results) == "sweep" else render_comparison_terminal)(results)
