"""Reads and validates results.json, schema 1, and looks up roles, the best method and comparisons."""

import math
from pathlib import Path
from typing import Any

from aejax.errors import require
from aejax.storage.atomic_io import read_json

Results = dict[str, Any]

# Names of controls in results without `role`: the prefixes also match `random-conv`, `permuted-conv` and the like.
_CONTROL_PREFIXES = ("raw", "pca", "random", "supervised", "permuted")
KNN_CONTROL = "knn"  # nearest neighbours of the inputs; `knn-conv` classifies a kind's codes and is no control

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

_METHOD_FIELDS = ("name", "features", "test_accuracy", "test_nll", "reconstruction_mse", "probe", "seconds")
_COMPARISON_FIELDS = ("method", "baseline", "mean_difference", "ci95", "p", "p_holm", "verdict")


def read_results(path: Path) -> Results:
    """Returns the JSON object in a file. Raises InputError if there is none."""
    value = read_json(path)
    require(
        isinstance(value, dict), f"{path}: expected a JSON object, found {type(value).__name__}; {_rerun_hint(path)}"
    )
    return value


def results_kind(results: Results) -> str:
    """Returns the kind of results; a comparison of methods does not store one."""
    return str(results.get("kind", "compare"))


def validate_results(results: Results, path: Path) -> Results:
    """Returns the results with a role for each method. Raises InputError that names the file and the invalid field."""
    schema = results.get("schema")
    require(schema == 1, f"{path}: schema {schema!r}, expected 1; {_rerun_hint(path)}")
    _validate_fields(results, ("dataset", "environment", "methods", "comparisons"), "", path)
    _validate_fields(results["dataset"], ("name", "n_train", "n_valid", "n_test"), "dataset", path)
    _validate_fields(results["environment"], (), "environment", path)
    for group in ("methods", "comparisons"):
        require(isinstance(results[group], list), f"{path}: {group}: expected a list; {_rerun_hint(path)}")
    require(results["methods"], f"{path}: methods: none; {_rerun_hint(path)}")
    for index, method in enumerate(results["methods"]):
        where = f"methods[{index}]"
        _validate_fields(method, _METHOD_FIELDS, where, path)
        _validate_fields(method["seconds"], ("compile", "pretrain", "probe"), f"{where}.seconds", path)
        if method["probe"] is not None:
            _validate_fields(method["probe"], ("gradient_norm", "converged", "grid_edge"), f"{where}.probe", path)
        for measure in ("test_accuracy", "test_nll", "reconstruction_mse"):
            if measure != "reconstruction_mse" or method[measure] is not None:
                _validate_summary(method[measure], f"{where}.{measure}", path)
        for measure, value in method.get("measures", {}).items():
            _validate_summary(value, f"{where}.measures.{measure}", path)
    for index, comparison in enumerate(results["comparisons"]):
        _validate_fields(comparison, _COMPARISON_FIELDS, f"comparisons[{index}]", path)
        _validate_interval(comparison["ci95"], f"comparisons[{index}].ci95", path)
    if "diagnostics" in results:
        _validate_diagnostics(results["diagnostics"], path)
    return with_roles(results)


def with_roles(results: Results) -> Results:
    """Returns the results with a `role` for each method; where it is missing (version 0.1.0), derived from the name."""
    return {**results, "methods": [{"role": _role_of_name(method["name"]), **method} for method in results["methods"]]}


def _role_of_name(name: str) -> str:
    return "control" if name == KNN_CONTROL or name.startswith(_CONTROL_PREFIXES) else "autoencoder"


def count_seeds(results: Results) -> int:
    """Returns the number of seeds of a run."""
    return len(results["methods"][0]["test_accuracy"]["per_seed"])


def is_permuted(method: Results) -> bool:
    """Returns whether a method's classifier was trained on permuted labels."""
    return str(method["name"]).startswith("permuted")


def best_method(results: Results, *, control: bool) -> Results | None:
    """Returns the control, or else the autoencoder, with the highest mean test accuracy; None if there is none.

    A nearest-neighbour classifier of an autoencoder's codes is skipped: it is compared with the control `knn` only.
    """
    candidates = [
        method
        for method in results["methods"]
        if (method["role"] == "control") == control
        and not str(method["name"]).startswith(f"{KNN_CONTROL}-")
        and finite_or_none(method["test_accuracy"]["mean"]) is not None
    ]
    return max(candidates, key=lambda method: method["test_accuracy"]["mean"], default=None)


def find_comparison(results: Results, method: str, baseline: str) -> Results | None:
    """Returns the comparison of a method with a baseline; None if the two were not compared."""
    pairs = {(item["method"], item["baseline"]): item for item in results["comparisons"]}
    return pairs.get((method, baseline))


def finite_or_none(value: float | None) -> float | None:
    """Returns a finite float, or None for null, NaN and infinities, which a diverged seed may have."""
    return None if value is None or not math.isfinite(value) else float(value)


def diverged_seeds(method: Results) -> dict[int, int]:
    """Returns the seeds that diverged, each with its epoch of divergence."""
    epochs = method.get("diverged_epoch") or []
    return {seed: int(epoch) for seed, epoch in enumerate(epochs) if epoch is not None}


def _validate_fields(value: Any, fields: tuple[str, ...], where: str, path: Path) -> None:
    require(isinstance(value, dict), f"{path}: {where}: expected an object; {_rerun_hint(path)}")
    missing = [field for field in fields if field not in value]
    place = f"{where}: " if where else ""
    require(not missing, f"{path}: {place}without {', '.join(missing)}; {_rerun_hint(path)}")


def _validate_diagnostics(value: Any, path: Path) -> None:
    _validate_fields(value, ("rows", "neighbours", "methods", "cka"), "diagnostics", path)
    _validate_fields(value["cka"], ("methods", "paired_seeds", "matrix"), "diagnostics.cka", path)
    for index, method in enumerate(value["methods"]):
        where = f"diagnostics.methods[{index}]"
        _validate_fields(method, ("name", "cka_between_seeds", *REPRESENTATION_METRIC_NAMES), where, path)
        for name in REPRESENTATION_METRIC_NAMES:
            _validate_summary(method[name], f"{where}.{name}", path)


def _validate_summary(value: Any, where: str, path: Path) -> None:
    _validate_fields(value, ("per_seed", "mean", "ci95"), where, path)
    per_seed = value["per_seed"]
    whole = isinstance(per_seed, list) and all(_is_number_or_none(item) for item in per_seed)
    require(whole and per_seed, f"{path}: {where}.per_seed: expected one number or null per seed; {_rerun_hint(path)}")
    require(_is_number_or_none(value["mean"]), f"{path}: {where}.mean: expected a number or null; {_rerun_hint(path)}")
    _validate_interval(value["ci95"], f"{where}.ci95", path)


def _validate_interval(value: Any, where: str, path: Path) -> None:
    pair = isinstance(value, list) and len(value) == 2 and all(_is_number_or_none(bound) for bound in value)
    require(value is None or pair, f"{path}: {where}: expected [low, high] or null; {_rerun_hint(path)}")


def _is_number_or_none(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _rerun_hint(path: Path) -> str:
    return f"run the command that made {path.parent.name}/ again with --overwrite, or move the folder away"
