"""What a comparison found, in a sentence for each autoencoder, with variations and numbers of labels where it holds."""

from collections.abc import Sequence
from itertools import groupby

from aejax.evaluate.verdict_metrics import VerdictMetric
from aejax.evaluate.verdicts import CONTRADICTIONS, POWER
from aejax.report.formatting import MISSING, format_difference, format_difference_ci
from aejax.report.results import Results, finite_or_none, is_versus, verdict_metric

NO_VERDICT = "no verdict against"
VERDICT_PHRASES = {
    "better": "better than",
    "worse": "worse than",
    "equivalent": "equivalent to",
    "not worse": "not worse than",
    "inconclusive": NO_VERDICT,
    "too few seeds": NO_VERDICT,
}


def describe_findings(results: Results, methods: Sequence[str] | None = None) -> list[str]:
    """Returns a sentence for each autoencoder, or each of `methods`: its verdicts, with difference and interval.

    The interval is the adjusted one, from which the verdict comes. Its comparisons of
    `--versus` are a family of their own, and so have a sentence of their own. A label curve adds one for each method.
    """
    families: dict[tuple[str, bool], list[Results]] = {}
    for row in results["comparisons"]:
        if methods is None or row["method"] in methods:
            families.setdefault((row["method"], is_versus(row)), []).append(row)
    sentences = []
    for (method, versus), rows in families.items():
        sentences.append(_describe_method(results, f"{method} (--versus)" if versus else method, rows))
        sentences += [] if versus else describe_label_curve(results, method)
    return sentences


def _describe_method(results: Results, subject: str, rows: Sequence[Results]) -> str:
    metric = verdict_metric(results)
    reasons = {row.get("reason") for row in rows}
    if {row["verdict"] for row in rows} == {"too few seeds"} and len(reasons) == 1 and None not in reasons:
        return f"{subject}: no verdict: {reasons.pop()}."
    clauses: list[str] = []
    for phrase in dict.fromkeys(VERDICT_PHRASES.values()):
        chosen = [row for row in rows if VERDICT_PHRASES[row["verdict"]] == phrase]
        unit = "" if clauses else f" {metric.difference_unit}"  # of the first number of a sentence
        names = [_describe_row(results, row, "" if index else unit) for index, row in enumerate(chosen)]
        if names:
            clauses.append(f"{phrase} {_join(names)}{_describe_reason(metric, chosen) if phrase == NO_VERDICT else ''}")
    verb = ":" if clauses[0].startswith(NO_VERDICT) else " is"
    return f"{subject}{verb} {'; '.join(clauses)}."


def _describe_row(results: Results, row: Results, unit: str) -> str:
    """Returns a baseline with the difference, and the interval from which the verdict comes."""
    metric = verdict_metric(results)
    interval = format_difference_ci(metric, row.get("ci95_adjusted") or row["ci95"])
    difference = format_difference(metric, row["mean_difference"])
    return f"{row['baseline']} ({difference} {interval}{unit}{describe_sensitivity(results, row)})"


def _describe_reason(metric: VerdictMetric, rows: Sequence[Results]) -> str:
    """Returns why comparisons have no verdict: the reason that all share, or the differences that would get one."""
    reasons = {row.get("reason") or row["verdict"] for row in rows}
    if len(reasons) == 1:
        reason = reasons.pop()
        return "" if reason == "inconclusive" else f": {reason}"
    detectable = [row["detectable"] for row in rows if row.get("detectable") and row["verdict"] == "inconclusive"]
    if len(detectable) < len(rows):
        return ""
    low, high = (f"{metric.scale * bound:.{metric.decimals}f}" for bound in (min(detectable), max(detectable)))
    return f": the test finds differences of {low} to {high} {metric.unit} at {100 * POWER:g} % power".replace(
        "  ", " "
    )


def _join(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def find_sensitivity(results: Results, comparison: Results) -> Results | None:
    """Returns the entry of `sensitivity` about a comparison; None in results without."""
    rows = results.get("sensitivity", {}).get("comparisons", [])
    key = ("method", "baseline", "family")
    return next((row for row in rows if all(row[name] == comparison.get(name) for name in key)), None)


def format_sensitivity(results: Results, comparison: Results) -> str:
    """Returns `7 of 8`, or `6 of 8, fragile`."""
    row = find_sensitivity(results, comparison)
    assert row is not None
    return f"{row['holds']} of {row['of']}{', fragile' if row['fragile'] else ''}"


def describe_sensitivity(results: Results, comparison: Results) -> str:
    """Returns a clause of a sentence: how many variations agree, or which one contradicts a verdict.

    Empty for a comparison that claims nothing, or without variations.
    """
    row = find_sensitivity(results, comparison)
    if row is None or row["of"] == 0 or comparison["verdict"] not in CONTRADICTIONS:
        return ""
    if not row["fragile"]:
        return f"; holds in {row['holds']} of {row['of']}"
    first, *others = row["reversed_by"]
    settings = next(entry["settings"] for entry in results["sensitivity"]["variations"] if entry["name"] == first)
    more = f" and {len(others)} more" if others else ""
    return f"; fragile: {row['verdicts'][first]} with {settings}{more}"


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
