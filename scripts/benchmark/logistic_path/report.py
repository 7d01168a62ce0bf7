"""The rows of the path's table."""

from collections.abc import Mapping
from typing import Any

COLUMN_NAMES = (
    "contender",
    "fits",
    "seconds",
    "range",
    "worst gradient",
    "worst gap",
    "all certified",
    "objective",
    "peak MB",
    "compile s",
    "others",
)
TERMINAL_HIDDEN_COLUMNS = ("range", "objective")  # too wide for a terminal

NOTES = (
    "Seconds are wall time of all fits: the median of the repetitions, taken in turn with every other contender's, and "
    "their range. A path solves every strength for every seed, each from the solution before it, and none is left out; "
    "scikit-learn fits C=1 once, to its own tolerance unless a limit of iterations is named. Worst gradient: the "
    "largest entry of the gradient over all fits. Worst gap: the largest bound on how far the objective is above its "
    "minimum, relative to it. Both are computed afterwards in float64, from the solutions of the last repetition; all "
    "certified says that both are at most 1e-4. Objective: mean loss plus penalty at C=1, the path being led there "
    "without the clock; lower is closer to the optimum. Seeds draw nine tenths of the rows, each its own. Others: "
    "processor cores that other programs used meanwhile, in the worst repetition; well above 0, only a quiet repeat of "
    "the run means much."
)


def format_title(workload: Mapping[str, Any]) -> str:
    """What is fitted."""
    data, strengths = workload["dataset"], workload["strengths"]
    shape = f"{data['n_train']} x {workload['features']}"
    return (
        f"{workload['name']}: {data['name']}, {shape}, {workload['classes']} classes; "
        f"{len(strengths)} strengths from {strengths[0]:.0e} to {strengths[-1]:.0e} per example, to "
        f"{workload['tolerance']:.0e}"
    )


def format_cells(contender: Mapping[str, Any]) -> list[str]:
    """One row under `HEADINGS`."""
    seconds, others = contender["seconds"], contender["cores_used_by_others"]
    there, compile_seconds = contender["at_peers_strength"], contender["compile_seconds"]
    return [
        contender["name"],
        str(contender["fits"]),
        f"{seconds['median']:.3g}",
        f"{seconds['min']:.3g}-{seconds['max']:.3g}",
        f"{contender['worst_gradient_norm']:.1e}",
        f"{contender['worst_gap']:.1e}",
        "yes" if contender["certified"] else "no",
        f"{there['objective']:.6f}" if there else "",
        f"{contender['peak_memory_bytes'] / 1e6:.0f}",
        f"{sum(compile_seconds.values()):.1f}" if compile_seconds else "",
        "" if None in others else f"{max(others):.1f}",
    ]
