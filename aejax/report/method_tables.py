"""Further tables of methods: their codes, probes of few features, tuning, calibration, label curve and diagnostics."""

from collections.abc import Callable, Sequence
from functools import partial

from aejax.report.findings import describe_gain, format_labels
from aejax.report.formatting import MISSING, format_decimals, format_seconds, format_significant
from aejax.report.results import Results, finite_or_none, has_bernoulli_likelihood, verdict_metric
from aejax.report.tables import Cell, Column, Table

CODE_METRIC_HEADINGS = {
    "explained_variance": "variance explained",
    "recovery": "recovery",
    "l0": "nonzero units",
    "dead_units": "dead units",
    "active_units": "active units",
    "entries_used": "entries used",
    "perplexity": "perplexity",
    "bits": "bits",
    "elbo": "ELBO, nats",
    "importance_weighted": "IW bound, nats",
    "kl": "KL, nats",
}
LIKELIHOOD_METRICS = ("elbo", "importance_weighted")
TUNING_CAPTION = (
    "Expected on the test examples for the best of n random settings by validation loss, mean over seeds (Dodge et al. "
    "2019); the settings are in `results.json`."
)
UNITS_TITLE = "Probes of few features"
UNITS_CAPTION = (
    "For each class, a logistic regression on the features whose means on labelled rows differ most between it and the "
    "others (Gurnee et al. 2023); mean over seeds. Verdicts are about the last column; which features they are is in "
    "`results.json`."
)
CALIBRATION_CAPTION = (
    "Balanced accuracy is the mean of the accuracies of all classes. Calibration error is the mean distance between "
    "confidence and accuracy in 15 bins of equal width (Guo et al. 2017). The worst class is the one of lowest "
    "accuracy. All are means over seeds; `results.json` has every seed and every class."
)
REPRESENTATION_FORMATS = {  # of metrics of every method's features: heading, decimals, scale
    "effective_rank": ("effective rank", 1, 1),
    "rankme": ("RankMe", 1, 1),
    "intrinsic_dimension": ("intrinsic dim.", 1, 1),
    "alignment": ("alignment", 2, 1),
    "uniformity": ("uniformity", 2, 1),
    "knn_purity": ("k-NN purity, %", 1, 100),
    "dead_units": ("dead units", 1, 1),
    "active_units": ("active units", 1, 1),
}


def format_error(summary: Results | None) -> str:
    """Returns the mean of a quantity that a method may lack."""
    return MISSING if summary is None else format_significant(summary["mean"])


def code_metric_names(results: Results) -> list[str]:
    """Returns the metrics of codes that some method has, in the order of CODE_METRIC_HEADINGS."""
    known = {name for method in results["methods"] for name in method.get("measures", {})}
    return [name for name in CODE_METRIC_HEADINGS if name in known]


def code_metric_heading(name: str, results: Results) -> str:
    """Returns the heading of a metric of codes; a Bernoulli likelihood of values between 0 and 1 is marked as pseudo.

    Args:
        name: one of `code_metric_names`.
        results: of a run, with its config.
    """
    is_pseudo = name in LIKELIHOOD_METRICS and has_bernoulli_likelihood(results)
    return f"pseudo-{CODE_METRIC_HEADINGS[name]}" if is_pseudo else CODE_METRIC_HEADINGS[name]


def code_metric_table(results: Results) -> Table:
    """Returns the metrics of every autoencoder's code."""

    def mean(name: str) -> Column:
        return Column(code_metric_heading(name, results), lambda method: format_error(method["measures"].get(name)))

    columns = [
        Column("method", lambda method: method["name"], "left"),
        Column("d", lambda method: str(method["features"])),
        *map(mean, code_metric_names(results)),
    ]
    return Table(columns, [method for method in results["methods"] if method.get("measures")])


def tuning_table(results: Results) -> Table:
    """Returns a row for each method that tried settings; columns are budgets that double. Without rows: none did."""
    methods = [method for method in results["methods"] if method.get("tuning")]
    most = max((len(method["tuning"]["expected"]) for method in methods), default=1)
    budgets = sorted({most, *(2**power for power in range(most.bit_length()))})
    metric = verdict_metric(results)

    def expected(budget: int, method: Results) -> str:
        values = method["tuning"]["expected"][budget - 1 : budget]
        return format_decimals(values[0] if values else None, metric.decimals, metric.scale)

    columns = [Column(f"{metric.heading}, of the best of", lambda method: method["name"], "left")]
    columns += [Column(str(budget), partial(expected, budget)) for budget in budgets]
    return Table(columns, methods)


def units_table(results: Results) -> Table:
    """Returns a row for each method with sparse probes; columns are their numbers of features."""
    methods = [method for method in results["methods"] if method.get("top_units")]
    counts: list[int] = next((seed for method in methods for seed in method["top_units"]["counts"]), [])
    metric = verdict_metric(results)

    def mean(number: int, method: Results) -> str:
        by_seed = method["top_units"]["metric"]
        values = [float(value) for seed in by_seed for value in seed[number : number + 1] if value is not None]
        return format_decimals(sum(values) / len(values) if values else None, metric.decimals, metric.scale)

    columns = [Column(f"{metric.heading}, features per class", lambda method: method["name"], "left")]
    columns += [Column(str(count), partial(mean, number)) for number, count in enumerate(counts)]
    return Table(columns, methods if len(counts) > 1 else [])


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
        Column("Brier", lambda method: format_significant(method["brier"]["mean"]), detail=True),
        Column("worst class", worst_class, "left"),
        Column("its accuracy, %", lambda method: format_decimals(_worst_class(method)[0], 2, 100)),
        Column("total, s", _total_seconds, detail=True),
        Column("failed seeds", lambda method: ", ".join(map(str, method["failed_seeds"])) or "none"),
    ]
    return Table(columns, [method for method in results["methods"] if method.get("balanced_accuracy")])


def _worst_class(method: Results) -> tuple[float, int] | tuple[None, None]:
    accuracies = [finite_or_none(value) for value in method["per_class_accuracy"]["mean"]]
    return min(((value, index) for index, value in enumerate(accuracies) if value is not None), default=(None, None))


def _total_seconds(method: Results) -> str:
    return format_seconds(sum(finite_or_none(seconds) or 0.0 for seconds in method["seconds"].values()))


def representation_table(results: Results) -> Table:
    """Returns the metrics of every method's features, means over seeds."""

    def mean(name: str, heading: str, decimals: int, scale: float) -> Column:
        return Column(heading, lambda method: format_decimals(method[name]["mean"], decimals, scale))

    columns = [Column("diagnostics of", lambda method: method["name"], "left")]
    columns += [mean(name, *formats) for name, formats in REPRESENTATION_FORMATS.items()]
    columns.append(Column("CKA between seeds", lambda method: format_decimals(method["cka_between_seeds"], 2)))
    return Table(columns, results["diagnostics"]["methods"])


def representation_caption(results: Results) -> str:
    """Returns the caption of the metrics of representations."""
    rows, n_test = results["diagnostics"]["rows"], results["dataset"]["n_test"]
    which = f"all {rows:,} test examples" if rows == n_test else f"{rows:,} of {n_test:,} test examples, evenly spaced"
    return (
        f"Diagnostics of the features of {which}, means over seeds; verdicts do not use them. Effective rank is of "
        "centred features, RankMe of uncentred ones; intrinsic dimension is estimated by TwoNN. Alignment (mean "
        "squared distance within a class) and uniformity are on the unit sphere: lower values mean closer classes and "
        f"more uniform features. Purity is the share of the {results['diagnostics']['neighbours']} nearest neighbours "
        "that have the same class, by Euclidean distance of standardised features. Dead units are zero for each of "
        "these examples; active units have a variance above 0.01. CKA is linear and debiased; "
        f"{MISSING} marks what is undefined."
    )


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


def further_tables(results: Results) -> list[tuple[str, list[Table], str]]:
    """Returns title, tables and caption of what else is known of the methods; only what there is."""
    curves = [gains_table(results), budgets_table(results)] if "label_curve" in results else []
    tables = [
        (UNITS_TITLE, [units_table(results)], UNITS_CAPTION),
        ("Tuning", [tuning_table(results)], TUNING_CAPTION),
        ("Calibration", [calibration_table(results)], CALIBRATION_CAPTION),
        ("By number of labels", curves, label_curve_caption(results)),
    ]
    return [(title, shown, caption) for title, shown, caption in tables if any(table.records for table in shown)]
