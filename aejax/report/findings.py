"""What a comparison found, in a sentence for each autoencoder, and whether its verdicts hold under variations."""

from collections.abc import Sequence

from aejax.evaluate.verdict_metrics import VerdictMetric
from aejax.evaluate.verdicts import CONTRADICTIONS, POWER
from aejax.report.formatting import format_difference, format_difference_ci
from aejax.report.label_curve import describe_label_curve
from aejax.report.results import Results, is_versus, verdict_metric

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
