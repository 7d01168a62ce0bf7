"""What probes of a few features score: the metric of the verdicts against the number of features of a class's probe."""

from functools import partial

from aejax.report.formatting import MISSING, format_decimals
from aejax.report.results import Results, verdict_metric
from aejax.report.tables import Column, Table

UNITS_CAPTION = (
    "For each class, a logistic regression on the features whose means on labelled rows differ most between it and the "
    "others (Gurnee et al. 2023); mean over seeds. Verdicts are about the last column; which features they are is in "
    "`results.json`."
)


def units_table(results: Results) -> Table:
    """Returns a row for each method with sparse probes; columns are their numbers of features."""
    methods = [method for method in results["methods"] if method.get("top_units")]
    counts: list[int] = next((seed for method in methods for seed in method["top_units"]["counts"]), [])
    columns = [Column(f"{verdict_metric(results).heading}, features per class", lambda method: method["name"], "left")]
    columns += [Column(str(count), partial(_mean, results, number)) for number, count in enumerate(counts)]
    return Table(columns, methods if len(counts) > 1 else [])


def _mean(results: Results, number: int, method: Results) -> str:
    metric, by_seed = verdict_metric(results), method["top_units"]["metric"]
    values = [float(value) for seed in by_seed for value in seed[number : number + 1] if value is not None]
    return format_decimals(sum(values) / len(values), metric.decimals, metric.scale) if values else MISSING
