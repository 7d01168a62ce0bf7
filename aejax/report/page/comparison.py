"""The sections of a comparison's page."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aejax.evaluate.verdict_metrics import VerdictMetric
from aejax.report.captions import CALIBRATION_CAPTION, representation_caption, sensitivity_caption
from aejax.report.comparison_table import (
    calibration_table,
    comparison_tables,
    method_table,
    representation_table,
)
from aejax.report.formatting import format_difference, format_difference_ci, format_metric
from aejax.report.label_curve import label_curve_caption, label_curve_tables
from aejax.report.method_tables import (
    TUNING_CAPTION,
    UNITS_CAPTION,
    code_metric_names,
    code_metric_table,
    tuning_table,
    units_table,
)
from aejax.report.page.blocks import Block, Charts, PageCell, Section, as_page_table, picture_blocks, table_block
from aejax.report.page.charts import (
    STRIP_WIDTH,
    axis_strip,
    interval_strip,
    iterate_values,
    scale_over,
    seeds_strip,
    steps_chart,
)
from aejax.report.results import Results, finite_or_none, is_control, is_permuted, verdict_metric
from aejax.report.tables import Column, Table

STEPS = {"raw": "raw inputs", "pca": "PCA", "random": "untrained"}  # by what a control's name begins with
RECONSTRUCTIONS = {
    "reconstructions.png": "Originals and their reconstructions by every autoencoder, seed 0",
    "samples.png": "Decoded draws from the prior of every variational autoencoder, seed 0, below test examples",
}
LABEL_CURVE = {"label_curve.png": "Each autoencoder among its controls, over the number of labels"}
DIAGNOSTICS = {"diagnostics.png": "Similarity of the features of all methods (CKA), and their dimension"}


def steps_sections(results: Results) -> list[Section]:
    """Returns, for each autoencoder, the metric of raw inputs, PCA, the untrained and the trained encoder."""
    metric, methods = verdict_metric(results), {method["name"]: method for method in results["methods"]}
    rows = [
        (name, steps)
        for name, method in methods.items()
        if method["role"] == "autoencoder" and len(steps := _find_steps(results, methods, name)) > 1
    ]
    if not rows:
        return []
    entries = [summary for _, steps in rows for _, summary, _ in steps]
    values = [value for summary in entries for value in (summary["mean"], *(summary["ci95"] or ()))]
    scale = scale_over([None if value is None else metric.scale * value for value in values], 160, 10)
    charts = [steps_chart(name, steps, metric.scale, scale) for name, steps in rows]
    caption = (
        f"Test {metric.heading} of a classifier of raw inputs, of principal components, of the untrained encoder's "
        "code and of the trained one's: mean and 95 % interval. All panels have one scale."
    )
    return [Section("From raw inputs to the trained encoder", [Block("charts", Charts(charts, caption))])]


def _find_steps(results: Results, methods: dict[str, Results], name: str) -> list[tuple[str, Results, str]]:
    field = verdict_metric(results).field
    baselines = [row["baseline"] for row in results["comparisons"] if row["method"] == name]
    steps = []
    for prefix, label in STEPS.items():
        names = [f"{prefix}-{name}", *(base for base in baselines if base.split("-")[0] == prefix)]
        control = next((base for base in names if base in baselines and base != "random-projection"), None)
        if control in methods and is_control(methods[control]):
            steps.append((label, methods[control][field], "control"))
    return [*steps, ("trained", methods[name][field], "autoencoder")]


def verdict_sections(results: Results) -> list[Section]:
    """Returns the comparisons with controls, and those between autoencoders, with intervals drawn and reasons."""
    metric, sections = verdict_metric(results), []
    for table, title in zip(comparison_tables(results), ("Verdicts", "Between autoencoders"), strict=False):
        rows: Sequence[Results] = table.records
        margin, fields = metric.scale * (results.get("margin") or 0.0), ("ci95", "ci95_adjusted")
        bounds = [
            bound for row in rows for field in fields for bound in (*(row.get(field) or ()), row["mean_difference"])
        ]
        finite = [metric.scale * bound for bound in bounds if finite_or_none(bound) is not None]
        scale = scale_over([*finite, 0.0, margin, -margin], 8, STRIP_WIDTH - 8)
        reason = Column("reason", lambda row: row.get("reason", ""), "left")
        columns = [column for column in table.columns if not column.detail]
        page = as_page_table(title, Table([*columns, reason], rows), _strip_note(metric))
        place = next((i for i, column in enumerate(columns) if column.heading.startswith("difference")), 2)
        axis = axis_strip(scale, f"axis: difference in {metric.difference_unit}")
        page.headings.insert(place, ("interval", "left", axis))
        for cells, row in zip(page.rows, rows, strict=True):
            said = (
                f"{row['method']} minus {row['baseline']}: {format_difference(metric, row['mean_difference'])} "
                f"{format_difference_ci(metric, row['ci95'])}, {row['verdict']}"
            )
            strip = interval_strip(row, scale, metric.scale, margin, said)
            cells.insert(place, PageCell("", finite_or_none(row["mean_difference"]), strip))
        blocks = [Block("table", page)]
        if len(columns) < len(table.columns):
            details = as_page_table(f"{title}: every number", table)
            blocks.append(Block("table", details._replace(is_folded=True)))
        sections.append(Section(title, blocks))
    return sections


def _strip_note(metric: VerdictMetric) -> str:
    return (
        f"Interval: difference in {metric.difference_unit}. Thick: 95 % interval of one comparison; thin: of all "
        "comparisons of a method together, from which the verdict comes; shaded: the margin."
    )


def method_sections(results: Results) -> list[Section]:
    """Returns the methods, with a dot for each seed."""
    metric, methods = verdict_metric(results), results["methods"]
    shown = [method for method in methods if not is_permuted(method)] or methods
    scale = scale_over(iterate_values(shown, metric.field, metric.scale), 8, STRIP_WIDTH - 8)
    note = "Seeds: a dot for each training, the mean and its 95 % interval; controls are grey."
    page = as_page_table("Methods", method_table(results), note)
    page.headings.insert(2, ("seeds", "left", axis_strip(scale, f"axis: test {metric.heading}")))
    for cells, method in zip(page.rows, methods, strict=True):
        kind = "control" if is_control(method) else "autoencoder"
        said = f"{method['name']}: {format_metric(metric, method[metric.field])}"
        strip = seeds_strip(method[metric.field], scale, metric.scale, kind, said) if method in shown else None
        cells.insert(2, PageCell("" if strip else "far left", finite_or_none(method[metric.field]["mean"]), strip))
    blocks = [Block("table", page)]
    if code_metric_names(results):
        blocks.append(table_block("Codes", code_metric_table(results)))
    return [Section("Methods", blocks)]


def table_sections(results: Results, folder: Path | None) -> list[Section]:
    """Returns label curve, calibration, sparse probes, tuning, diagnostics and sensitivity, where there are any."""
    sections = []
    if "label_curve" in results:
        notes = {"Gains": label_curve_caption(results), "Labels": ""}
        pairs = zip(notes.items(), label_curve_tables(results), strict=True)
        tables = [table_block(name, table, note) for (name, note), table in pairs]
        sections.append(Section("By number of labels", [*picture_blocks(folder, LABEL_CURVE), *tables]))
    if (calibration := calibration_table(results)).records:
        sections.append(Section("Calibration", [table_block("Calibration", calibration, CALIBRATION_CAPTION)]))
    if (units := units_table(results)).records:
        caption = UNITS_CAPTION.replace("`", "")
        sections.append(Section("Probes of few features", [table_block("Features per class", units, caption)]))
    if (tuning := tuning_table(results)).records:
        sections.append(Section("Tuning", [table_block("Tuning", tuning, TUNING_CAPTION)]))
    if "diagnostics" in results:
        table = table_block("Diagnostics", representation_table(results), representation_caption(results))
        sections.append(Section("Diagnostics", [*picture_blocks(folder, DIAGNOSTICS), table]))
    if "sensitivity" in results:
        table = table_block("Sensitivity", _sensitivity_table(results), sensitivity_caption(results).replace("`", ""))
        sections.append(Section("Sensitivity", [table]))
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
