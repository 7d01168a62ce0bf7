"""A benchmark's results as Markdown."""

from collections.abc import Callable
from typing import NamedTuple

from aejax.report.tables import format_markdown_table
from benchmark import command, curves, encoding, logistic_path, training
from benchmark.entries import Entry
from benchmark.summary import summary_table


class TableLayout(NamedTuple):
    """How workloads of one kind are shown."""

    format_title: Callable[[Entry], str]
    column_names: tuple[str, ...]
    format_cells: Callable[[Entry], list[str]]  # of a contender
    notes: str


LAYOUTS = {
    "training": TableLayout(training.format_title, training.COLUMN_NAMES, training.format_cells, training.NOTES),
    "path": TableLayout(
        logistic_path.format_title, logistic_path.COLUMN_NAMES, logistic_path.format_cells, logistic_path.NOTES
    ),
    "encoding": TableLayout(encoding.format_title, encoding.COLUMN_NAMES, encoding.format_cells, encoding.NOTES),
    "command": TableLayout(command.format_title, command.COLUMN_NAMES, command.format_cells, command.NOTES),
}


def _layout_of(workload: Entry) -> TableLayout:
    return LAYOUTS[workload.get("kind", "training")]  # trainings name no kind


def _contender_notes(workload: Entry) -> list[str]:
    """Returns how contenders differ, and which took no part."""
    differing = [f"{one['name']}: {one['note']}." for one in workload["contenders"] if one.get("note")]
    return differing + [f"{one['name']}: takes no part: {one['reason']}" for one in workload.get("refused", [])]


def _format_ratios(workload: Entry) -> list[str]:
    """Returns the time of aejax relative to each peer's."""
    return [
        f"{ratio['contender']} / {ratio['peer']}: {ratio['median']:.2f} ({ratio['min']:.2f} to {ratio['max']:.2f})"
        for ratio in workload["ratios"]
    ]


def _format_workload(workload: Entry) -> list[str]:
    """Returns the paragraphs of a workload: heading, table, notes, ratios."""
    layout = _layout_of(workload)
    rows = [layout.format_cells(one) for one in workload["contenders"]]
    columns = layout.column_names
    table = format_markdown_table(columns, "l" + "r" * (len(columns) - 1), rows)
    lists = (_contender_notes(workload), _format_ratios(workload))
    return [
        f"### {layout.format_title(workload)}",
        table,
        *("\n".join(f"- {line}" for line in lines) for lines in lists if lines),
    ]


def render_markdown(results: Entry) -> str:
    """Returns `table.md`; the results page adds a heading with command, machine and seconds."""
    versions = ", ".join(f"{name} {version}" for name, version in results["environment"]["versions"].items())
    workloads = results["workloads"]
    summary = summary_table(workloads)
    parts = [f"Versions: {versions}.", *(["### At a glance", summary] if summary else [])]
    parts += [part for workload in workloads for part in _format_workload(workload)]
    parts += dict.fromkeys(_layout_of(workload).notes for workload in workloads)  # each once
    if results.get("curves"):
        parts += [*map(curves.curve_table, results["curves"]), curves.NOTES]
    return "\n\n".join(parts) + "\n"
