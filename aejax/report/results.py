"""Reading `results.json`: validates its fields and finds controls, the best methods and comparisons."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from aejax.errors import require
from aejax.evaluate.comparisons import VERSUS_FAMILY
from aejax.evaluate.verdict_metrics import VERDICT_METRICS, VerdictMetric
from aejax.storage.atomic_io import read_json

Results = dict[str, Any]

READABLE_SCHEMAS = (1, 2)

# Names of controls in results without roles, also as in `random-conv`. Only `knn` itself, neighbours of the inputs, is
# a control; `knn-conv` classifies an autoencoder's codes.
LEGACY_CONTROL_PREFIXES = ("raw", "pca", "random", "supervised", "permuted")

# Metrics of every method's features, in the order of the table.
REPRESENTATION_METRIC_NAMES = (
    "effective_rank",
    "rankme",
    "intrinsic_dimension",
    "alignment",
    "uniformity",
    "knn_purity",
    "dead_units",
    "active_units",
)


class Leaf(NamedTuple):
    """A value that is not looked into: what it must be, and a test of it."""

    expected: str
    is_valid: Callable[[Any], bool]


class Nullable(NamedTuple):
    """What a value must be unless it is null."""

    schema: Any


def _is_number_or_null(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _is_list_of_numbers(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_number_or_null, value))


ANY = Leaf("anything", lambda value: True)
NUMBER = Leaf("a number or null", _is_number_or_null)
INTERVAL = Leaf("[low, high] or null", lambda value: value is None or (_is_list_of_numbers(value) and len(value) == 2))
SUMMARY = {"per_seed": Leaf("one number or null per seed", _is_list_of_numbers), "mean": NUMBER, "ci95": INTERVAL}
# Objects are dicts of their fields, of which those that end in "?" may be absent and "*" is every other; lists have
# one entry, which is the schema of each item.
METHOD_SCHEMA = {
    "name": ANY,
    "features": ANY,
    "test_accuracy": SUMMARY,
    "test_nll": SUMMARY,
    "reconstruction_mse": Nullable(SUMMARY),
    "probe": Nullable(dict.fromkeys(("gradient_norm", "converged", "grid_edge"), ANY)),
    "seconds": dict.fromkeys(("compile", "pretrain", "probe"), ANY),
    "measures?": {"*": SUMMARY},
}
SCHEMA = {
    "dataset": dict.fromkeys(("name", "n_train", "n_valid", "n_test"), ANY)
    | dict.fromkeys(("rows?", "features?"), NUMBER)
    | {"class_counts?": Leaf("one number per class", _is_list_of_numbers), "notes?": [ANY], "warnings?": [ANY]},
    "environment": {},
    "methods": [METHOD_SCHEMA],
    "comparisons": [
        dict.fromkeys(("method", "baseline", "mean_difference", "p", "p_holm", "verdict"), ANY) | {"ci95": INTERVAL}
    ],
    "diagnostics?": {
        "rows": ANY,
        "neighbours": ANY,
        "methods": [{"name": ANY, "cka_between_seeds": ANY, **dict.fromkeys(REPRESENTATION_METRIC_NAMES, SUMMARY)}],
        "cka": dict.fromkeys(("methods", "paired_seeds", "matrix"), ANY),
    },
}


def read_results(path: Path) -> Results:
    """Returns the JSON object in a file. Raises InputError if it cannot be read or is none."""
    value = read_json(path)
    require(
        isinstance(value, dict), f"{path}: expected a JSON object, found {type(value).__name__}; {_rerun_hint(path)}"
    )
    return value


def results_kind(results: Results) -> str:
    """Returns the kind of results; those without one are comparisons of methods."""
    return str(results.get("kind", "compare"))


def validate_results(results: Results, path: Path) -> None:
    """Raises InputError, which names file and field, unless these are the results of a comparison."""
    version = results.get("schema")
    known = type(version) is int and version in READABLE_SCHEMAS
    require(known, f"{path}: schema {version!r}, expected 1 or 2; {_rerun_hint(path)}")
    metric = results.get("metric", "accuracy")
    require(metric in tuple(VERDICT_METRICS), f"{path}: unknown metric {metric!r}; {_rerun_hint(path)}")
    methods = [{**METHOD_SCHEMA, VERDICT_METRICS[metric].field: SUMMARY}]
    _validate(results, {**SCHEMA, "methods": methods}, "", path)
    require(results["methods"], f"{path}: methods: none; {_rerun_hint(path)}")


def _validate(value: Any, schema: Any, where: str, path: Path) -> None:
    """Checks one value, then those in it."""
    prefix, hint = f"{path}: {where}: " if where else f"{path}: ", _rerun_hint(path)
    if isinstance(schema, Nullable):
        if value is not None:
            _validate(value, schema.schema, where, path)
    elif isinstance(schema, Leaf):
        require(schema.is_valid(value), f"{prefix}expected {schema.expected}; {hint}")
    elif isinstance(schema, list):
        require(isinstance(value, list), f"{prefix}expected a list; {hint}")
        for index, item in enumerate(value):
            _validate(item, schema[0], f"{where}[{index}]", path)
    else:
        require(isinstance(value, dict), f"{prefix}expected an object; {hint}")
        missing = [field for field in schema if field not in value and not field.endswith(("?", "*"))]
        require(not missing, f"{prefix}without {', '.join(missing)}; {hint}")
        for field, item in value.items():
            inner = schema.get(field, schema.get(f"{field}?", schema.get("*", ANY)))
            _validate(item, inner, f"{where}.{field}" if where else field, path)


def _rerun_hint(path: Path) -> str:
    return f"run the command that made {path.parent.name}/ again with --overwrite, or move the folder away"


def with_roles(results: Results) -> Results:
    """Returns the results with the role of every method, which version 0.1.0 did not save and its names imply."""
    return {**results, "methods": [{"role": _legacy_role(method["name"]), **method} for method in results["methods"]]}


def _legacy_role(name: str) -> str:
    return "control" if name == "knn" or name.startswith(LEGACY_CONTROL_PREFIXES) else "autoencoder"


def is_control(method: Results) -> bool:
    """Returns whether a method is a control."""
    return bool(method["role"] == "control")


def is_permuted(method: Results) -> bool:
    """Returns whether a method is a control that was fitted to permuted labels."""
    return str(method["name"]).split("-")[0] == "permuted" and is_control(method)


def has_bernoulli_likelihood(results: Results) -> bool:
    """Whether variational kinds had a Bernoulli likelihood, which is none of grey values."""
    likelihood: str | None = results.get("config", {}).get("objective", {}).get("likelihood")
    return likelihood == "bernoulli"


def verdict_metric(results: Results) -> VerdictMetric:
    """Returns the metric that verdicts are about; accuracy in results that name none."""
    return VERDICT_METRICS[results.get("metric", "accuracy")]


def best_method(results: Results, *, control: bool) -> Results | None:
    """Returns the control, or else the other method, whose mean of the verdicts' metric is best; None if there is none.

    Controls with permuted labels are left out, and so are nearest neighbours of an autoencoder's codes, which are not
    compared with the same controls.
    """
    metric = verdict_metric(results)
    candidates = [
        method
        for method in results["methods"]
        if is_control(method) == control
        and not is_permuted(method)
        and (control or not method.get("neighbours"))
        and finite_or_none(method[metric.field]["mean"]) is not None
    ]
    return max(candidates, key=lambda method: metric.gain(method[metric.field]["mean"]), default=None)


def find_comparison(results: Results, method: str, baseline: str) -> Results | None:
    """Returns the comparison of a method with a baseline; None if the two were not compared."""
    rows: list[Results] = results["comparisons"]
    return next((row for row in rows if (row["method"], row["baseline"]) == (method, baseline)), None)


def is_versus(comparison: Results) -> bool:
    """Returns whether a comparison is one of `--versus`, which are a family of their own."""
    return bool(comparison.get("family") == VERSUS_FAMILY)


def count_seeds(results: Results) -> int:
    """Returns the number of seeds of every method."""
    return len(results["methods"][0]["test_accuracy"]["per_seed"])


def finite_or_none(value: float | None) -> float | None:
    """Returns a finite float, or None for null, NaN and infinities, which a diverged seed may leave."""
    return None if value is None or not math.isfinite(value) else float(value)


def diverged_seeds(method: Results) -> dict[int, int]:
    """Returns the epoch in which each diverged seed did so."""
    epochs = method.get("diverged_epoch") or []
    return {seed: int(epoch) for seed, epoch in enumerate(epochs) if epoch is not None}
