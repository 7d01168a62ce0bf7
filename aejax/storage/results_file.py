"""Files of results, `results.json` and `explore.json`: written with a checksum, and checked when they are read.

The checksum is a field of the file, so that it stays with the results wherever they are copied. Results of older
versions have none; of those, the fields that tables and pages need are checked.

`metrics.jsonl`, the learning curves of a run, has a line of JSON for every method, seed and epoch.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aejax.config.serialization import check_type, parse_json
from aejax.errors import require
from aejax.evaluate.verdict_metrics import VERDICT_METRICS
from aejax.storage.atomic_io import read_json, to_jsonable, write_json
from aejax.storage.manifest import read_bounded
from aejax.storage.results_schema import SCHEMAS, MethodSettings
from aejax.storage.run_folder import RUN_STATE_FILE, read_run_state

CHECKSUM_KEY = "checksum"
METRICS_FILE, MAX_METRICS_BYTES = "metrics.jsonl", 2**30
Results = dict[str, Any]


def write_results(path: Path, results: Mapping[str, Any]) -> None:
    """Writes results and their checksum atomically."""
    content = {name: value for name, value in to_jsonable(results).items() if name != CHECKSUM_KEY}
    write_json(path, {**content, CHECKSUM_KEY: _checksum(content)})


def read_results(path: Path) -> Results:
    """Returns results, without their checksum.

    Raises:
        InputError: the run has not finished, the content is not what was written, or a field is missing or wrong.
    """
    unfinished = not path.exists() and (path.parent / RUN_STATE_FILE).exists()
    require(
        not unfinished,
        f"{path.parent}: the run is not finished ({unfinished and read_run_state(path.parent, path.name)}); run the "
        "command that made it again",
    )
    results = read_json(path)
    check_type(dict[str, Any], results, str(path), _fix(path))
    saved = results.pop(CHECKSUM_KEY, None)
    require(
        saved is None or saved == _checksum(results),
        f"{path}: was changed after it was written (its checksum is another); {_fix(path)}",
    )
    validate_results(results, path)
    return results


def validate_results(results: Results, path: Path) -> None:
    """Raises `InputError`, which names file and field, unless results have the fields of their kind."""
    kind = results_kind(results)
    if kind in SCHEMAS:
        check_type(SCHEMAS[kind], results, str(path), _fix(path))
    if kind == "sweep":
        check_type(MethodSettings, results["config"], f"{path}: config", _fix(path))
        fields = {axis["field"] for axis in results["axes"]}
        complete = results["points"] and all(fields <= point["setting"].keys() for point in results["points"])
        require(complete, f"{path}: points: a setting without a value on every axis; {_fix(path)}")
    if "sensitivity" in results:
        complete = _describes_every_comparison(results)
        require(complete, f"{path}: sensitivity: is not of these comparisons; {_fix(path)}")
    if kind == "compare":
        field = VERDICT_METRICS[results.get("metric", "accuracy")].field
        require(results["methods"], f"{path}: methods: none; {_fix(path)}")
        for index, method in enumerate(results["methods"]):
            require(field in method, f"{path}: methods[{index}]: field {field} is missing; {_fix(path)}")


def _describes_every_comparison(results: Results) -> bool:
    """Returns whether `sensitivity` has each comparison, and each variation that contradicts one."""

    def keys(rows: list[Results]) -> set[Any]:
        return {(row["method"], row["baseline"], row.get("family")) for row in rows}

    rows = results["sensitivity"]["comparisons"]
    names = {variation["name"] for variation in results["sensitivity"]["variations"]}
    return keys(results["comparisons"]) <= keys(rows) and all(
        row["fragile"] == bool(row["reversed_by"]) and set(row["reversed_by"]) <= names & row["verdicts"].keys()
        for row in rows
    )


def results_kind(results: Results) -> str:
    """Returns the kind of results; those without one are comparisons of methods."""
    return str(results.get("kind", "compare"))


def _checksum(content: Any) -> str:
    """Returns a SHA-256 of JSON values, whatever their order and layout in a file."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _fix(path: Path) -> str:
    return f"run the command that made {path.parent.name}/ again with --overwrite, or move the folder away"


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """Returns the rows of a run's `metrics.jsonl`: `method`, `seed` from 0, `epoch` from 1, and metrics or None.

    Raises:
        InputError: the file is missing or damaged.
    """
    content = read_bounded(folder / METRICS_FILE, limit=MAX_METRICS_BYTES)
    try:
        rows = [parse_json(line) for line in content.splitlines()]
        intact = bool(rows) and all(_is_row(row) for row in rows)
    except ValueError:
        intact = False
    require(intact, f"{folder / METRICS_FILE}: is damaged; run the command that made it again with --overwrite")
    return rows


def _is_row(row: Any) -> bool:
    if not isinstance(row, dict) or not isinstance(row.get("method"), str):
        return False
    seed, epoch = row.get("seed"), row.get("epoch")
    numbers = [value for name, value in row.items() if name != "method" and value is not None]
    return type(seed) is type(epoch) is int and min(seed, epoch - 1) >= 0 and set(map(type, numbers)) <= {int, float}
