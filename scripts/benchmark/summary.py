"""Summary of a benchmark's trainings: aejax with several seeds compared with the fastest setting of each peer."""

from collections.abc import Sequence

from aejax.report.tables import format_markdown_table
from benchmark.entries import Entry, summarize_ratio
from benchmark.training import SECONDS_KEY

MIN_SEEDS = 4  # that count as several
PEER_TITLES = {"torch": "PyTorch", "keras": "Keras"}
HEADINGS = (
    "workload",
    "aejax, s per epoch and seed",
    *(f"fastest {name}" for name in PEER_TITLES.values()),
    "of product",
)


def summary_table(workloads: Sequence[Entry]) -> str:
    """Returns a row for each training of several seeds that has a peer; empty if there is none."""
    rows = [row for entry in workloads if (row := _format_row(entry)) is not None]
    return format_markdown_table(HEADINGS, "l" + "r" * (len(HEADINGS) - 1), rows) if rows else ""


def _format_row(entry: Entry) -> list[str] | None:
    if entry.get("kind", "training") != "training":
        return None
    ours = next((one for one in _contenders_of(entry, "aejax") if one["seeds"] >= MIN_SEEDS), None)
    fastest = [
        min(_contenders_of(entry, peer), key=lambda one: one[SECONDS_KEY]["median"], default=None)
        for peer in PEER_TITLES
    ]
    if ours is None or not any(fastest):
        return None
    ratios = ["" if one is None else f"{_format_ratio(one, ours)} times as long" for one in fastest]
    return [entry["name"], f"{ours[SECONDS_KEY]['median']:.3g}", *ratios, f"{ours['share_of_product']:.0%}"]


def _contenders_of(entry: Entry, peer: str) -> list[Entry]:
    return [one for one in entry["contenders"] if one["peer"] == peer]


def _format_ratio(slow: Entry, fast: Entry) -> str:
    ratio = summarize_ratio(slow[SECONDS_KEY], fast[SECONDS_KEY])
    return f"{ratio['median']:.2f} ({ratio['min']:.2f} to {ratio['max']:.2f})"
