"""Records that every kind of workload writes to `results.json`: spreads of repetitions, ratios, resources."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from benchmark.contenders import Contender
from benchmark.interleaved import Timing

Entry = Mapping[str, Any]


def summarize(values: Sequence[float]) -> dict[str, Any]:
    """Returns median, minimum, maximum and all values."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "each": list(values)}


def summarize_ratio(numerator: Entry, denominator: Entry) -> dict[str, Any]:
    """Returns the spread of the ratio of two interleaved measurements, repetition by repetition."""
    return summarize([a / b for a, b in zip(numerator["each"], denominator["each"], strict=True)])


def pairwise_ratios(pairs: Sequence[tuple[Entry, Entry]], quantity: str) -> list[dict[str, Any]]:
    """Returns the ratio of a quantity for each pair of contenders."""
    return [
        {"contender": one["name"], "peer": other["name"], **summarize_ratio(one[quantity], other[quantity])}
        for one, other in pairs
    ]


def pair_with_peers(contenders: Sequence[Entry]) -> list[tuple[Entry, Entry]]:
    """Pairs each contender of aejax with each of the other libraries."""
    ours = [one for one in contenders if one["library"] == "aejax"]
    return [(one, other) for one in ours for other in contenders if other["library"] != "aejax"]


def seconds_per_unit(one: Contender, timing: Timing, units: int) -> dict[str, Any]:
    """Returns the spread of the seconds per seed and unit of work, of which a repetition has `units`."""
    return summarize([seconds / units / one.seeds for seconds in timing.wall_seconds])


def resources_to_dict(timing: Timing) -> dict[str, Any]:
    """Returns the load of other programs, and the peak memory summed over the processes, in bytes."""
    return {
        "cores_used_by_others": timing.other_cores,
        "peak_memory_bytes": sum(facts["peak_memory_bytes"] for facts in timing.facts),
    }


def format_spread(seconds: Entry, unit: float = 1.0) -> list[str]:
    """Returns the cells for the median and the range, in parts of a second: `unit` 1e3 for milliseconds."""
    return [f"{unit * seconds['median']:.3g}", f"{unit * seconds['min']:.3g}-{unit * seconds['max']:.3g}"]


def format_memory(contender: Entry) -> str:
    """Returns the cell for the peak memory in MB."""
    return f"{contender['peak_memory_bytes'] / 1e6:.0f}"


def format_compile_seconds(contender: Entry) -> str:
    """Returns the cell for the compile seconds of all programs; empty if none is known."""
    seconds = contender["compile_seconds"]
    return f"{sum(seconds.values()):.1f}" if seconds else ""


def format_other_cores(contender: Entry) -> str:
    """Returns the cell for the worst load by other programs; empty if an old result does not know it."""
    cores = contender["cores_used_by_others"]
    return "" if None in cores else f"{max(cores):.1f}"
