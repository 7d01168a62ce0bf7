"""Read results.json, schema 1, and say who is a control, who is the best, and how two methods compare."""

import math
from pathlib import Path
from typing import Any

from aejax.errors import require
from aejax.store.files import read_json

Results = dict[str, Any]

# What could explain a gain away, also in `random-conv` and the like, and what must be at chance, also `permuted-conv`.
CONTROLS = ("raw", "pca", "random", "supervised", "permuted")
NEIGHBOURS = "knn"  # of the inputs, another control; `knn-conv` are a kind's codes, classified by their neighbours

# What is said of every method's features, in the order of the table.
DIAGNOSTICS = (
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
    """The JSON object in a file. Raises InputError where there is none."""
    value = read_json(path)
    require(isinstance(value, dict), f"{path}: expected a JSON object, found {type(value).__name__}; {_mend(path)}")
    return value


def kind(results: Results) -> str:
    """What sort of results these are. A comparison of methods need not say so."""
    return str(results.get("kind", "compare"))


def check(results: Results, path: Path) -> Results:
    """The same results, known to hold what the tables and the page read. Raises InputError naming file and field."""
    schema = results.get("schema")
    require(schema == 1, f"{path}: schema {schema!r}, expected 1; {_mend(path)}")
    _check_fields(results, ("dataset", "environment", "methods", "comparisons"), "", path)
    _check_fields(results["dataset"], ("name", "n_train", "n_valid", "n_test"), "dataset", path)
    _check_fields(results["environment"], (), "environment", path)
    for group in ("methods", "comparisons"):
        require(isinstance(results[group], list), f"{path}: {group}: expected a list; {_mend(path)}")
    require(results["methods"], f"{path}: methods: none; {_mend(path)}")
    for index, method in enumerate(results["methods"]):
        where = f"methods[{index}]"
        _check_fields(method, _METHOD_FIELDS, where, path)
        _check_fields(method["seconds"], ("compile", "pretrain", "probe"), f"{where}.seconds", path)
        if method["probe"] is not None:
            _check_fields(method["probe"], ("gradient_norm", "converged", "grid_edge"), f"{where}.probe", path)
        for measure in ("test_accuracy", "test_nll", "reconstruction_mse"):
            if measure != "reconstruction_mse" or method[measure] is not None:
                _check_summary(method[measure], f"{where}.{measure}", path)
        for measure, value in method.get("measures", {}).items():
            _check_summary(value, f"{where}.measures.{measure}", path)
    for index, comparison in enumerate(results["comparisons"]):
        _check_fields(comparison, _COMPARISON_FIELDS, f"comparisons[{index}]", path)
        _check_interval(comparison["ci95"], f"comparisons[{index}].ci95", path)
    if "diagnostics" in results:
        _check_diagnostics(results["diagnostics"], path)
    return results


def seed_count(results: Results) -> int:
    """How many seeds were run."""
    return len(results["methods"][0]["test_accuracy"]["per_seed"])


def is_control(method: Results) -> bool:
    """Whether a method is one of the controls, not an autoencoder."""
    return method["name"] == NEIGHBOURS or str(method["name"]).startswith(CONTROLS)


def is_permuted(method: Results) -> bool:
    """Whether a method's classifier saw permuted labels."""
    return str(method["name"]).startswith("permuted")


def best(results: Results, *, control: bool) -> Results | None:
    """The control, or else the autoencoder, with the highest mean test accuracy; None if there is none.

    Another classifier on an autoencoder's codes is neither: it is not held against the controls.
    """
    candidates = [
        method
        for method in results["methods"]
        if is_control(method) == control
        and not str(method["name"]).startswith(f"{NEIGHBOURS}-")
        and number(method["test_accuracy"]["mean"]) is not None
    ]
    return max(candidates, key=lambda method: method["test_accuracy"]["mean"], default=None)


def comparison_of(results: Results, method: str, baseline: str) -> Results | None:
    """How a method did against a baseline; None if the two were not compared."""
    pairs = {(item["method"], item["baseline"]): item for item in results["comparisons"]}
    return pairs.get((method, baseline))


def number(value: float | None) -> float | None:
    """A finite float, or None for null, NaN and infinities: what a diverged seed may leave behind."""
    return None if value is None or not math.isfinite(value) else float(value)


def diverged_seeds(method: Results) -> dict[int, int]:
    """The seeds that diverged, each with the epoch in which it did."""
    epochs = method.get("diverged_epoch") or []
    return {seed: int(epoch) for seed, epoch in enumerate(epochs) if epoch is not None}


def _check_fields(value: Any, fields: tuple[str, ...], where: str, path: Path) -> None:
    require(isinstance(value, dict), f"{path}: {where}: expected an object; {_mend(path)}")
    missing = [field for field in fields if field not in value]
    place = f"{where}: " if where else ""
    require(not missing, f"{path}: {place}without {', '.join(missing)}; {_mend(path)}")


def _check_diagnostics(value: Any, path: Path) -> None:
    _check_fields(value, ("rows", "neighbours", "methods", "cka"), "diagnostics", path)
    _check_fields(value["cka"], ("methods", "paired_seeds", "matrix"), "diagnostics.cka", path)
    for index, method in enumerate(value["methods"]):
        where = f"diagnostics.methods[{index}]"
        _check_fields(method, ("name", "cka_between_seeds", *DIAGNOSTICS), where, path)
        for name in DIAGNOSTICS:
            _check_summary(method[name], f"{where}.{name}", path)


def _check_summary(value: Any, where: str, path: Path) -> None:
    _check_fields(value, ("per_seed", "mean", "ci95"), where, path)
    per_seed = value["per_seed"]
    whole = isinstance(per_seed, list) and all(_is_number(item) for item in per_seed)
    require(whole and per_seed, f"{path}: {where}.per_seed: expected one number or null per seed; {_mend(path)}")
    require(_is_number(value["mean"]), f"{path}: {where}.mean: expected a number or null; {_mend(path)}")
    _check_interval(value["ci95"], f"{where}.ci95", path)


def _check_interval(value: Any, where: str, path: Path) -> None:
    pair = isinstance(value, list) and len(value) == 2 and all(_is_number(bound) for bound in value)
    require(value is None or pair, f"{path}: {where}: expected [low, high] or null; {_mend(path)}")


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _mend(path: Path) -> str:
    return f"run the command that made {path.parent.name}/ again with --overwrite, or move the folder away"
