"""The table of disturbances: tried, survived, noticed, lost."""

from collections.abc import Sequence
from typing import Any

from aejax.report.tables import format_markdown_table

Row = dict[str, Any]


def format_row(row: Row) -> str:
    """Returns a row for the console."""
    if "not_run" in row:
        return f"{row['name']}: not run ({row['not_run']})"
    counts = f"{row['tried']} tried, {row['survived']} survived, {row['noticed']} noticed, {row['lost']} lost"
    return f"{row['name']}: {counts}, {row['seconds']:.0f} s"


def broken_promises(results: Row) -> list[str]:
    """Returns every fault that was found."""
    faults = [fault for row in results["faults"] for fault in row.get("faults", ())]
    return faults + [f"{result['reader']}: {fault}" for result in results["fuzzed"] for fault in _fuzz_faults(result)]


def _fuzz_faults(result: Row) -> Sequence[str]:
    return [*result["faults"], *(f"touched {stray}" for stray in result["strays"])]


def render_markdown(results: Row) -> str:
    """Returns `faults.md`."""
    environment = results["environment"]
    rows = [_format_cells(row) for row in results["faults"]]
    fuzzed = [
        [
            result["reader"],
            *(f"{result[name]:,}" for name in ("inputs", "accepted", "refused", "crashed")),
            f"{result['slowest_seconds']:.2f}",
            f"{len(result['strays'])}",
        ]
        for result in results["fuzzed"]
    ]
    inputs = sum(result["inputs"] for result in results["fuzzed"])
    broken = broken_promises(results)
    return "\n".join(
        [
            "# Faults",
            "",
            f"`{environment['command']}`, {environment['machine']}, {environment['seconds']:.0f} s. "
            f"Trainings of {len(results['undisturbed_seconds'])} kinds of autoencoder on digits, two seeds, a "
            "checkpoint after each of about twenty calls; results, metrics and weights are compared bit for bit with "
            "those of an uninterrupted run.",
            "",
            format_markdown_table(
                ["fault", "promise", "tried", "survived", "noticed", "lost", "seconds"], "llrrrrr", rows
            ),
            "",
            f"{inputs:,} damaged files for the readers; each must be read or rejected with one line, and no other file "
            "may change:",
            "",
            format_markdown_table(
                ["reader", "inputs", "read", "refused", "crashed", "slowest, s", "files touched"], "lrrrrrr", fuzzed
            ),
            "",
            "Every promise was kept." if not broken else "Broken:\n\n" + "\n".join(f"- {fault}" for fault in broken),
            "",
        ]
    )


def _format_cells(row: Row) -> list[str]:
    if "not_run" in row:
        return [row["name"], f"not run: {row['not_run']}", "—", "—", "—", "—", "—"]
    counts = [str(row[name]) for name in ("tried", "survived", "noticed", "lost")]
    return [row["name"], row["promise"], *counts, f"{row['seconds']:.0f}"]


PROMISES = {  # by the beginning of the names of its rows in `faults.json`
    "SIGKILL": "Resume is bit-exact: a training of any kind, killed (SIGKILL) at a random moment, ends with the "
    "numbers, metrics and weights of one that was not",
    "SIGTERM": "SIGTERM and SIGINT save and exit with 75, and the same command goes on",
    "a file of": "Damage is noticed: a file of a checkpoint or of a published encoder that is flipped, cut, emptied, "
    "grown or deleted is rejected by name",
    "a bit of": "A damaged checkpoint is never taken, the one before it only with `--allow-fallback`",
    "a disk": "A disk that fills up ends a run with one line; with space, the same command goes on",
    "two": "Two processes never fill one folder",
}


def promises_table(results: Row, save_overhead: Row) -> str:
    """Returns the promises of the README with the numbers of `faults.json` and `saves.json`."""
    rows = []
    for start, promise in PROMISES.items():
        tried = [row for row in results["faults"] if row["name"].startswith(start) and "not_run" not in row]
        rows.append([promise, f"{sum(row['tried'] for row in tried)}", f"{sum(len(row['faults']) for row in tried)}"])
    inputs = sum(result["inputs"] for result in results["fuzzed"])
    crashed = sum(result["crashed"] + len(result["strays"]) for result in results["fuzzed"])
    rows.append(["Data files, folders and flags that are damaged are read or rejected", f"{inputs:,}", f"{crashed}"])
    cost = (
        f"Saves cost little: {save_overhead['checkpoint_bytes'] / 1e6:.1f} MB after every epoch of MNIST, "
        f"{save_overhead['seeds']} seeds at once, an epoch in {save_overhead['median']['without']:.2f} s"
    )
    rows.append(
        [cost, f"{len(save_overhead['epoch_seconds'])} by turns", f"{100 * save_overhead['share']:+.1f} % time"]
    )
    return format_markdown_table(["promise", "tried", "broken"], "lrr", rows)
