"""What accuracy alone does not say of a method: every class alike, honest probabilities, the class it is worst at."""

from aejax.report.formatting import MISSING, format_seconds, format_significant
from aejax.report.results import Results, finite_or_none

CALIBRATION_HEADINGS = (
    "method",
    "balanced, %",
    "calibration error, %",
    "Brier",
    "worst class",
    "its accuracy, %",
    "all, s",
    "failed seeds",
)


def calibration_rows(results: Results) -> list[list[str]]:
    """A row under CALIBRATION_HEADINGS for every method that has them; none in results of earlier versions."""
    names = results["dataset"].get("class_names") or []
    return [_calibration_row(method, names) for method in results["methods"] if method.get("balanced_accuracy")]


def _calibration_row(method: Results, class_names: list[str]) -> list[str]:
    by_class = [finite_or_none(value) for value in method["per_class_accuracy"]["mean"]]
    accuracy, worst = min(
        ((value, index) for index, value in enumerate(by_class) if value is not None), default=(None, None)
    )
    name = MISSING if worst is None else class_names[worst] if worst < len(class_names) else str(worst)
    failed = method["failed_seeds"]
    return [
        method["name"],
        _format_percent(method["balanced_accuracy"]["mean"]),
        _format_percent(method["calibration_error"]["mean"]),
        format_significant(method["brier"]["mean"]),
        name,
        _format_percent(accuracy),
        format_seconds(sum(finite_or_none(seconds) or 0.0 for seconds in method["seconds"].values())),
        ", ".join(map(str, failed)) or "none",
    ]


def _format_percent(value: float | None) -> str:
    finite = finite_or_none(value)
    return MISSING if finite is None else f"{100 * finite:.2f}"


def calibration_caption() -> str:
    """What the columns are."""
    return (
        "Balanced accuracy is the mean over classes of each class's accuracy; calibration error the mean distance of "
        "accuracy from confidence, in 15 bins of equal width (Guo et al. 2017); the worst class the one of the lowest "
        "accuracy. All are means over seeds; `results.json` has every seed, and every class."
    )
