"""The tables of a comparison of methods, in Markdown for a page and in colour for a terminal of 100 columns."""

from collections.abc import Callable
from functools import partial
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from aejax.report.captions import CALIBRATION_CAPTION, collect_warnings, representation_caption, results_caption
from aejax.report.data_line import data_markdown, format_data_warnings
from aejax.report.formatting import (
    MISSING,
    format_decimals,
    format_mean_ci,
    format_p_value,
    format_points,
    format_points_ci,
    format_seconds,
    format_significant,
)
from aejax.report.results import REPRESENTATION_METRIC_NAMES, Results, finite_or_none, is_control, with_roles
from aejax.report.tables import Cell, Column, Table, to_markdown, to_rich

VERDICT_STYLES = {
    "better": "bold green",
    "worse": "bold red",
    "equivalent": "cyan",
    "inconclusive": "yellow",
    "too few seeds": "dim",
}
MAX_WIDE_CONTROLS = 4  # with more, intervals do not fit a terminal of 100 columns

CODE_METRIC_HEADINGS = {
    "explained_variance": "variance explained",
    "l0": "nonzero units",
    "dead_units": "dead units",
    "active_units": "active units",
    "elbo": "ELBO, nats",
    "importance_weighted": "IW bound, nats",
    "kl": "KL, nats",
}
_REPRESENTATION_FORMATS = {  # heading, decimals, scale
    "effective_rank": ("effective rank", 1, 1),
    "rankme": ("RankMe", 1, 1),
    "intrinsic_dimension": ("intrinsic dim.", 1, 1),
    "alignment": ("alignment", 2, 1),
    "uniformity": ("uniformity", 2, 1),
    "knn_purity": ("k-NN purity, %", 1, 100),
    "dead_units": ("dead units", 1, 1),
    "active_units": ("active units", 1, 1),
}


def format_accuracy(summary: Results) -> str:
    """Returns a mean accuracy and its interval in percent."""
    return format_mean_ci(summary, scale=100, decimals=2)


def format_error(summary: Results | None) -> str:
    """Returns the mean of a quantity that a method may lack."""
    return MISSING if summary is None else format_significant(summary["mean"])


def _name(method: Results) -> Cell:
    return Cell(method["name"], "" if is_control(method) else "bold")


def _seconds_column(stage: str) -> Column:
    return Column(f"{stage}, s", lambda method: format_seconds(method["seconds"][stage]), wrap=False)


def method_table(results: Results) -> Table:
    """Returns accuracy, NLL, reconstruction error and seconds of every method."""
    columns = [
        Column("method", _name, "left", wrap=False),
        Column("d", lambda method: str(method["features"]), wrap=False),
        Column("accuracy, %", lambda method: format_accuracy(method["test_accuracy"])),
        Column("NLL, nats", lambda method: format_mean_ci(method["test_nll"], scale=1, decimals=3)),
        Column("recon. MSE", lambda method: format_error(method["reconstruction_mse"]), wrap=False),
        *map(_seconds_column, ("compile", "pretrain", "probe")),
    ]
    return Table(columns, results["methods"])


def code_metric_names(results: Results) -> list[str]:
    """Returns the metrics of codes that some method has, in the order of CODE_METRIC_HEADINGS."""
    known = {name for method in results["methods"] for name in method.get("measures", {})}
    return [name for name in CODE_METRIC_HEADINGS if name in known]


def code_metric_table(results: Results) -> Table:
    """Returns the metrics of every autoencoder's code."""
    columns = [
        Column("method", lambda method: method["name"], "left"),
        Column("d", lambda method: str(method["features"])),
    ]
    for name in code_metric_names(results):
        columns.append(Column(CODE_METRIC_HEADINGS[name], partial(_format_code_metric, name)))
    return Table(columns, [method for method in results["methods"] if method.get("measures")])


def _format_code_metric(name: str, method: Results) -> str:
    return format_error(method["measures"].get(name))


def comparison_table(results: Results) -> Table:
    """Returns every comparison of an autoencoder with a control; results of earlier versions have fewer columns."""
    columns = {
        "method": Column("autoencoder", lambda row: row["method"], "left"),
        "baseline": Column("control", lambda row: row["baseline"], "left"),
        "mean_difference": Column("difference, points", lambda row: format_points(row["mean_difference"])),
        "ci95": Column("95 % interval", lambda row: format_points_ci(row["ci95"])),
        "ci95_seeds": Column("over seeds alone", lambda row: format_points_ci(row["ci95_seeds"])),
        "p_holm": Column("p (Holm)", lambda row: format_p_value(row["p_holm"])),
        "p_crossed_holm": Column("p crossed (Holm)", lambda row: format_p_value(row["p_crossed_holm"])),
        "verdict": Column("verdict", lambda row: row["verdict"], "left"),
    }
    rows = results["comparisons"]
    return Table([column for field, column in columns.items() if all(field in row for row in rows)], rows)


def calibration_table(results: Results) -> Table:
    """Returns balanced accuracy, calibration and failures; without rows in results of earlier versions."""
    class_names = results["dataset"].get("class_names") or []

    def worst_class(method: Results) -> str:
        index = _worst_class(method)[1]
        return MISSING if index is None else class_names[index] if index < len(class_names) else str(index)

    columns = [
        Column("method", lambda method: method["name"], "left"),
        Column("balanced, %", lambda method: format_decimals(method["balanced_accuracy"]["mean"], 2, 100)),
        Column("calibration error, %", lambda method: format_decimals(method["calibration_error"]["mean"], 2, 100)),
        Column("Brier", lambda method: format_significant(method["brier"]["mean"])),
        Column("worst class", worst_class, "left"),
        Column("its accuracy, %", lambda method: format_decimals(_worst_class(method)[0], 2, 100)),
        Column("total, s", lambda method: format_seconds(sum(map(_or_zero, method["seconds"].values())))),
        Column("failed seeds", lambda method: ", ".join(map(str, method["failed_seeds"])) or "none"),
    ]
    return Table(columns, [method for method in results["methods"] if method.get("balanced_accuracy")])


def _worst_class(method: Results) -> tuple[float, int] | tuple[None, None]:
    accuracies = [finite_or_none(value) for value in method["per_class_accuracy"]["mean"]]
    return min(((value, index) for index, value in enumerate(accuracies) if value is not None), default=(None, None))


def _or_zero(seconds: float | None) -> float:
    return finite_or_none(seconds) or 0.0


def representation_table(results: Results) -> Table:
    """Returns the metrics of every method's features, means over seeds."""
    columns = [Column("diagnostics of", lambda method: method["name"], "left")]
    for name in REPRESENTATION_METRIC_NAMES:
        heading, decimals, scale = _REPRESENTATION_FORMATS[name]
        columns.append(Column(heading, _mean_formatter(name, decimals, scale)))
    columns.append(Column("CKA between seeds", lambda method: format_decimals(method["cka_between_seeds"], 2)))
    return Table(columns, results["diagnostics"]["methods"])


def _mean_formatter(name: str, decimals: int, scale: float) -> Callable[[Any], str]:
    return lambda method: format_decimals(method[name]["mean"], decimals, scale)


def render_comparison_markdown(results: Results) -> str:
    """Returns methods, codes, comparisons, caption, calibration, warnings and diagnostics as Markdown."""
    parts = [to_markdown(method_table(results))]
    if code_metric_names(results):
        parts.append(to_markdown(code_metric_table(results)))
    if results["comparisons"]:
        parts.append(to_markdown(comparison_table(results)))
    parts += [*data_markdown(results["dataset"]), results_caption(results)]
    calibration = calibration_table(results)
    if calibration.records:
        parts += [to_markdown(calibration), CALIBRATION_CAPTION]
    if warnings := collect_warnings(results["dataset"], results["methods"]):
        parts.append("\n".join(f"- ⚠ {warning}" for warning in warnings))
    if "diagnostics" in results:
        parts += [to_markdown(representation_table(results)), representation_caption(results)]
    return "\n\n".join(parts) + "\n"


def render_comparison_terminal(results: Results) -> RenderableType:
    """Returns methods, calibration, a matrix of autoencoders by controls, caption and warnings for a terminal."""
    results = with_roles(results)  # a finished run of version 0.1.0 has none
    methods = to_rich(method_table(results), lambda method, next_: is_control(method) != is_control(next_))
    parts: list[RenderableType] = [methods, Text()]
    calibration = calibration_table(results)
    if calibration.records:
        parts += [to_rich(calibration), Text()]
    if results["comparisons"]:
        title = "Accuracy minus each control's, percentage points, with 95 % intervals (many controls: in table.md)"
        parts += [Text(title), Text(), to_rich(_comparison_matrix(results)), Text()]
    warnings = collect_warnings(results["dataset"], results["methods"])
    parts += caption_and_warnings(results_caption(results), [*format_data_warnings(results["dataset"]), *warnings])
    return Padding(Group(*parts), (1, 0))


def caption_and_warnings(caption: str, warnings: list[str]) -> list[RenderableType]:
    """Returns a caption and warnings for a terminal."""
    lines = [Text(f"⚠ {warning}", style="yellow") for warning in warnings]
    return [Text(caption.replace("`", ""), style="dim"), *([Text()] if lines else []), *lines]


def _comparison_matrix(results: Results) -> Table:
    """A row for each autoencoder and a column for each control; controls of an autoencoder's architecture share one."""
    comparisons = results["comparisons"]
    controls = list(dict.fromkeys(map(_control_heading, comparisons)))
    rows: dict[str, dict[str, Results]] = {}
    for comparison in comparisons:
        rows.setdefault(comparison["method"], {})[_control_heading(comparison)] = comparison
    show_interval = len(controls) <= MAX_WIDE_CONTROLS

    def control_column(control: str) -> Column:
        def cell(row: tuple[str, dict[str, Results]]) -> Cell:
            return _verdict_cell(row[1].get(control), show_interval)

        return Column(control, cell, "left", wrap=False, terminal_heading=control)

    first = Column("autoencoder", lambda row: Cell(row[0], "bold"), "left", wrap=False)
    return Table([first, *map(control_column, controls)], list(rows.items()))


def _control_heading(comparison: Results) -> str:
    name, suffix = str(comparison["baseline"]), f"-{comparison['method']}"
    return f"own {name.removesuffix(suffix)}" if name.endswith(suffix) else name


def _verdict_cell(comparison: Results | None, show_interval: bool) -> Cell:
    """Returns difference and verdict, and the interval if it fits."""
    if comparison is None:
        return Cell(MISSING, "dim")
    verdict, difference = comparison["verdict"], format_points(comparison["mean_difference"])
    interval = format_points_ci(comparison["ci95"])
    text = f"{difference} {verdict}\n{interval}" if show_interval else f"{difference}\n{verdict}"
    return Cell(text, VERDICT_STYLES.get(verdict, ""))
