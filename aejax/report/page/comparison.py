"""The page of a comparison."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aejax.evaluate.verdict_metrics import VerdictMetric
from aejax.report.captions import (
    CALIBRATION_CAPTION,
    collect_warnings,
    representation_caption,
    results_caption,
    sensitivity_caption,
)
from aejax.report.comparison_table import (
    calibration_table,
    comparison_tables,
    method_table,
    representation_table,
)
from aejax.report.data_line import format_data_line
from aejax.report.examples import Examples, read_arrays, read_predictions
from aejax.report.findings import describe_findings
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
from aejax.report.page.blocks import Charts, PageCell, RunPage, Section, make_table, plain_warnings, read_pictures
from aejax.report.page.charts import STRIP_WIDTH, axis_strip, interval_strip, scale_over, seeds_strip, steps_chart
from aejax.report.page.model_sections import (
    codes_section,
    confusion_section,
    curve_section,
    reconstruction_section,
    worst_section,
)
from aejax.report.results import Results, finite_or_none, is_control, is_permuted, verdict_metric, with_roles
from aejax.report.tables import Column, Table
from aejax.storage.saved_scores import SCORES_FILE

STEPS = {"raw": "raw inputs", "pca": "PCA", "random": "untrained"}  # by what a control's name begins with
LABEL_CURVE = {"label_curve.png": "Each autoencoder among its controls, over the number of labels"}
DIAGNOSTICS = {"diagnostics.png": "Similarity of the features of all methods (CKA), and their dimension"}


def comparison_page(
    results: Results, folder: Path | None, scores: Mapping[str, Any] | None, examples: Examples | None
) -> RunPage:
    """Returns the page of a comparison, or of a probe that was compared with nothing."""
    results = with_roles(results)
    dataset = results["dataset"]
    title, findings = f"{dataset['name']}: does the representation help?", describe_findings(results)
    if not results["comparisons"]:
        title, findings = f"{dataset['name']}: a classifier of the code", _method_findings(results)
    if scores is None and folder is not None:
        scores = read_arrays(folder / SCORES_FILE)
    predictions = read_predictions(scores or {})
    sections = [
        _steps_section(results),
        *_verdict_sections(results),
        _method_section(results),
        curve_section(folder),
        reconstruction_section(folder),
        codes_section(results, examples),
        confusion_section(results, predictions),
        worst_section(results, predictions, examples),
        *_table_sections(results, folder),
    ]
    warnings = plain_warnings(results, collect_warnings(results))
    return RunPage(title, findings, format_data_line(dataset), warnings, sections, results_caption(results))


def _method_findings(results: Results) -> list[str]:
    metric = verdict_metric(results)
    means = [f"{method['name']} {format_metric(metric, method[metric.field])}" for method in results["methods"]]
    return [f"Test {metric.heading}: {', '.join(means)}. Nothing was compared with a control."]


def _bounds(summary: Results) -> list[float | None]:
    return [summary["mean"], *(summary["ci95"] or ())]


def _steps_section(results: Results) -> Section:
    """Returns, for each autoencoder, the metric of raw inputs, PCA, the untrained and the trained encoder."""
    metric, methods = verdict_metric(results), {method["name"]: method for method in results["methods"]}
    rows = {
        name: steps
        for name, method in methods.items()
        if method["role"] == "autoencoder" and len(steps := _find_steps(results, methods, name)) > 1
    }
    values = [value for steps in rows.values() for _, summary, _ in steps for value in _bounds(summary)]
    scale = scale_over(values, 160, 10, metric.scale)
    charts = [steps_chart(name, steps, metric.scale, scale) for name, steps in rows.items()]
    caption = (
        f"Test {metric.heading} of a classifier of raw inputs, of principal components, of the untrained encoder's "
        "code and of the trained one's: mean and 95 % interval. All panels have one scale."
    )
    return Section("From raw inputs to the trained encoder", [Charts(charts, caption)] if charts else [])


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


def _verdict_sections(results: Results) -> list[Section]:
    """Returns the comparisons with controls, and those between autoencoders, with intervals drawn and reasons."""
    metric, sections = verdict_metric(results), []
    for table, title in zip(comparison_tables(results), ("Verdicts", "Between autoencoders"), strict=False):
        rows: Sequence[Results] = table.records
        margin = results.get("margin") or 0.0
        values = [value for row in rows for value in (row["mean_difference"], *(row.get("ci95") or ()))]
        values += [value for row in rows for value in row.get("ci95_adjusted") or ()]
        scale = scale_over([*values, 0.0, margin, -margin], 8, STRIP_WIDTH - 8, metric.scale)
        reason = Column("reason", lambda row: row.get("reason", ""), "left")
        columns = [column for column in table.columns if not column.detail]
        page = make_table(title, Table([*columns, reason], rows), _strip_note(metric))
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
        blocks = [page]
        if len(columns) < len(table.columns):
            blocks.append(make_table(f"{title}: every number", table, is_folded=True))
        sections.append(Section(title, blocks))
    return sections


def _strip_note(metric: VerdictMetric) -> str:
    return (
        f"Interval: difference in {metric.difference_unit}. Thick: 95 % interval of one comparison; thin: of all "
        "comparisons of a method together, from which the verdict comes; shaded: the margin."
    )


def _method_section(results: Results) -> Section:
    """Returns the methods, with a dot for each seed."""
    metric, methods = verdict_metric(results), results["methods"]
    shown = [method for method in methods if not is_permuted(method)] or methods
    summaries = [method[metric.field] for method in shown]
    values = [value for summary in summaries for value in (*summary["per_seed"], *_bounds(summary))]
    scale = scale_over(values, 8, STRIP_WIDTH - 8, metric.scale)
    note = "Seeds: a dot for each training, the mean and its 95 % interval; controls are grey."
    page = make_table("Methods", method_table(results), note)
    page.headings.insert(2, ("seeds", "left", axis_strip(scale, f"axis: test {metric.heading}")))
    for cells, method in zip(page.rows, methods, strict=True):
        kind = "control" if is_control(method) else "autoencoder"
        said = f"{method['name']}: {format_metric(metric, method[metric.field])}"
        strip = seeds_strip(method[metric.field], scale, metric.scale, kind, said) if method in shown else None
        cells.insert(2, PageCell("" if strip else "far left", finite_or_none(method[metric.field]["mean"]), strip))
    codes = [make_table("Codes", code_metric_table(results))] if code_metric_names(results) else []
    return Section("Methods", [page, *codes])


def _table_sections(results: Results, folder: Path | None) -> list[Section]:
    """Returns label curve, calibration, sparse probes, tuning, diagnostics and sensitivity, where there are any."""
    sections = []
    if "label_curve" in results:
        gains, labels = label_curve_tables(results)
        tables = [make_table("Gains", gains, label_curve_caption(results)), make_table("Labels", labels)]
        sections.append(Section("By number of labels", [*read_pictures(folder, LABEL_CURVE), *tables]))
    for title, name, table, note in (
        ("Calibration", "Calibration", calibration_table(results), CALIBRATION_CAPTION),
        ("Probes of few features", "Features per class", units_table(results), UNITS_CAPTION),
        ("Tuning", "Tuning", tuning_table(results), TUNING_CAPTION),
    ):
        sections.append(Section(title, [make_table(name, table, note)] if table.records else []))
    if "diagnostics" in results:
        page = make_table("Diagnostics", representation_table(results), representation_caption(results))
        sections.append(Section("Diagnostics", [*read_pictures(folder, DIAGNOSTICS), page]))
    if "sensitivity" in results:
        page = make_table("Sensitivity", _sensitivity_table(results), sensitivity_caption(results))
        sections.append(Section("Sensitivity", [page]))
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
