"""What accuracy alone does not say of a method: every class alike, honest probabilities, the class it is worst at."""

from aejax.report.results import Results, number
from aejax.report.wording import MISSING, duration, three_digits

RELIABILITY_HEADINGS = (
    "method",
    "balanced, %",
    "calibration error, %",
    "Brier",
    "worst class",
    "its accuracy, %",
    "all, s",
    "failed seeds",
)


def reliability_rows(results: Results) -> list[list[str]]:
    """A row under RELIABILITY_HEADINGS for every method that has them; none in results of earlier versions."""
    names = results["dataset"].get("class_names") or []
    return [_cells(method, names) for method in results["methods"] if method.get("balanced_accuracy")]


def _cells(method: Results, class_names: list[str]) -> list[str]:
    by_class = [number(value) for value in method["per_class_accuracy"]["mean"]]
    accuracy, worst = min(
        ((value, index) for index, value in enumerate(by_class) if value is not None), default=(None, None)
    )
    name = MISSING if worst is None else class_names[worst] if worst < len(class_names) else str(worst)
    failed = method["failed_seeds"]
    return [
        method["name"],
        _percent(method["balanced_accuracy"]["mean"]),
        _percent(method["calibration_error"]["mean"]),
        three_digits(method["brier"]["mean"]),
        name,
        _percent(accuracy),
        duration(sum(number(seconds) or 0.0 for seconds in method["seconds"].values())),
        ", ".join(map(str, failed)) or "none",
    ]


def _percent(value: float | None) -> str:
    finite = number(value)
    return MISSING if finite is None else f"{100 * finite:.2f}"


def reliability_caption() -> str:
    """What the columns are."""
    return (
        "Balanced accuracy is the mean over classes of each class's accuracy; calibration error the mean distance of "
        "accuracy from confidence, in 15 bins of equal width (Guo et al. 2017); the worst class the one of the lowest "
        "accuracy. All are means over seeds; `results.json` has every seed, and every class."
    )
