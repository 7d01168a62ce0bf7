"""What a comparison found, in a sentence for each autoencoder, from `results.json` alone."""

from collections.abc import Sequence

from aejax.report.formatting import format_difference, format_difference_ci
from aejax.report.results import Results, is_versus, verdict_metric
from aejax.report.sensitivity import describe_sensitivity

VERDICT_PHRASES = {  # by verdict, and whether the difference exceeds the margin
    ("better", True): "better by more than the margin than",
    ("better", False): "better than",
    ("worse", True): "worse by more than the margin than",
    ("worse", False): "worse than",
    ("equivalent", False): "equivalent to",
    ("not worse", False): "not worse than",
    ("inconclusive", False): "inconclusive compared with",
    ("too few seeds", False): "too few seeds for a verdict against",
}


def describe_findings(results: Results, methods: Sequence[str] | None = None) -> list[str]:
    """Returns a sentence for each autoencoder, or each of `methods`: its verdicts, with difference and interval.

    Its comparisons of `--versus` are a family of their own, and so have a sentence of their own.
    """
    sentences: dict[tuple[str, bool], list[Results]] = {}
    for row in results["comparisons"]:
        sentences.setdefault((row["method"], is_versus(row)), []).append(row)
    return [
        _describe_method(results, f"{method} (--versus)" if versus else method, rows)
        for (method, versus), rows in sentences.items()
        if methods is None or method in methods
    ]


def _describe_method(results: Results, subject: str, rows: Sequence[Results]) -> str:
    metric = verdict_metric(results)
    phrases: list[str] = []
    for (verdict, exceeds), phrase in VERDICT_PHRASES.items():
        names: list[str] = []
        for row in (row for row in rows if (row["verdict"], row.get("exceeds_margin", False)) == (verdict, exceeds)):
            difference = format_difference(metric, row["mean_difference"])
            # The first number of a sentence has its unit.
            unit = f" {metric.difference_unit}, 95 % interval" if not phrases and not names else ""
            interval = f"{format_difference_ci(metric, row['ci95'])}{describe_sensitivity(results, row)}"
            names.append(f"{row['baseline']} ({difference}{unit} {interval})")
        if names:
            phrases.append(f"{phrase} {_join(names)}{_common_reason(rows, verdict)}")
    return f"{subject}: {'; '.join(phrases)}."


def _common_reason(rows: Sequence[Results], verdict: str) -> str:
    """Returns why none of several comparisons has a decisive verdict, if it is the same for all."""
    reasons = {row.get("reason") for row in rows if row["verdict"] == verdict}
    reason = reasons.pop() if len(reasons) == 1 and verdict in ("inconclusive", "too few seeds") else None
    return f": {reason}" if reason else ""


def _join(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
