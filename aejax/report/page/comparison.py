"""The page of a comparison."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aejax.report.captions import results_caption, sensitivity_caption
from aejax.report.comparison_table import comparison_tables, method_table
from aejax.report.examples import (
    Examples,
    codes_section,
    confusion_section,
    read_arrays,
    read_predictions,
    worst_section,
)
from aejax.report.findings import describe_findings
from aejax.report.formatting import format_difference, format_difference_ci, format_metric
from aejax.report.method_tables import code_metric_table, further_tables, representation_caption, representation_table
from aejax.report.page.blocks import Charts, PageTable, RunPage, Section, read_pictures
from aejax.report.page.charts import STRIP_WIDTH, axis_strip, interval_strip, scale_over, seeds_strip, steps_chart
from aejax.report.page.training_pictures import picture_sections
from aejax.report.results import Results, first_controls, is_control, is_permuted, verdict_metric, with_roles
from aejax.report.tables import Cell, Column, Table
from aejax.storage.saved_scores import SCORES_FILE

STEPS = {"raw": "raw inputs", "pca": "PCA", "random": "untrained"}  # by what a control's name begins with
PICTURES = {  # of a run folder, by section
    "By number of labels": {"label_curve.png": "Each autoencoder among its controls, over the number of labels"},
    "Diagnostics": {"diagnostics.png": "Similarity of the features of all methods (CKA), and their dimension"},
}


def comparison_page(
    results: Results, folder: Path | None, scores: Mapping[str, Any] | None, examples: Examples | None
) -> RunPage:
    """Returns the page of a comparison, or of a probe that was compared with nothing."""
    results = with_roles(results)
    dataset, metric = results["dataset"], verdict_metric(results)
    title, findings = f"{dataset['name']}: does the representation help?", describe_findings(results)
    if not results["comparisons"]:
        title = f"{dataset['name']}: a classifier of the code"
        means = [f"{method['name']} {format_metric(metric, method[metric.field])}" for method in results["methods"]]
        findings = [f"Test {metric.heading}: {', '.join(means)}. Nothing was compared with a control."]
    if scores is None and folder is not None:
        scores = read_arrays(folder / SCORES_FILE)
    predictions = read_predictions(results, scores or {})
    sections = [
        _steps_section(results),
        *(_verdict_section(results, *titled) for titled in comparison_tables(results)),
        _method_section(results),
        *picture_sections(folder),
        codes_section(results, examples),
        confusion_section(results, predictions),
        worst_section(results, predictions, examples),
        *_table_sections(results, folder),
    ]
    return RunPage(title, findings, sections, results_caption(results))


def _bounds(summary: Results) -> list[float | None]:
    return [summary["mean"], *(summary["ci95"] or ())]


def _steps_section(results: Results) -> Section:
    """Returns, for each autoencoder, the metric of raw inputs, PCA, the untrained and the trained encoder."""
    metric, methods = verdict_metric(results), {method["name"]: method for method in results["methods"]}
    panels = {}
    for name in [name for name, method in methods.items() if method["role"] == "autoencoder"]:
        controls = first_controls(results, name)
        steps = [(label, methods.get(controls.get(kind, "")), "control") for kind, label in STEPS.items()]
        steps.append(("trained", methods[name], "autoencoder"))
        panels[name] = [(label, method[metric.field], kind) for label, method, kind in steps if method is not None]
    panels = {name: steps for name, steps in panels.items() if len(steps) > 1}
    values = [value for steps in panels.values() for _, summary, _ in steps for value in _bounds(summary)]
    scale = scale_over(values, 160, 10, metric.scale)
    charts = [steps_chart(name, steps, metric.scale, scale) for name, steps in panels.items()]
    caption = (
        f"Test {metric.heading} of a classifier of raw inputs, of principal components, of the untrained encoder's "
        "code and of the trained one's: mean and 95 % interval. All panels have one scale."
    )
    return Section("From raw inputs to the trained encoder", [Charts(charts, caption)] if charts else [])


def _verdict_section(results: Results, title: str, table: Table) -> Section:
    """Returns comparisons with controls, or those between autoencoders, with intervals drawn and reasons."""
    metric, margin, rows = verdict_metric(results), results.get("margin") or 0.0, table.records
    values = [value for row in rows for value in (row["mean_difference"], *(row.get("ci95") or ()))]
    values += [value for row in rows for value in row.get("ci95_adjusted") or ()]
    scale = scale_over([*values, 0.0, margin, -margin], 8, STRIP_WIDTH - 8, metric.scale)

    def draw(row: Results) -> Cell:
        difference = format_difference(metric, row["mean_difference"])
        interval = format_difference_ci(metric, row["ci95"])
        said = f"{row['method']} minus {row['baseline']}: {difference} {interval}, {row['verdict']}"
        return Cell(difference, chart=interval_strip(row, scale, metric.scale, margin, said))

    axis = axis_strip(scale, f"axis: difference in {metric.difference_unit}")
    names, others = table.columns[: table.keys], table.columns[table.keys :]
    columns = [*names, Column("interval", draw, "left", axis=axis)]
    columns += [column for column in others if not column.detail]
    columns.append(Column("reason", lambda row: row.get("reason", ""), "left"))
    note = (
        f"Interval: difference in {metric.difference_unit}. Thick: 95 % interval of one comparison; thin: of all "
        "comparisons of a method together, from which the verdict comes; shaded: the margin."
    )
    blocks = [PageTable(title, Table(columns, rows), note)]
    if any(column.detail for column in others):
        blocks.append(PageTable(f"{title}: every number", table, is_folded=True))
    return Section(title, blocks)


def _method_section(results: Results) -> Section:
    """Returns the methods, with a dot for each seed."""
    metric, table = verdict_metric(results), method_table(results)
    shown = [method for method in results["methods"] if not is_permuted(method)] or results["methods"]
    summaries = [method[metric.field] for method in shown]
    values = [value for summary in summaries for value in (*summary["per_seed"], *_bounds(summary))]
    scale = scale_over(values, 8, STRIP_WIDTH - 8, metric.scale)

    def draw(method: Results) -> Cell:
        if method not in shown:
            return Cell("far left")
        kind, summary = "control" if is_control(method) else "autoencoder", method[metric.field]
        text = format_metric(metric, summary)
        return Cell(text, chart=seeds_strip(summary, scale, metric.scale, kind, f"{method['name']}: {text}"))

    seeds = Column("seeds", draw, "left", axis=axis_strip(scale, f"axis: test {metric.heading}"))
    columns = [*table.columns[:2], seeds, *table.columns[2:]]
    note = "Seeds: a dot for each training, the mean and its 95 % interval; controls are grey."
    blocks = [PageTable("Methods", Table(columns, table.records), note)]
    if (codes := code_metric_table(results)).records:
        blocks.append(PageTable("Codes", codes))
    return Section("Methods", blocks)


def _table_sections(results: Results, folder: Path | None) -> list[Section]:
    """Returns sparse probes, tuning, calibration, label curve, diagnostics and sensitivity, where there are any."""
    shown = further_tables(results)
    if "diagnostics" in results:
        shown.append(("Diagnostics", [representation_table(results)], representation_caption(results)))
    if "sensitivity" in results:
        shown.append(("Sensitivity", [_sensitivity_table(results)], sensitivity_caption(results)))
    sections = []
    for title, tables, caption in shown:
        pages = [PageTable(title, table, caption if table is tables[-1] else "") for table in tables]
        sections.append(Section(title, [*read_pictures(folder, PICTURES.get(title, {})), *pages]))
    return sections


def _sensitivity_table(results: Results) -> Table:
    """Returns the verdict of every comparison under every variation."""

    def under(name: str) -> Column:
        return Column(name, lambda row: row["verdicts"].get(name) or "not changed", "left")

    columns = [Column("autoencoder", lambda row: row["method"], "left")]
    columns.append(Column("control", lambda row: row["baseline"], "left"))
    columns += [under(entry["name"]) for entry in results["sensitivity"]["variations"]]
    rows: list[Any] = results["sensitivity"]["comparisons"]
    return Table(columns, rows)
