"""What tuning is worth: the metric of the verdicts against the number of settings tried."""

from functools import partial

from aejax.report.formatting import format_decimals
from aejax.report.results import Results, verdict_metric
from aejax.report.tables import Column, Table

TUNING_CAPTION = (
    "Expected on the test examples for the best of n random settings by validation loss, mean over seeds (Dodge et al. "
    "2019); the settings are in `results.json`."
)


def tuning_table(results: Results) -> Table:
    """Returns a row for each method that tried settings; columns are budgets that double. Without rows: none did."""
    methods = [method for method in results["methods"] if method.get("tuning")]
    most = max((len(method["tuning"]["expected"]) for method in methods), default=1)
    budgets = sorted({most, *(2**power for power in range(most.bit_length()))})
    columns = [Column(f"{verdict_metric(results).heading}, of the best of", lambda method: method["name"], "left")]
    columns += [Column(str(budget), partial(_expected, results, budget)) for budget in budgets]
    return Table(columns, methods)


def _expected(results: Results, budget: int, method: Results) -> str:
    metric, expected = verdict_metric(results), method["tuning"]["expected"]
    if budget > len(expected):
        return "—"
    return format_decimals(expected[budget - 1], metric.decimals, metric.scale)
