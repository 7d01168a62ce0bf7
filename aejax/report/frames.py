"""Results of a comparison as pandas DataFrames."""

from collections.abc import Sequence

import pandas as pd

from aejax.report.results import Results, verdict_metric

VERDICT_COLUMNS = (
    *("method", "baseline", "difference", "low", "high", "low_adjusted", "high_adjusted"),
    *("verdict", "exceeds_margin", "reason", "family"),
)


def verdicts_frame(results: Results) -> pd.DataFrame:
    """Returns a row for each comparison: differences, method minus baseline, with 95 % intervals, and the verdict.

    Numbers are in units of the metric: 0.01 is one point of accuracy. `low_adjusted` and `high_adjusted` hold for all
    comparisons of a method together; the verdict comes from them.
    """
    rows = [
        {
            **comparison,
            "difference": comparison["mean_difference"],
            **_bounds(comparison["ci95"]),
            **_bounds(comparison.get("ci95_adjusted"), suffix="_adjusted"),
        }
        for comparison in results["comparisons"]
    ]
    return pd.DataFrame(rows, columns=list(VERDICT_COLUMNS))


def _bounds(interval: Sequence[float] | None, prefix: str = "", suffix: str = "") -> dict[str, float | None]:
    low, high = interval or (None, None)
    return {f"{prefix}low{suffix}": low, f"{prefix}high{suffix}": high}


def methods_frame(results: Results) -> pd.DataFrame:
    """Returns a row for each method: role, number of features, and each metric with its 95 % interval."""
    rows = []
    for method in results["methods"]:
        row = {"method": method["name"], "role": method["role"], "features": method["features"]}
        for name in dict.fromkeys((verdict_metric(results).field, "test_accuracy", "test_nll", "calibration_error")):
            if name in method:
                short = name.removeprefix("test_")
                row |= {short: method[name]["mean"], **_bounds(method[name]["ci95"], f"{short}_")}
        mse = method["reconstruction_mse"]
        row["reconstruction_mse"] = None if mse is None else mse["mean"]
        row |= {name: value["mean"] for name, value in method.get("measures", {}).items()}
        rows.append({**row, "seconds": sum(method["seconds"].values())})
    return pd.DataFrame(rows)


def per_seed_frame(results: Results) -> pd.DataFrame:
    """Returns a row for each method and seed, with every metric that has a value for each seed."""
    rows = []
    for method in results["methods"]:
        summaries = {
            name.removeprefix("test_"): value
            for name, value in {**method, **method.get("measures", {})}.items()
            if isinstance(value, dict) and "ci95" in value
        }
        for seed in range(len(method["test_accuracy"]["per_seed"])):
            values = {name: summary["per_seed"][seed] for name, summary in summaries.items()}
            rows.append({"method": method["name"], "seed": seed, **values})
    return pd.DataFrame(rows)


def label_curve_frame(results: Results) -> pd.DataFrame:
    """Returns a row for each method and number of labels, and for each comparison, method minus `baseline`.

    `low` and `high` are of each interval alone, in 95 %; `band_low` and `band_high` hold at all numbers of labels at
    once, and those of differences for all comparisons of a method, too.
    """
    curve, rows = results["label_curve"], []
    for entry in (*curve["methods"], *curve["comparisons"]):
        names = {"method": entry.get("method") or entry["name"], "baseline": entry.get("baseline")}
        points = zip(curve["n_labels"], entry["mean"], entry["ci95"], entry["band"], strict=True)
        for n_labels, mean, interval, band in points:
            bounds = _bounds(interval) | _bounds(band, "band_")
            rows.append({**names, "labels": n_labels, "value": mean, **bounds})
    return pd.DataFrame(rows)
