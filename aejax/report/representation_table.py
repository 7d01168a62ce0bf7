"""Diagnostics of representations in words: one row for each method, and what each number is. No verdict among them."""

from aejax.report.formatting import MISSING, format_mean_ci
from aejax.report.results import REPRESENTATION_METRIC_NAMES, Results

REPRESENTATION_HEADINGS = (
    "diagnostics of",
    "effective rank",
    "RankMe",
    "intrinsic dim.",
    "alignment",
    "uniformity",
    "k-NN purity, %",
    "dead units",
    "active units",
    "CKA between seeds",
)
_SCALE = {"knn_purity": 100.0}
_DECIMALS = {"alignment": 2, "uniformity": 2}  # 1 of the others


def representation_rows(results: Results) -> list[list[str]]:
    """The cells of every method under REPRESENTATION_HEADINGS: means over seeds."""
    return [
        [
            method["name"],
            *(
                format_mean(method[name]["mean"], _SCALE.get(name, 1.0), _DECIMALS.get(name, 1))
                for name in REPRESENTATION_METRIC_NAMES
            ),
            format_mean(method["cka_between_seeds"], 1.0, 2),
        ]
        for method in results["diagnostics"]["methods"]
    ]


def format_mean(value: float | None, scale: float, decimals: int) -> str:
    """A number times `scale`, or that there is none."""
    return format_mean_ci({"mean": value, "ci95": None}, scale=scale, decimals=decimals)


def representation_caption(results: Results) -> str:
    """What the diagnostics are, on which rows, and that no verdict rests on them."""
    diagnostics = results["diagnostics"]
    rows, tested = diagnostics["rows"], results["dataset"]["n_test"]
    which = (
        f"all {rows:,} test examples" if rows == tested else f"{rows:,} of the {tested:,} test examples, evenly taken"
    )
    neighbours = diagnostics["neighbours"]
    return (
        f"These are diagnostics of the features of {which}, means over seeds; no verdict rests on them. Effective rank "
        "is of centred features, RankMe of features as they are; intrinsic dimension is TwoNN's. Alignment (mean "
        "squared distance within a class) and uniformity are on the unit sphere: the lower, the closer classes lie and "
        f"the more evenly all spread. Purity is the share of the {neighbours} nearest neighbours that have the same "
        "class, by Euclidean distance of standardised features. Dead units are zero for each of these examples; active "
        f"ones vary by more than 0.01. CKA is linear and debiased; {MISSING} where there is no number."
    )
