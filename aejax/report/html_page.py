"""A comparison as one self-contained HTML page: the finding first, then figures, tables, data and settings."""

import base64
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.figure import Figure

from aejax.report.captions import CALIBRATION_CAPTION, collect_warnings, representation_caption, results_caption
from aejax.report.comparison_table import (
    calibration_table,
    code_metric_names,
    code_metric_table,
    comparison_tables,
    method_table,
    representation_table,
)
from aejax.report.data_line import format_data_line, format_data_warnings
from aejax.report.differences_plot import plot_differences
from aejax.report.figures import plot_accuracy
from aejax.report.findings import describe_findings
from aejax.report.rendering import render_html
from aejax.report.results import Results, verdict_metric, with_roles
from aejax.report.style import render_figure
from aejax.report.tables import Column, Table
from aejax.storage.atomic_io import to_jsonable, write_atomically

PAGE_FILE = "report.html"
FILE_FIGURES = {  # of a run folder: what each shows
    "learning_curves.png": "Learning curves, training and validation",
    "reconstructions.png": "Originals above their reconstructions",
    "codes.png": "Codes of test examples in two dimensions, coloured by class",
    "diagnostics.png": "Diagnostics, which verdicts do not use: CKA, effective rank, intrinsic dimension",
}


class PageFigure(NamedTuple):
    """A figure with the text for those who cannot see it: inline SVG, or a PNG as a data address."""

    caption: str
    svg: str = ""
    png: str = ""


class PageTable(NamedTuple):
    """A table with a caption; cells are `(text, number to sort by or None)`."""

    title: str
    columns: list[Column]
    rows: list[list[tuple[str, float | None]]]
    note: str = ""


def render_comparison_page(results: Results, folder: Path | None = None) -> str:
    """Returns the page of a comparison; text from data is escaped, and nothing is loaded from elsewhere.

    Args:
        results: the content of `results.json`.
        folder: of the run, whose figures are embedded; None: only those that the results alone give.
    """
    results = with_roles(to_jsonable(results))
    environment = results["environment"]
    warnings = [*format_data_warnings(results["dataset"]), *collect_warnings(results, results["methods"])]
    return render_html(
        "comparison.html.j2",
        title=f"{results['dataset']['name']}: does the representation help?",
        findings=describe_findings(results),
        figures=[*_drawn_figures(results), *_file_figures(folder)],
        tables=list(_tables(results)),
        warnings=[warning.replace("`", "") for warning in warnings],
        data_line=format_data_line(results["dataset"]) if "rows" in results["dataset"] else "",
        caption=results_caption(results),
        command=environment.get("command", ""),
        settings=json.dumps(results["config"], indent=1),
        environment=_plain_rows(environment),
    )


def write_page(results: Results, folder: Path) -> None:
    """Writes `report.html` of a run folder."""
    write_atomically(folder / PAGE_FILE, render_comparison_page(results, folder).encode())


def figure_to_svg(figure: Figure) -> str:
    """Returns a figure as SVG for a page: no header, no date, text as text."""
    text = render_figure(figure, "svg", transparent=True).decode()
    return text[text.index("<svg") :]


def _drawn_figures(results: Results) -> Iterator[PageFigure]:
    metric = verdict_metric(results)
    if results["comparisons"]:
        caption = f"Differences in {metric.difference_unit} of every autoencoder from every control, with intervals"
        yield PageFigure(caption, svg=figure_to_svg(plot_differences(results)))
    caption = f"Test {metric.label} by method: every seed, the mean and its interval"
    yield PageFigure(caption, svg=figure_to_svg(plot_accuracy(results)))


def _file_figures(folder: Path | None) -> Iterator[PageFigure]:
    for name, caption in FILE_FIGURES.items() if folder else ():
        path = Path(folder or "") / name
        if path.is_file():
            yield PageFigure(caption, png=base64.b64encode(path.read_bytes()).decode())


def _tables(results: Results) -> Iterator[PageTable]:
    for table, title in zip(comparison_tables(results), ("Verdicts", "Between autoencoders"), strict=False):
        reason = Column("reason", lambda row: row.get("reason", ""), "left")
        yield _page_table(title, Table([*table.columns, reason], table.records))
    yield _page_table("Methods", method_table(results))
    if code_metric_names(results):
        yield _page_table("Codes", code_metric_table(results))
    calibration = calibration_table(results)
    if calibration.records:
        yield _page_table("Calibration", calibration, CALIBRATION_CAPTION)
    if "diagnostics" in results:
        yield _page_table("Diagnostics", representation_table(results), representation_caption(results))


def _page_table(title: str, table: Table, note: str = "") -> PageTable:
    rows = [[(cell.text, _leading_number(cell.text)) for cell in row] for row in table.rows()]
    return PageTable(title, list(table.columns), rows, note)


def _leading_number(text: str) -> float | None:
    """Returns the number that a cell begins with, to sort by.

    >>> _leading_number("96.50 [94.19, 97.91]"), _leading_number("<0.1"), _leading_number("raw")
    (96.5, 0.1, None)
    """
    try:
        return float(text.removeprefix("<").split(" ")[0].replace(",", ""))
    except (ValueError, IndexError):
        return None


def _plain_rows(environment: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(name, value if isinstance(value, str) else json.dumps(value)) for name, value in environment.items()]
