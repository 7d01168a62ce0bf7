"""A benchmark's trainings at a glance: this project's several seeds beside the fastest of all settings of each peer."""

from collections.abc import Mapping, Sequence
from typing import Any

from aejax.benchmark.targets import EACH, TITLES, fastest, own_seeds, shown_spread, times_as_long
from aejax.report.table import markdown_rows

Entry = Mapping[str, Any]


def summary_table(workloads: Sequence[Entry]) -> str:
    """One row for each training of several seeds; empty where there is none, or none has a peer."""
    rows = [row for entry in workloads if (row := _row(entry)) is not None]
    headings = (
        "workload",
        "aejax, s per epoch and seed",
        *(f"fastest {name}" for name in TITLES.values()),
        "of product",
    )
    return markdown_rows(headings, "l" + "r" * (len(headings) - 1), rows) if rows else ""


def _row(entry: Entry) -> list[str] | None:
    if entry.get("kind", "training") != "training":
        return None
    own, peers = own_seeds(entry), [fastest(entry, peer) for peer in TITLES]
    if own is None or not any(peers):
        return None
    beside = ["" if peer is None else f"{shown_spread(times_as_long(peer, own))} times as long" for peer in peers]
    return [entry["name"], f"{own[EACH]['median']:.3g}", *beside, f"{own['share_of_product']:.0%}"]
