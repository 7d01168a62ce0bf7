"""Further tables of the methods of a comparison: metrics of codes, what tuning is worth, and probes of few features."""

from functools import partial

from aejax.report.formatting import MISSING, format_decimals, format_significant
from aejax.report.results import Results, has_bernoulli_likelihood, verdict_metric
from aejax.report.tables import Column, Table

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
UNITS_CAPTION = (
    "For each class, a logistic regression on the features whose means on labelled rows differ most between it and the "
    "others (Gurnee et al. 2023); mean over seeds. Verdicts are about the last column; which features they are is in "
    "`results.json`."
)


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
