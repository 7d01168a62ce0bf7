"""A benchmark's trainings at a glance: this project's several seeds beside the fastest of all settings of each peer."""

from collections.abc import Mapping, Sequence
from typing import Any

from aejax.report.comparison_table import format_markdown_table
from benchmark.targets import (
    PEER_TITLES,
    SECONDS_KEY,
    aejax_multiseed_contender,
    fastest_contender,
    format_spread,
    time_ratio,
)

Entry = Mapping[str, Any]


def summary_table(workloads: Sequence[Entry]) -> str:
    """One row for each training of several seeds; empty where there is none, or none has a peer."""
    rows = [row for entry in workloads if (row := _row(entry)) is not None]
    headings = (
        "workload",
        "aejax, s per epoch and seed",
        *(f"fastest {name}" for name in PEER_TITLES.values()),
        "of product",
    )
    return format_markdown_table(headings, "l" + "r" * (len(headings) - 1), rows) if rows else ""


def _row(entry: Entry) -> list[str] | None:
    if entry.get("kind", "training") != "training":
        return None
    own, peers = aejax_multiseed_contender(entry), [fastest_contender(entry, peer) for peer in PEER_TITLES]
    if own is None or not any(peers):
        return None
    beside = ["" if peer is None else f"{format_spread(time_ratio(peer, own))} times as long" for peer in peers]
    return [entry["name"], f"{own[SECONDS_KEY]['median']:.3g}", *beside, f"{own['share_of_product']:.0%}"]
