"""The table of the metrics of codes."""

from functools import partial

from aejax.report.formatting import MISSING, format_significant
from aejax.report.results import Results, has_bernoulli_likelihood
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
    columns = [
        Column("method", lambda method: method["name"], "left"),
        Column("d", lambda method: str(method["features"])),
    ]
    for name in code_metric_names(results):
        columns.append(Column(code_metric_heading(name, results), partial(_format_code_metric, name)))
    return Table(columns, [method for method in results["methods"] if method.get("measures")])


def _format_code_metric(name: str, method: Results) -> str:
    return format_error(method["measures"].get(name))
