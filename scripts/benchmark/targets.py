"""What this project set out to reach, and what a run of the benchmark says of it."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from aejax.report.comparison_table import format_markdown_table
from benchmark.interleaved import summarize_ratio

Entry = Mapping[str, Any]
MIN_SEEDS_IN_SUMMARY = 4  # seeds from which targets for several seeds hold
SECONDS_KEY = "seconds_per_epoch_and_seed"

# At least so many times faster per seed than PyTorch's fastest setting, by workload; than Keras', twice as many.
FASTER_THAN_TORCH = {
    "deep": 3.0,
    "single": 3.5,
    "dense64": 4.0,
    "tabular": 3.5,
    "conv": 1.5,
    "vae": 2.0,
    "k-sparse-1000": 2.0,
}
FASTER = {"torch": FASTER_THAN_TORCH, "keras": {name: 2 * times for name, times in FASTER_THAN_TORCH.items()}}
SHARE_OF_PRODUCT = {"deep": 0.7, "single": 0.6, "conv": 0.3}
COLD_START = 60.0  # seconds of `compare.py` on digits with 10 seeds
MOST_MEMORY = 1.5e9  # bytes of `compare.py` on MNIST with 10 seeds
ACCELERATED_SEEDS = 256
ACCELERATED_TIMES = 8.0  # so many seeds take at most so many times one seed's time
ACCELERATED_FASTER = 100.0  # and are so many times faster than PyTorch, seed after seed
ACCELERATED_PATHS = 10, 2.0  # so many seeds of the probe's path take at most so many seconds
PEER_TITLES = {"torch": "PyTorch", "keras": "Keras"}


NOTES = (
    "Targets: how many times as long the fastest of all settings of a peer takes, per epoch and seed: the median of "
    "the repetitions' ratios, and their range. What this run has not timed is left out."
)


class Verdict(NamedTuple):
    """One target beside what was measured."""

    target: str
    measured: str
    met: bool


def verdicts(results: Entry) -> list[Verdict]:
    """Those of all targets for which this run has measured something, in the order of its workloads."""
    found: list[Verdict] = []
    for entry in results["workloads"]:
        kind = entry.get("kind", "training")
        if kind == "training":
            found += [*_faster(entry), *_share(entry), *_alone(entry)]
        if kind == "command":
            found += _command(entry)
    if results["environment"]["backend"] != "cpu":
        found += [*_accelerated_seeds(results), *_accelerated_path(results)]
    return found


def _fastest_of(contenders: Sequence[Entry]) -> Entry | None:
    return min(contenders, key=lambda one: one[SECONDS_KEY]["median"], default=None)


def _contenders_of(entry: Entry, peer: str) -> list[Entry]:
    return [one for one in entry["contenders"] if one["peer"] == peer]


def fastest_contender(entry: Entry, peer: str) -> Entry | None:
    """The fastest of all settings of a library."""
    return _fastest_of(_contenders_of(entry, peer))


def aejax_multiseed_contender(entry: Entry) -> Entry | None:
    """This project with several seeds."""
    return next((one for one in _contenders_of(entry, "aejax") if one["seeds"] >= MIN_SEEDS_IN_SUMMARY), None)


def time_ratio(slow: Entry, fast: Entry) -> Entry:
    """How many times as long one takes, as a spread over repetitions."""
    return summarize_ratio(slow[SECONDS_KEY], fast[SECONDS_KEY])


def format_spread(times: Entry) -> str:
    """Median and range."""
    return f"{times['median']:.2f} ({times['min']:.2f} to {times['max']:.2f})"


def _faster(entry: Entry) -> list[Verdict]:
    found, own = [], aejax_multiseed_contender(entry)
    for peer, limits in FASTER.items():
        best = fastest_contender(entry, peer)
        if own is None or best is None or entry["name"] not in limits:
            continue
        limit, times = limits[entry["name"]], time_ratio(best, own)
        target = f"{entry['name']}, {own['seeds']} seeds: {limit:g} times faster per seed than {PEER_TITLES[peer]}"
        measured = f"{format_spread(times)}; its fastest: {best['name']}"
        found.append(Verdict(target, measured, times["median"] >= limit))
    return found


def _share(entry: Entry) -> list[Verdict]:
    own = aejax_multiseed_contender(entry)
    if own is None or entry["name"] not in SHARE_OF_PRODUCT:
        return []
    limit, share = SHARE_OF_PRODUCT[entry["name"]], own["share_of_product"]
    target = f"{entry['name']}, {own['seeds']} seeds: {limit:.0%} of the rate of a matrix product"
    return [Verdict(target, f"{share:.0%}", share >= limit)]


def _alone(entry: Entry) -> list[Verdict]:
    own = next((one for one in _contenders_of(entry, "aejax") if one["seeds"] == 1), None)
    best = _fastest_of([one for one in _contenders_of(entry, "torch") if one["processes"] == 1])
    if own is None or best is None:
        return []
    times = time_ratio(best, own)
    target = f"{entry['name']}, one seed alone: not slower than PyTorch in one process"
    return [Verdict(target, f"{format_spread(times)} times faster; its fastest: {best['name']}", times["median"] >= 1)]


def _command(entry: Entry) -> list[Verdict]:
    (one,) = entry["contenders"]
    if entry["name"] == "cold-start":
        seconds = one["seconds"]["median"]
        return [Verdict(f"{one['name']}: under {COLD_START:g} s", f"{seconds:.1f} s", seconds < COLD_START)]
    if entry["name"] == "memory-mnist":
        peak = one["peak_memory_bytes"]
        target = f"{one['name']}: under {MOST_MEMORY / 1e9:g} GB"
        return [Verdict(target, f"{peak / 1e9:.2f} GB", peak < MOST_MEMORY)]
    return []


def _accelerated_seeds(results: Entry) -> list[Verdict]:
    """From the curve over seeds; PyTorch's time is that of one seed, as often as there are seeds."""
    curve = next((one for one in results.get("curves", []) if one["name"] == "seeds"), None)
    if curve is None:
        return []
    own = {
        one["seeds"]: one[SECONDS_KEY]
        for point in curve["points"]
        for one in point["contenders"]
        if one["peer"] == "aejax"
    }
    others = [one for point in curve["points"] for one in point["contenders"] if one["peer"] == "torch"]
    best, found = _fastest_of([one for one in others if one["processes"] == 1]), []
    if 1 in own and ACCELERATED_SEEDS in own:
        many, one = own[ACCELERATED_SEEDS], own[1]
        times = ACCELERATED_SEEDS * statistics.median(summarize_ratio(many, one)["each"])
        target = f"deep, {ACCELERATED_SEEDS} seeds: under {ACCELERATED_TIMES:g} times the seconds of one"
        found.append(Verdict(target, f"{times:.1f}", times < ACCELERATED_TIMES))
        if best is not None:
            faster = summarize_ratio(best[SECONDS_KEY], many)
            target = f"deep, {ACCELERATED_SEEDS} seeds: {ACCELERATED_FASTER:g} times PyTorch, seed after seed"
            found.append(Verdict(target, format_spread(faster), faster["median"] >= ACCELERATED_FASTER))
    return found


def _accelerated_path(results: Entry) -> list[Verdict]:
    seeds, limit = ACCELERATED_PATHS
    return [
        Verdict(
            f"{entry['name']}, {seeds} seeds: under {limit:g} s",
            f"{one['seconds']['median']:.2f} s",
            one["seconds"]["median"] < limit,
        )
        for entry in results["workloads"]
        if entry.get("kind") == "path"
        for one in entry["contenders"]
        if one["library"] == "aejax" and one["seeds"] == seeds
    ]


def targets_table(found: Sequence[Entry]) -> str:
    """Verdicts as Markdown."""
    rows = [[one["target"], one["measured"], "met" if one["met"] else "not met"] for one in found]
    return format_markdown_table(("target", "measured", ""), "lll", rows)
