"""The learning curves of a run, `metrics.jsonl`: a line of JSON for every method, seed and epoch."""

from pathlib import Path
from typing import Any

from aejax.config.serialization import parse_json
from aejax.errors import require
from aejax.storage.manifest import read_bounded

METRICS_FILE = "metrics.jsonl"
MAX_BYTES = 2**30


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """Returns the rows of a run's `metrics.jsonl`: `method`, `seed` from 0, `epoch` from 1, and metrics or None.

    Raises:
        InputError: the file is missing or damaged.
    """
    content = read_bounded(folder / METRICS_FILE, limit=MAX_BYTES)
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
