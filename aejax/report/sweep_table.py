"""What is shown of a sweep: its tables in Markdown and for a terminal, and its page."""

from functools import partial
from pathlib import Path

from rich.console import RenderableType

from aejax.config.sweep_axes import LABELS_FIELD, format_axis_value
from aejax.report.captions import all_warnings, collect_warnings, dataset_caption, short_caption
from aejax.report.comparison_table import VERDICT_STYLES
from aejax.report.data_line import data_markdown, escape_prose
from aejax.report.findings import describe_findings
from aejax.report.formatting import MISSING, format_difference, format_difference_ci, format_metric
from aejax.report.method_tables import format_error
from aejax.report.page.blocks import PageTable, RunPage, Section, read_pictures
from aejax.report.page.training_pictures import picture_sections
from aejax.report.results import Results, find_comparison, verdict_metric
from aejax.report.tables import Cell, Column, Paragraph, Table, TerminalTable, stack_parts, to_markdown

CONTROL_LABELS = {"raw": "raw inputs", "pca": "PCA of the same width", "random": "the untrained encoder"}
SELECTED_MARK = "◀"
SELECTION_CRITERIA = {
    "valid_nll": "validation NLL of the probe",
    "valid_reconstruction_mse": "validation reconstruction MSE",
}
TRADEOFF = {
    "frontier.png": "Reconstruction error of each setting against the test metric of its codes; the ring is the "
    "setting that validation rows choose"
}


def point_table(results: Results, *, with_intervals: bool = True) -> Table:
    """Returns a row for each point: its setting, its scores and its differences from controls in percentage points."""
    metric, chosen = verdict_metric(results), results["chosen"] or {}

    def setting(field: str) -> Column:
        return Column(field, lambda point: format_axis_value(point["setting"][field]))

    def score(point: Results) -> Cell:
        text = format_metric(metric, point[metric.field])
        return Cell(f"{text} {SELECTED_MARK}", "bold") if point["name"] == chosen.get("name") else Cell(text)

    columns = [setting(axis["field"]) for axis in results["axes"]]
    columns += [
        Column("d", lambda point: str(point["features"])),
        Column(metric.heading, score),
        Column("recon. MSE", lambda point: format_error(point["reconstruction_mse"])),
        Column("valid. NLL", lambda point: format_error(point["valid_nll"]), detail=True),
    ]
    for control, label in CONTROL_LABELS.items():
        columns.append(Column(f"minus {label}", partial(_difference, results, control, with_intervals)))
    return Table(columns, results["points"], keys=len(results["axes"]))


def _difference(results: Results, control: str, with_interval: bool, point: Results) -> Cell:
    comparison = find_comparison(results, point["name"], point["against"][control])
    if comparison is None:
        return Cell(MISSING, "dim")
    metric = verdict_metric(results)
    interval = f" {format_difference_ci(metric, comparison['ci95'])}" if with_interval else ""
    difference = format_difference(metric, comparison["mean_difference"])
    return Cell(difference + interval, VERDICT_STYLES.get(comparison["verdict"], ""))


def baseline_table(results: Results) -> Table:
    """Returns the controls that points are compared with."""
    metric = verdict_metric(results)
    columns = [
        Column("baseline", lambda entry: entry["name"], "left"),
        Column("d", lambda entry: str(entry["features"])),
        Column(metric.heading, lambda entry: format_metric(metric, entry[metric.field])),
        Column("recon. MSE", lambda entry: format_error(entry["reconstruction_mse"])),
    ]
    return Table(columns, results["references"])


def describe_selection(results: Results) -> str:
    """Returns which point validation rows select, and which others differ from it on the test examples."""
    chosen = results["chosen"]
    if chosen is None and any(axis["field"] == LABELS_FIELD for axis in results["axes"]):
        return "No point was selected: the numbers of labels differ."
    if chosen is None:
        return "No point was selected: none has a finite validation score."
    text = (
        f"{SELECTED_MARK} {chosen['name']} is selected: it has the lowest {SELECTION_CRITERIA[chosen['by']]}, mean "
        "over seeds. The selection does not use test examples."
    )
    verdicts = {row["method"]: row["verdict"] for row in results["comparisons"] if row["baseline"] == chosen["name"]}
    if "too few seeds" in verdicts.values():
        return f"{text} Too few seeds for verdicts on the others."
    worse, better = (
        ", ".join(name for name, verdict in verdicts.items() if verdict == kind) for kind in ("worse", "better")
    )
    return f"{text} Worse on the test examples: {worse or 'none'}. Better: {better or 'none'}."


def sweep_caption(results: Results) -> str:
    """Returns the kind of autoencoder, the data and what intervals refer to; the results page names the command."""
    metric = verdict_metric(results)
    unit = "percentage points" if metric.unit == "points" else metric.unit or f"units of {metric.label}"
    return f"Kind: {results['config']['method']}. Differences are in {unit}. {dataset_caption(results)}"


def render_sweep_markdown(results: Results) -> str:
    """Returns points, selection, baselines, caption and warnings as Markdown."""
    tables = (to_markdown(point_table(results)), describe_selection(results), to_markdown(baseline_table(results)))
    warnings = "\n".join(f"- ⚠ {escape_prose(warning)}" for warning in collect_warnings(results))
    data = data_markdown(results["dataset"])
    return "\n\n".join([*tables, *data, escape_prose(sweep_caption(results)), *([warnings] if warnings else [])]) + "\n"


def render_sweep_terminal(results: Results, *, details: bool = False) -> RenderableType:
    """Returns the selected point and what it is better than, points, baselines, caption and warnings for a terminal.

    Differences have no intervals. `details`: whether to show columns that are details.
    """
    findings = [describe_selection(results)]
    findings += describe_findings(results, [results["chosen"]["name"]]) if results["chosen"] else []
    tables = (point_table(results, with_intervals=False), baseline_table(results))
    parts: list[RenderableType] = [*map(Paragraph, findings)]
    parts += [TerminalTable(table, details=details) for table in tables]
    return stack_parts(parts, short_caption(results), all_warnings(results))


def sweep_page(results: Results, folder: Path | None) -> RunPage:
    """Returns the page of a sweep: the trade-off, the points and the controls."""
    sections = [
        Section("Reconstruction against classification", read_pictures(folder, TRADEOFF)),
        Section("Settings", [PageTable("Settings", point_table(results))]),
        Section("Controls", [PageTable("Controls", baseline_table(results))]),
        *picture_sections(folder),
    ]
    return RunPage(
        title=f"{results['dataset']['name']}: settings of {results['config']['method']}",
        findings=[describe_selection(results)],
        sections=sections,
        caption=sweep_caption(results),
    )
