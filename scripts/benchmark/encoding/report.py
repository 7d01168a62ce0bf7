"""The rows of the encoding's table."""

from collections.abc import Mapping
from typing import Any

COLUMN_NAMES = ("contender", "ms per round and seed", "range", "images/s", "peak MB", "compile s", "others")
TERMINAL_HIDDEN_COLUMNS = ("range",)

NOTES = (
    "Encoding: wall time until the codes of all rows are on the host, by rounds and seeds, with encoders before any "
    "training. This project reads the stored bytes and scales them on the way; the peers read scaled float32, which is "
    "in memory before the clock starts."
)


def format_title(workload: Mapping[str, Any]) -> str:
    """What is encoded."""
    data = workload["dataset"]
    return f"{workload['name']}: {data['name']}, {data['n_train']} x {workload['features']} to {workload['code']}"


def format_cells(contender: Mapping[str, Any]) -> list[str]:
    """One row under `HEADINGS`."""
    seconds, others = contender["seconds_per_round_and_seed"], contender["cores_used_by_others"]
    compile_seconds = contender["compile_seconds"]
    return [
        contender["name"],
        f"{1e3 * seconds['median']:.3g}",
        f"{1e3 * seconds['min']:.3g}-{1e3 * seconds['max']:.3g}",
        f"{contender['images_per_second']:.3g}",
        f"{contender['peak_memory_bytes'] / 1e6:.0f}",
        f"{sum(compile_seconds.values()):.1f}" if compile_seconds else "",
        "" if None in others else f"{max(others):.1f}",
    ]
