"""What is shown of a finished run of any kind: `table.md`, a terminal's text, figures and `report.html`."""

import dataclasses
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from jinja2 import TemplateError
from matplotlib.figure import Figure
from rich.console import RenderableType

from aejax.errors import InputError, escape_unprintable, require, summarize_error
from aejax.report.analysis_page import EXPLORE_RESULTS, explore_page, render_analysis_page, render_analysis_terminal
from aejax.report.captions import all_warnings
from aejax.report.comparison_figures import plot_accuracy, plot_differences, plot_label_curve
from aejax.report.comparison_table import render_comparison_markdown, render_comparison_terminal
from aejax.report.data_line import format_data_line
from aejax.report.epoch_table import pretrain_page, render_pretrain_markdown, render_pretrain_terminal
from aejax.report.examples import describe_examples, read_examples, sprite_sheet
from aejax.report.page.blocks import PAGE_FILE, RunPage, png_address
from aejax.report.page.comparison import comparison_page
from aejax.report.rendering import render_template
from aejax.report.results import Results, with_roles
from aejax.report.study_table import render_study_markdown, render_study_terminal, study_page
from aejax.report.style import add_description, describe_design, render_figure, save_figure
from aejax.report.sweep_table import render_sweep_markdown, render_sweep_terminal, sweep_page
from aejax.report.tradeoff_plot import plot_tradeoff
from aejax.storage.atomic_io import to_jsonable, write_atomically
from aejax.storage.results_file import read_results, results_kind
from aejax.storage.run_folder import RESULTS_FILE

MARKDOWN: dict[str, Callable[[Results], str]] = {  # by kind of run
    "compare": render_comparison_markdown,
    "sweep": render_sweep_markdown,
    "pretrain": render_pretrain_markdown,
    "explore": render_analysis_page,
    "study": render_study_markdown,
}
TERMINAL: dict[str, Callable[..., RenderableType]] = {  # of those that have details
    "compare": render_comparison_terminal,
    "sweep": render_sweep_terminal,
    "explore": render_analysis_terminal,
    "study": render_study_terminal,
}
FigureFormat = Literal["png", "svg", "pdf"]
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
    return render_pretrain_terminal(results) if kind == "pretrain" else TERMINAL[kind](results, details=details)


def describe_run(results: Results, folder: Path | None = None, scores: Mapping[str, Any] | None = None) -> RunPage:
    """Returns what a page shows of a run.

    Args:
        results: the content of `results.json` or `explore.json`.
        folder: of the run, with pictures, learning curves and examples; None: what the results alone give is shown.
        scores: the content of `scores.npz`; None: that of the folder.
    """
    results = to_jsonable(results)
    kind, examples, environment = results_kind(results), read_examples(folder), results["environment"]
    if kind == "study":
        page, examples = study_page(results, folder), None
    elif kind == "explore":
        page = explore_page(results, folder)
    elif kind == "pretrain":
        page = pretrain_page(results, folder, examples)
    elif kind == "sweep":
        page = sweep_page(results, folder)
    else:
        page = comparison_page(results, folder, scores, examples)
    if kind != "study":
        page = page._replace(data_line=format_data_line(results["dataset"]), warnings=all_warnings(results))
    return page._replace(
        command=environment.get("command", ""),
        settings=json.dumps(results["config"], indent=1),
        environment=[(name, text if isinstance(text, str) else json.dumps(text)) for name, text in environment.items()],
        sprites=png_address(sprite_sheet(examples)) if examples is not None and examples.are_images else "",
        examples=describe_examples(results, examples) if examples is not None else [],
    )


def render_page(runs: Sequence[RunPage]) -> str:
    """Returns `report.html` of some runs; text from data is escaped, and nothing is loaded from elsewhere."""
    title = runs[0].title if len(runs) == 1 else f"{len(runs)} runs: {', '.join(run.title for run in runs)}"
    return render_template("page.html.j2", title=title, runs=runs)


def render_run_page(results: Results, folder: Path | None = None, scores: Mapping[str, Any] | None = None) -> str:
    """Returns `report.html` of one run; arguments are those of `describe_run`."""
    return render_page([describe_run(results, folder, scores)])


def write_page(results: Results, folder: Path) -> None:
    """Writes `report.html` of a run folder."""
    write_atomically(folder / PAGE_FILE, render_run_page(results, folder).encode())


@dataclasses.dataclass
class FigureFiles:
    """Writes figures and the page of a run whose results are written already, and collects what went wrong.

    A figure that cannot be drawn costs itself and a warning, and nothing else. Every figure is a PNG, which pages show,
    and in another `extra_format` also a file of that format.
    """

    folder: Path
    extra_format: FigureFormat = "png"
    description: str = ""  # a line that every figure has
    warnings: list[str] = dataclasses.field(default_factory=list)

    def write(self, name: str, draw: Callable[[], Figure]) -> None:
        """Draws and saves a figure; `name` ends in `.png`."""

        def save() -> None:
            figure = add_description(draw(), self.description)
            save_figure(figure, self.folder / name)
            if self.extra_format != "png":
                save_figure(figure, (self.folder / name).with_suffix(f".{self.extra_format}"))

        self.attempt(name, save)

    def attempt(self, name: str, write: Callable[[], object]) -> None:
        """Calls a function that writes a file; an exception becomes a warning."""
        try:
            write()
        except Exception as error:
            reason = escape_unprintable(f"{type(error).__name__}: {summarize_error(error)}")
            self.warnings.append(f"{name} could not be drawn ({reason}); every result is kept.")

    def write_page(self, results: dict[str, Any]) -> None:
        """Writes `report.html` with the figures and warnings so far, and adds all warnings to the results."""
        self.add_warnings(results)
        self.attempt(PAGE_FILE, lambda: write_page(results, self.folder))
        self.add_warnings(results)

    def add_warnings(self, results: dict[str, Any]) -> None:
        """Adds the warnings to `warnings` of the results, each once; results without warnings stay as they are."""
        if self.warnings:
            results["warnings"] = list(dict.fromkeys([*results.get("warnings", []), *self.warnings]))


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
            save_figure(add_description(draw(results), describe_design(results)), folder / name)
    if (folder / PAGE_FILE).exists():
        write_page(results, folder)


def figure_to_svg(figure: Figure) -> str:
    """Returns a figure as SVG for a page: no header, no date, text as text."""
    text = render_figure(figure, "svg", transparent=True).decode()
    return text[text.index("<svg") :]
