"""How methods and their differences change with the number of labels: sentences and tables of `label_curve`."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby

from aejax.report.formatting import MISSING, format_decimals, format_significant
from aejax.report.results import Results, finite_or_none, verdict_metric
from aejax.report.tables import Cell, Column, Table


def format_labels(number: float | None) -> str:
    """Returns a number of labels with at most three significant digits: `1,900`."""
    finite = finite_or_none(number)
    return MISSING if finite is None else f"{float(f'{finite:.3g}'):,.0f}"


def describe_gain(results: Results, row: Results, *, above_margin: bool) -> str:
    """Returns at which numbers of labels a method is shown to be better than its baseline.

    Args:
        results: of the comparison.
        row: of `label_curve.comparisons`.
        above_margin: whether it is to be better by more than the margin.

    Returns:
        For example `below 1,900 [1,200, 2,600]`, `everywhere`, `nowhere`, `at 20 to 160, else undecided`, `undecided`
        or `too few seeds`.
    """
    if row["too_few_seeds"]:
        return "too few seeds"
    crossings = row["margin_crossings" if above_margin else "crossovers"]
    if crossings:
        return "; ".join(
            f"{crossing['better']} {format_labels(crossing['labels'])} "
            f"[{', '.join(map(format_labels, crossing['ci95']))}]"
            for crossing in crossings
        )
    metric, labels = verdict_metric(results), results["label_curve"]["n_labels"]
    threshold = results["margin"] if above_margin else 0.0
    gains = [sorted(metric.gain(bound) for bound in bounds) for bounds in row["band"]]
    better = [low > threshold for low, _ in gains]
    worse = [high < threshold for _, high in gains]
    if all(better) or all(worse):
        return "everywhere" if all(better) else "nowhere"
    if any(better):
        return f"at {_join_runs(labels, better)}, else undecided"
    return f"not at {_join_runs(labels, worse)}, else undecided" if any(worse) else "undecided"


def _join_runs(labels: Sequence[int], chosen: Sequence[bool]) -> str:
    """Returns the runs of chosen numbers of labels: `20 to 160 and 640`."""
    grouped = groupby(zip(labels, chosen, strict=True), lambda pair: pair[1])
    runs = [[count for count, _ in run] for is_chosen, run in grouped if is_chosen]
    return " and ".join(f"{run[0]:,} to {run[-1]:,}" if len(run) > 1 else f"{run[0]:,}" for run in runs)


def describe_label_curve(results: Results, method: str) -> list[str]:
    """Returns a sentence about where a method gains more than the margin; none in results without a curve."""
    rows = [row for row in results.get("label_curve", {}).get("comparisons", []) if row["method"] == method]
    by_text: dict[str, list[str]] = {}
    for row in rows:
        by_text.setdefault(describe_gain(results, row, above_margin=True), []).append(row["baseline"])
    if not by_text.keys() - {"too few seeds"}:
        return []
    metric = verdict_metric(results)
    margin = f"{metric.scale * results['margin']:g} {metric.difference_unit}"
    where = "; ".join(f"over {', '.join(baselines)}: {text}" for text, baselines in by_text.items())
    return [f"{method} gains more than {margin}, by number of labels, {where}."]


def label_curve_tables(results: Results) -> list[Table]:
    """Returns the tables of gains and of methods; none for results without a label curve."""
    return [gains_table(results), budgets_table(results)] if "label_curve" in results else []


def gains_table(results: Results) -> Table:
    """Returns a row for each comparison: where the method is better, and where by more than the margin."""
    columns = [
        Column("autoencoder", lambda row: Cell(row["method"], "bold"), "left"),
        Column("control", lambda row: row["baseline"], "left"),
        Column("better, by labels", lambda row: describe_gain(results, row, above_margin=False), "left"),
        Column("by more than the margin", lambda row: describe_gain(results, row, above_margin=True), "left"),
    ]
    return Table(columns, results["label_curve"]["comparisons"], keys=2)


def budgets_table(results: Results) -> Table:
    """Returns a row for each method: the metric at every number of labels, and what a low loss costs in labels."""
    metric, curve = verdict_metric(results), results["label_curve"]

    def at(index: int) -> Callable[[Results], str]:
        return lambda row: format_decimals(row["mean"][index], metric.decimals, metric.scale)

    columns = [Column("method", lambda row: row["name"], "left")]
    columns += [Column(f"{count:,} labels", at(index)) for index, count in enumerate(curve["n_labels"])]
    columns += [
        Column("SDL, nats", _format_surplus),
        Column("eSC, labels", partial(_format_complexity, curve["n_labels"])),
    ]
    return Table(columns, curve["methods"])


def _format_surplus(row: Results) -> str:
    complexity = row.get("complexity")
    if complexity is None:
        return MISSING
    mark, interval = "> " if complexity["is_lower_bound"] else "", complexity["surplus_ci95"]
    bounds = f" [{', '.join(map(format_significant, interval))}]" if interval else ""
    return f"{mark}{format_significant(complexity['surplus_description_length'])}{bounds}"


def _format_complexity(n_labels: Sequence[int], row: Results) -> str:
    """Returns the labels with their interval; at the fewest that were measured they are an upper bound."""
    complexity = row.get("complexity")
    if complexity is None:
        return MISSING
    number, interval = complexity["sample_complexity"], complexity["sample_complexity_ci95"]
    bounds = ", ".join(MISSING if bound is None else format_labels(bound) for bound in interval)
    mark = "≤ " if number is not None and number <= n_labels[0] * (1 + 1e-9) else ""
    return f"{'> all' if number is None else mark + format_labels(number)} [{bounds}]"


def label_curve_caption(results: Results) -> str:
    """Returns what the tables of a label curve show; empty in results without."""
    if "label_curve" not in results:
        return ""
    metric, curve = verdict_metric(results), results["label_curve"]
    return (
        f"By number of labels, for training and validation together: test {metric.heading}; label sets are nested. "
        "Better: shown by a band that holds at all numbers of labels and for all comparisons of a method at once, in "
        "95 %; a crossing has its 95 % interval. SDL: surplus description length; eSC: labels that a loss of epsilon = "
        f"{curve['epsilon']:.3g} nats needs (Whitney et al. 2020), with 95 % intervals; >: a lower bound, as the loss "
        "is not reached; ≤: the fewest labels reach it."
    )
