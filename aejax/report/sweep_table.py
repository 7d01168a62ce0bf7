"""A sweep as tables, in Markdown and for a terminal."""

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from aejax.config.sweep_axes import format_axis_value
from aejax.report.comparison_table import VERDICT_STYLES, format_markdown_table
from aejax.report.formatting import (
    MISSING,
    collect_warnings,
    format_mean_ci,
    format_points,
    format_points_ci,
    format_significant,
    results_caption,
)
from aejax.report.results import Results, find_comparison

CONTROL_LABELS = {"raw": "raw inputs", "pca": "PCA of the same width", "random": "the same untrained"}
SELECTED_MARK = "◀"
SELECTION_CRITERIA = {
    "valid_nll": "the probe's validation NLL",
    "valid_reconstruction_mse": "validation reconstruction MSE",
}


def point_headings(results: Results) -> list[str]:
    """The axes, and what is said of each point; differences are in percentage points."""
    fields = [axis["field"] for axis in results["axes"]]
    return [
        *fields,
        "d",
        "accuracy, %",
        "recon. MSE",
        "valid. NLL",
        *(f"less {role}" for role in CONTROL_LABELS.values()),
    ]


def point_row(results: Results, point: Results, *, with_intervals: bool) -> list[str]:
    """One point under `point_headings`."""
    chosen = results["chosen"] is not None and point["name"] == results["chosen"]["name"]
    differences = []
    for role in CONTROL_LABELS:
        found = find_comparison(results, point["name"], point["against"][role])
        between = f" {format_points_ci(found['ci95'])}" if found and with_intervals else ""
        differences.append(MISSING if found is None else f"{format_points(found['mean_difference'])}{between}")
    mse, nll = point["reconstruction_mse"], point["valid_nll"]
    return [
        *(format_axis_value(value) for value in point["setting"].values()),
        str(point["features"]),
        format_mean_ci(point["test_accuracy"], scale=100, decimals=2) + (f" {SELECTED_MARK}" if chosen else ""),
        MISSING if mse is None else format_significant(mse["mean"]),
        MISSING if nll is None else format_significant(nll["mean"]),
        *differences,
    ]


def baseline_row(baseline: Results) -> list[str]:
    """What points are held against: name, width, accuracy, error."""
    mse = baseline["reconstruction_mse"]
    return [
        baseline["name"],
        str(baseline["features"]),
        format_mean_ci(baseline["test_accuracy"], scale=100, decimals=2),
        MISSING if mse is None else format_significant(mse["mean"]),
    ]


def describe_selection(results: Results) -> str:
    """What validation rows choose, and how the others compare with it on the test."""
    chosen = results["chosen"]
    if chosen is None:
        return "Nothing on validation rows to choose a point by."
    against = [row for row in results["comparisons"] if row["baseline"] == chosen["name"]]
    worse = [row["method"] for row in against if row["verdict"] == "worse"]
    better = [row["method"] for row in against if row["verdict"] == "better"]
    criterion = SELECTION_CRITERIA[chosen["by"]]
    text = f"{SELECTED_MARK} {chosen['name']}: lowest {criterion}, mean over seeds; the test had no say in it."
    if any(row["verdict"] == "too few seeds" for row in against):
        return f"{text} Too few seeds for verdicts on the others."
    text += f" Worse than it on the test: {', '.join(worse) or 'none'}."
    return f"{text} Better: {', '.join(better) or 'none'}."


def sweep_caption(results: Results) -> str:
    """What the numbers are of; where they were made is said by the page."""
    kind = results["config"]["method"]
    bare = [{**point, "measures": {}} for point in results["points"]]  # these are in results.json, not in the tables
    found = results_caption({**results, "methods": bare, "environment": {}})
    return f"Kind: {kind}. Differences are in percentage points. {found}"


def sweep_warnings(results: Results) -> list[str]:
    """What went less than well at some point."""
    return collect_warnings({**results, "methods": [*results["points"], *results["references"]]})


def render_sweep_markdown(results: Results) -> str:
    """`table.md`: points, references, the choice, a caption, warnings."""
    names = point_headings(results)
    alignment = "r" * len(names)
    parts = [
        format_markdown_table(
            names, alignment, [point_row(results, point, with_intervals=True) for point in results["points"]]
        )
    ]
    parts.append(describe_selection(results))
    references = [baseline_row(entry) for entry in results["references"]]
    parts.append(format_markdown_table(("held against", "d", "accuracy, %", "recon. MSE"), "lrrr", references))
    parts.append(sweep_caption(results))
    if found := sweep_warnings(results):
        parts.append("\n".join(f"- ⚠ {warning}" for warning in found))
    return "\n\n".join(parts) + "\n"


def render_sweep_terminal(results: Results) -> RenderableType:
    """The same for a terminal: the intervals of differences are in table.md."""
    names = [
        heading.replace("PCA of the same width", "PCA").replace("the same ", "") for heading in point_headings(results)
    ]
    table = _make_table([name.replace(" ", "\n", 1) for name in names])
    for point in results["points"]:
        row = [Text(cell) for cell in point_row(results, point, with_intervals=False)]
        for index, role in enumerate(CONTROL_LABELS):
            found = find_comparison(results, point["name"], point["against"][role])
            row[index - len(CONTROL_LABELS)].stylize(VERDICT_STYLES.get(found["verdict"], "") if found else "dim")
        bold = results["chosen"] is not None and point["name"] == results["chosen"]["name"]
        table.add_row(*row, style="bold" if bold else "")
    held = _make_table(["held against", "d", "accuracy, %", "recon. MSE"], n_left_aligned=1)
    for entry in results["references"]:
        held.add_row(*map(Text, baseline_row(entry)))
    parts: list[RenderableType] = [table, Text(), Text(describe_selection(results)), Text(), held, Text()]
    parts.append(Text(sweep_caption(results).replace("`", ""), style="dim"))
    parts += [Text(f"⚠ {warning}", style="yellow") for warning in sweep_warnings(results)]
    return Padding(Group(*parts), (1, 0))


def _make_table(names: Sequence[str], n_left_aligned: int = 0) -> Table:
    table = Table(box=SIMPLE_HEAD, header_style="bold", padding=(0, 1, 0, 0), show_edge=False, pad_edge=False)
    for index, name in enumerate(names):
        table.add_column(name, justify="left" if index < n_left_aligned else "right")
    return table
