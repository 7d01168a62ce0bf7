"""Tables of a benchmark with one row for each workload, which the documentation shows."""

from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

from aejax.report.tables import Column, Table, to_markdown
from benchmark.curves import SECONDS_KEY
from benchmark.timing import Entry, summarize_ratio

MIN_SEEDS = 4  # that count as several in the summary
SUMMARY_PEERS = {"torch": "PyTorch", "keras": "Keras"}
COMMAND_MODES = {
    "fresh": "a fresh process each time",
    "cached": "a fresh process with a compilation cache",
    "again": "the second run in one process",
}


def format_ratio(ratio: Entry) -> str:
    """Returns the median and the range."""
    return f"{ratio['median']:.2f} ({ratio['min']:.2f} to {ratio['max']:.2f})"


def summary_table(workloads: Sequence[Entry]) -> str:
    """Returns a row for each training that has a peer: several seeds at once, and each peer's fastest setting.

    Empty if there is no such training.
    """
    records = [record for entry in workloads if entry["kind"] == "training" if (record := _summarize(entry))]
    columns = [
        Column("workload", lambda one: one["name"], align="left"),
        Column("aejax, s per epoch and seed", lambda one: f"{one['ours'][SECONDS_KEY]['median']:.3g}"),
        *(_peer_column(peer, title) for peer, title in SUMMARY_PEERS.items()),
        Column("of product", lambda one: f"{one['ours']['share_of_product']:.0%}"),
    ]
    return to_markdown(Table(columns, records)) if records else ""


def command_summary(workloads: Sequence[Entry]) -> str:
    """Returns a row for each whole command, with the same before where it was run; empty if there is no command."""
    commands = [entry for entry in workloads if entry["kind"] == "command"]

    def pair(entry: Entry, format_one: Callable[[Entry], str]) -> str:
        now, *before = entry["contenders"]
        return format_one(now) + "".join(f" ({format_one(one)})" for one in before)

    columns = [
        Column("workload", lambda entry: f"{entry['name']}: {COMMAND_MODES[entry['mode']]}", align="left"),
        Column("s (before)", lambda entry: pair(entry, lambda one: f"{one['seconds']['median']:.1f}")),
        Column("CPU s (before)", lambda entry: pair(entry, lambda one: f"{median(one['cpu_seconds']):.1f}")),
        Column("peak MB (before)", lambda entry: pair(entry, lambda one: f"{one['peak_memory_bytes'] / 1e6:.0f}")),
    ]
    return to_markdown(Table(columns, commands)) if commands else ""


def path_summary(workloads: Sequence[Entry]) -> str:
    """Returns a row for each path: one seed, ten seeds, and the fastest peer whose solutions have a certificate.

    Empty if there is no path.
    """
    paths = [entry for entry in workloads if entry["kind"] == "path"]
    columns = [
        Column("workload", lambda entry: entry["name"], align="left"),
        Column("aejax, s", lambda entry: _format_seconds(entry["contenders"][0])),
        Column("ten seeds, s", lambda entry: "".join(_format_seconds(one) for one in _of_ten_seeds(entry))),
        Column("fastest peer with a certificate", _format_fastest_peer, align="left"),
    ]
    return to_markdown(Table(columns, paths)) if paths else ""


def _format_seconds(contender: Entry) -> str:
    return f"{contender['seconds']['median']:.3g}"


def _of_ten_seeds(entry: Entry) -> list[Entry]:
    return [one for one in entry["contenders"] if one["library"] == "aejax" and one["seeds"] == 10]


def _format_fastest_peer(entry: Entry) -> str:
    """Returns the fastest peer that solved every strength to the tolerance, and the ratio of its time."""
    ours = entry["contenders"][0]
    others = [one for one in entry["contenders"][1:] if one["library"] != "aejax"]
    peers = [one for one in others if one["certified"] and one["fits"] == ours["fits"]]
    if not peers:
        return "none"
    fastest = min(peers, key=lambda one: one["seconds"]["median"])
    ratio = fastest["seconds"]["median"] / ours["seconds"]["median"]
    return f"{fastest['name']}: {_format_seconds(fastest)} s, {ratio:.2f} times as long"


def _peer_column(peer: str, title: str) -> Column:
    return Column(f"fastest {title}", lambda one: f"{one[peer]} times as long" if peer in one else "")


def _summarize(entry: Entry) -> dict[str, Any] | None:
    """Returns the record of aejax with several seeds, and the ratio of each peer's fastest setting to it."""
    ours = [one for one in entry["contenders"] if one["library"] == "aejax" and one["seeds"] >= MIN_SEEDS]
    record: dict[str, Any] = {"name": entry["name"], "ours": ours[0]} if ours else {}
    for peer in SUMMARY_PEERS:
        settings = [one for one in entry["contenders"] if one["library"] == peer]
        if ours and settings:
            fastest = min(settings, key=lambda one: one[SECONDS_KEY]["median"])
            record[peer] = format_ratio(summarize_ratio(fastest[SECONDS_KEY], ours[0][SECONDS_KEY]))
    return record if record.keys() & SUMMARY_PEERS.keys() else None
