"""The row of a command's table."""

from collections.abc import Mapping
from typing import Any

COLUMN_NAMES = ("contender", "seconds", "range", "peak MB", "others")
TERMINAL_HIDDEN_COLUMNS = ()

NOTES = (
    "Commands: wall time of a fresh process with every import, compilation, figure and file, its repetitions one after "
    "the other; peak memory is the process's own largest resident set."
)


def format_title(workload: Mapping[str, Any]) -> str:
    """What is run."""
    return f"{workload['name']}: a fresh process each time"


def format_cells(contender: Mapping[str, Any]) -> list[str]:
    """One row under `HEADINGS`."""
    seconds, others = contender["seconds"], contender["cores_used_by_others"]
    return [
        contender["name"],
        f"{seconds['median']:.3g}",
        f"{seconds['min']:.3g}-{seconds['max']:.3g}",
        f"{contender['peak_memory_bytes'] / 1e6:.0f}",
        "" if None in others else f"{max(others):.1f}",
    ]
