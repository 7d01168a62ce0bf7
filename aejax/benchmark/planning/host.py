"""What a plan needs and no benchmark has alone: an epoch's orders on the host, and the files of a saved folder."""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from aejax.data.order import orders
from aejax.run.environment import machine
from aejax.store.files import write_json
from aejax.store.trees import save_folder

COMMAND = "python -m aejax.benchmark.planning results --measure"
ROWS, BATCH, SEEDS, SETTINGS, REPEATS = 60_000, 256, 4, 50, 5


def _times(work: Callable[[], Any], by: int) -> dict[str, Any]:
    """Seconds by parts of the work, of `REPEATS` times after one that warms up."""
    each = []
    work()
    for _ in range(REPEATS):
        began = time.perf_counter()
        work()
        each.append((time.perf_counter() - began) / by)
    return {"median": statistics.median(each), "each": each}


def _inodes() -> int:
    """Files and folders, itself counted, of a small saved folder."""
    with tempfile.TemporaryDirectory(prefix="aejax-planning-") as name:
        folder = Path(name) / "saved"
        save_folder(folder, {"numbers": np.zeros(1000, np.float32)}, {})
        return 1 + len(list(folder.rglob("*")))


def measure_host(
    path: Path, rows: int = ROWS, seeds: int = SEEDS, settings: int = SETTINGS, batch: int = BATCH
) -> dict[str, Any]:
    """Time one epoch's orders of some seeds, and their copy for every setting, as a sweep makes them; write `path`."""
    began = time.perf_counter()
    own = np.tile(np.arange(rows), (seeds, 1))
    order = orders(own, 0, 1, batch)
    seed_of_row = np.arange(settings * seeds) % seeds  # as `Experiment.laid`
    found = {
        "schema": 1,
        "kind": "planning-host",
        "rows": rows,
        "seeds": seeds,
        "settings": settings,
        "order_seconds": _times(lambda: orders(own, 0, 1, batch), seeds),
        "laid_seconds": _times(lambda: order[seed_of_row], settings * seeds),
        "inodes_per_folder": _inodes(),
    }
    environment = {"command": COMMAND, "machine": machine(), "seconds": time.perf_counter() - began}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, found | {"environment": environment})
    return found
