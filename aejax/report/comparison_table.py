"""The tables of a comparison of methods, in Markdown for a page and in colour for a terminal."""

from collections.abc import Callable
from functools import partial

from rich.console import RenderableType

from aejax.evaluate.verdict_metrics import VERDICT_METRICS, VerdictMetric
from aejax.report.captions import all_warnings, collect_warnings, results_caption, short_caption
from aejax.report.data_line import data_markdown, escape_prose
from aejax.report.findings import describe_findings, format_sensitivity
from aejax.report.formatting import (
    format_difference,
    format_difference_ci,
    format_metric,
    format_p_value,
    format_seconds,
)
from aejax.report.method_tables import (
    UNITS_TITLE,
    code_metric_table,
    format_error,
    further_tables,
    representation_caption,
    representation_table,
)
from aejax.report.results import Results, is_control, is_versus, verdict_metric, with_roles
from aejax.report.tables import Cell, Column, Paragraph, Table, TerminalTable, stack_parts, to_markdown

VERDICT_STYLES = {
    "better": "bold green",
    "worse": "bold red",
    "not worse": "green",
    "equivalent": "cyan",
    "inconclusive": "yellow",
    "too few seeds": "dim",
}


def method_table(results: Results) -> Table:
    """Returns the metric of verdicts, accuracy, NLL, reconstruction error and seconds of every method."""
    of_verdicts = verdict_metric(results)
    metrics = [VERDICT_METRICS[name] for name in dict.fromkeys((of_verdicts.name, "accuracy", "nll"))]

    def score(metric: VerdictMetric) -> Column:
        is_detail = metric is not of_verdicts
        return Column(metric.heading, lambda method: format_metric(metric, method[metric.field]), detail=is_detail)

    def seconds(stage: str) -> Column:
        return Column(f"{stage}, s", lambda method: format_seconds(method["seconds"][stage]), detail=True)

    columns = [
        Column("method", lambda method: Cell(method["name"], "" if is_control(method) else "bold"), "left"),
        Column("d", lambda method: str(method["features"])),
        *map(score, metrics),
        Column("recon. MSE", lambda method: format_error(method["reconstruction_mse"])),
        *map(seconds, ("compile", "pretrain", "probe")),
    ]
    return Table(columns, results["methods"])


def comparison_tables(results: Results) -> list[tuple[str, Table]]:
    """Returns title and table of the comparisons with controls, then of those of `--versus`; only what there is."""
    with_controls = [row for row in results["comparisons"] if not is_versus(row)]
    versus = [row for row in results["comparisons"] if is_versus(row)]
    families = {"Verdicts": with_controls, "Between autoencoders": versus}
    return [(title, comparison_table(results, rows)) for title, rows in families.items() if rows]


def comparison_table(results: Results, rows: list[Results]) -> Table:
    """Returns comparisons with controls, or those of `--versus`; results of earlier versions have fewer columns."""
    metric = verdict_metric(results)

    def difference(field: str) -> Callable[[Results], str]:
        formatted = format_difference if field == "mean_difference" else format_difference_ci
        return lambda row: formatted(metric, row[field])

    def verdict(row: Results) -> Cell:
        mark = " (> margin)" if row.get("exceeds_margin") else ""
        return Cell(row["verdict"] + mark, VERDICT_STYLES.get(row["verdict"], ""))

    is_external = any(method.get("role") == "external" for method in results["methods"])
    columns = {
        "method": Column("method" if is_external else "autoencoder", lambda row: Cell(row["method"], "bold"), "left"),
        "baseline": Column("versus" if is_versus(rows[0]) else "control", lambda row: row["baseline"], "left"),
        "mean_difference": Column(
            f"difference, {metric.unit}" if metric.unit else "difference", difference("mean_difference")
        ),
        "ci95": Column("95 % interval", difference("ci95"), detail=all("ci95_adjusted" in row for row in rows)),
        "ci95_adjusted": Column("adjusted interval", difference("ci95_adjusted")),
        "ci95_seeds": Column("over seeds alone", difference("ci95_seeds"), detail=True),
        "p_holm": Column("p (Holm)", lambda row: format_p_value(row["p_holm"]), detail=True),
        "p_crossed_holm": Column("p crossed (Holm)", lambda row: format_p_value(row["p_crossed_holm"]), detail=True),
        "verdict": Column("verdict", verdict, "left"),
    }
    has_seeds = any(row.get("ci95_seeds") for row in rows)  # no interval of cross-validation is over seeds alone
    shown = [
        column
        for field, column in columns.items()
        if all(field in row for row in rows) and (has_seeds or field != "ci95_seeds")
    ]
    if "sensitivity" in results:
        shown.append(Column("holds in", partial(format_sensitivity, results), "left"))
    return Table(shown, rows, keys=2)


def describe_reasons(results: Results) -> list[str]:
    """Returns a line for each reason of a verdict that is not decisive, with the comparisons that have it."""
    pairs: dict[tuple[str, str], list[str]] = {}
    for row in results["comparisons"]:
        if row.get("reason") and row["verdict"] in ("inconclusive", "not worse", "too few seeds"):
            pairs.setdefault((row["verdict"], row["reason"]), []).append(f"{row['method']} - {row['baseline']}")
    return [f"{', '.join(names)}: {verdict}: {reason}." for (verdict, reason), names in pairs.items()]


def render_comparison_markdown(results: Results) -> str:
    """Returns methods, codes, comparisons, caption, calibration, warnings and diagnostics as Markdown."""
    parts = [to_markdown(method_table(results))]
    if (codes := code_metric_table(results)).records:
        parts.append(to_markdown(codes))
    parts += [to_markdown(table) for _, table in comparison_tables(results)]
    if reasons := describe_reasons(results):
        parts.append("\n".join(f"- {escape_prose(reason)}" for reason in reasons))
    parts += [*data_markdown(results["dataset"]), escape_prose(results_caption(results))]
    for _, tables, caption in further_tables(results):
        parts += [*map(to_markdown, tables), escape_prose(caption)]
    if warnings := collect_warnings(results):
        parts.append("\n".join(f"- ⚠ {escape_prose(warning)}" for warning in warnings))
    if "diagnostics" in results:
        parts += [to_markdown(representation_table(results)), representation_caption(results)]
    return "\n\n".join(parts) + "\n"


def render_comparison_terminal(results: Results, *, details: bool = False) -> RenderableType:
    """Returns findings, comparisons, methods, caption and warnings for a terminal of any width.

    Args:
        results: of the comparison.
        details: whether to show calibration, codes, tuning, diagnostics and the columns that are details.
    """
    results = with_roles(results)  # a finished run of version 0.1.0 has none
    parts: list[RenderableType] = [Paragraph(finding) for finding in describe_findings(results)]
    for _, table in comparison_tables(results):
        parts.append(TerminalTable(table, lambda above, below: above["method"] != below["method"], details))
    parts.append(
        TerminalTable(method_table(results), lambda above, below: is_control(above) != is_control(below), details)
    )
    for title, tables, _ in further_tables(results):
        if details or title == UNITS_TITLE:
            parts += map(TerminalTable, tables)
    if details:
        tables = [code_metric_table(results)]
        tables += [representation_table(results)] if "diagnostics" in results else []
        parts += [TerminalTable(table) for table in tables if table.records]
        parts += [Paragraph(reason, "dim") for reason in describe_reasons(results)]
    return stack_parts(parts, short_caption(results), all_warnings(results))
