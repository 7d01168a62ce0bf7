"""One run's results as tables: in Markdown for a page, and in colour for a terminal of 100 columns."""

from collections.abc import Iterable, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from aejax.report.calibration import CALIBRATION_HEADINGS, calibration_caption, calibration_rows
from aejax.report.formatting import (
    CODE_METRIC_HEADINGS,
    METHOD_HEADINGS,
    MISSING,
    code_metric_names,
    code_metric_row,
    collect_warnings,
    comparison_headings,
    comparison_row,
    format_points,
    format_points_ci,
    method_row,
    results_caption,
)
from aejax.report.representation_table import REPRESENTATION_HEADINGS, representation_caption, representation_rows
from aejax.report.results import Results, with_roles

VERDICT_STYLES = {
    "better": "bold green",
    "worse": "bold red",
    "equivalent": "cyan",
    "inconclusive": "yellow",
    "too few seeds": "dim",
}

MAX_WIDE_CONTROLS = 4  # controls up to which a terminal of 100 columns has room for intervals

_TABLE_STYLE: dict[str, Any] = {
    "box": SIMPLE_HEAD,
    "header_style": "bold",
    "padding": (0, 1, 0, 0),
    "show_edge": False,
    "pad_edge": False,
}


def render_comparison_markdown(results: Results) -> str:
    """Methods, codes, comparisons, a caption, and warnings and diagnostics where there are any, as Markdown."""
    parts = [format_markdown_table(METHOD_HEADINGS, "lrrrrrrr", [method_row(method) for method in results["methods"]])]
    measures = code_metric_names(results)
    if measures:
        headings = ("method", "d", *(CODE_METRIC_HEADINGS[name] for name in measures))
        rows = [code_metric_row(method, measures) for method in results["methods"] if method.get("measures")]
        parts.append(format_markdown_table(headings, "l" + "r" * (1 + len(measures)), rows))
    if results["comparisons"]:
        rows = [comparison_row(comparison) for comparison in results["comparisons"]]
        headings = comparison_headings(results)
        parts.append(format_markdown_table(headings, "ll" + "r" * (len(headings) - 3) + "l", rows))
    parts.append(results_caption(results))
    if reliability := calibration_rows(results):
        parts += [format_markdown_table(CALIBRATION_HEADINGS, "lrrrlrrr", reliability), calibration_caption()]
    warnings = collect_warnings(results)
    if warnings:
        parts.append("\n".join(f"- ⚠ {warning}" for warning in warnings))
    if "diagnostics" in results:
        names, rows = REPRESENTATION_HEADINGS, representation_rows(results)
        parts += [format_markdown_table(names, "l" + "r" * (len(names) - 1), rows), representation_caption(results)]
    return "\n\n".join(parts) + "\n"


def format_markdown_table(headings: Sequence[str], alignment: str, rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; `alignment` holds `l` or `r` for each column."""
    rules = ["---:" if side == "r" else ":---" for side in alignment]
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in (headings, *rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (escaped[0], rules, *escaped[1:]))


def render_comparison_terminal(results: Results) -> RenderableType:
    """The same for a terminal: methods, a matrix of autoencoders by controls, caption, warnings."""
    results = with_roles(results)  # a finished run of version 0.1.0 has none
    parts: list[RenderableType] = [_methods_table(results), Text()]
    if reliability := calibration_rows(results):
        parts += [_calibration_table(reliability), Text()]
    if results["comparisons"]:
        title = "Accuracy less each control's, in percentage points, with 95 % intervals (many controls: in table.md)"
        parts += [Text(title), Text(), _comparisons_table(results), Text()]
    parts.append(Text(results_caption(results).replace("`", ""), style="dim"))
    warnings = collect_warnings(results)
    if warnings:
        parts += [Text(), *(Text(f"⚠ {warning}", style="yellow") for warning in warnings)]
    return Padding(Group(*parts), (1, 0))


def _methods_table(results: Results) -> Table:
    table = Table(**_TABLE_STYLE)
    for heading in METHOD_HEADINGS:
        # Headings of two words take two lines, so that eight columns fit in 100. Where they do not, cells with an
        # interval go over two lines; a cell that may not wrap would be cut short.
        lines = heading.replace(",", "").replace(" ", "\n")
        with_interval = heading.startswith(("accuracy", "NLL"))
        table.add_column(lines, justify="left" if heading == "method" else "right", no_wrap=not with_interval)
    methods = results["methods"]
    for method, following in zip(methods, [*methods[1:], None], strict=True):
        name, *cells = method_row(method)
        group_ends = following is not None and (method["role"] == "control") != (following["role"] == "control")
        style = "" if method["role"] == "control" else "bold"
        table.add_row(Text(name, style=style), *map(Text, cells), end_section=group_ends)
    return table


def _calibration_table(rows: Sequence[Sequence[str]]) -> Table:
    table = Table(**_TABLE_STYLE)
    for heading in CALIBRATION_HEADINGS:
        left = heading in ("method", "worst class")
        table.add_column(heading.replace(",", "").replace(" ", "\n"), justify="left" if left else "right")
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _comparisons_table(results: Results) -> Table:
    methods = dict.fromkeys(comparison["method"] for comparison in results["comparisons"])
    # Controls of an autoencoder's own architecture, such as random-conv of conv, share a column.
    columns = dict.fromkeys(_control_column(comparison) for comparison in results["comparisons"])
    cells = {(own["method"], _control_column(own)): own for own in results["comparisons"]}
    narrow = len(columns) > MAX_WIDE_CONTROLS
    table = Table(**_TABLE_STYLE)
    table.add_column("autoencoder", no_wrap=True)
    for column in columns:
        table.add_column(column, no_wrap=True)
    for method in methods:
        row = [_verdict_cell(cells.get((method, column)), narrow) for column in columns]
        table.add_row(Text(method, style="bold"), *row)
    return table


def _control_column(comparison: Results) -> str:
    name = str(comparison["baseline"])
    own = f"-{comparison['method']}"
    return f"own {name.removesuffix(own)}" if name.endswith(own) else name


def _verdict_cell(comparison: Results | None, narrow: bool) -> Text:
    """The difference, the verdict, and the interval as far as there is room."""
    if comparison is None:
        return Text(MISSING, style="dim")
    verdict, difference = comparison["verdict"], format_points(comparison["mean_difference"])
    style = VERDICT_STYLES.get(verdict, "")
    if narrow:
        return Text(f"{difference}\n{verdict}", style=style)
    return Text.assemble((f"{difference} {verdict}\n", style), (format_points_ci(comparison["ci95"]), "dim"))
