"""How verdicts fare under the variations of `compare.py --sensitivity`."""

from aejax.evaluate.sensitivity import CONTRADICTIONS
from aejax.report.results import Results


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


def sensitivity_caption(results: Results) -> str:
    """Returns which variations there are, and what the column of verdicts that hold means; empty without."""
    if "sensitivity" not in results:
        return ""
    settings = ", ".join(f"`{entry['settings']}`" for entry in results["sensitivity"]["variations"])
    return (
        f"Holds in: variations with the same verdict, of those that change either method: {settings}. Fragile: at "
        "least one contradicts the verdict."
    )
