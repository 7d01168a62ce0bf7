"""The table of disturbances: tried, survived, noticed, lost."""

from typing import Any

from aejax.report.tables import Column, Table, format_markdown_table, to_markdown

Row = dict[str, Any]


def _count_column(heading: str, key: str) -> Column:
    """Returns a column of counts; a dash where a scenario was not run."""
    return Column(heading, lambda row: f"{row[key]:,}" if key in row else "—")


OUTCOME_COLUMNS = (
    Column("fault", lambda row: row["name"], align="left"),
    Column("promise", lambda row: f"not run: {row['not_run']}" if "not_run" in row else row["promise"], align="left"),
    *(_count_column(name, name) for name in ("tried", "survived", "noticed", "lost")),
    Column("seconds", lambda row: f"{row['seconds']:.0f}" if "seconds" in row else "—"),
    Column("commit", lambda row: (row.get("commit") or "")[:7]),
)
FUZZ_COLUMNS = (
    Column("reader", lambda row: row["reader"], align="left"),
    _count_column("inputs", "inputs"),
    _count_column("read", "accepted"),
    _count_column("refused", "refused"),
    _count_column("crashed", "crashed"),
    Column("slowest, s", lambda row: f"{row['slowest_seconds']:.2f}"),
    Column("files touched", lambda row: str(len(row["strays"]))),
    Column("commit", lambda row: (row.get("commit") or "")[:7]),
)
PROMISES: dict[str | tuple[str, ...], str] = {  # by the beginnings of the names of its rows in `faults.json`
    "SIGKILL": "Resume is bit-exact: a training of any kind, killed (SIGKILL) at a random moment, ends with the "
    "numbers, metrics and weights of one that was not",
    "SIGTERM": "SIGTERM and SIGINT save and exit with 75, and the same command goes on",
    "a file of": "Damage is noticed: a file of a checkpoint or of a published encoder that is flipped, cut, emptied, "
    "grown or deleted is rejected by name",
    "a bit of": "A damaged checkpoint is never taken, the one before it only with `--allow-fallback`",
    ("a disk", "the disk"): "A disk that fills up ends a run with one line; with space, the same command goes on",
    ("two", "each command"): "Two processes never fill one folder",
    "kill -9": "Every command (comparisons and their shards, label curves, sweeps, probes, explorations, exports, "
    "reports, the ledger) may be killed at any time: the same command ends with the same results, nothing is left over",
    "one of the two": "A run of two processes of which one is killed ends without a traceback, and goes on",
    "the folder of a command moved": "A folder that is moved or deleted while a command fills it is not written again",
    "the folder of a command on": "A folder that cannot be written is refused in one line",
    "folders with": "Folders may have any name",
    "flags": "A value that a flag cannot take ends in status 2 and one line, before any file is written",
    "a long": "A long run survives a figure that fails, SIGHUP, a second start of the same command and a full disk",
    "a value": "A file of results, settings or state without a field, or with a wrong one, is read or rejected",
}


def format_row(row: Row) -> str:
    """Returns a row for the console."""
    if "not_run" in row:
        return f"{row['name']}: not run ({row['not_run']})"
    counts = f"{row['tried']} tried, {row['survived']} survived, {row['noticed']} noticed, {row['lost']} lost"
    return f"{row['name']}: {counts}, {row['seconds']:.0f} s"


def broken_promises(results: Row) -> list[str]:
    """Returns every fault that was found."""
    faults = [fault for row in results["faults"] for fault in row.get("faults", ())]
    for row in results["fuzzed"]:
        faults += [f"{row['reader']}: {fault}" for fault in row["faults"]]
        faults += [f"{row['reader']}: touched {stray}" for stray in row["strays"]]
    return faults


def render_markdown(results: Row) -> str:
    """Returns `faults.md`."""
    environment, broken = results["environment"], broken_promises(results)
    inputs = sum(result["inputs"] for result in results["fuzzed"])
    verdict = "\n- ".join(["Broken:\n", *broken]) if broken else "Every promise was kept."
    return f"""# Faults

`python -m tests.robustness`, {environment["machine"]}. \
Trainings on digits, two seeds, a checkpoint after each of about twenty calls; results, metrics and weights are \
compared bit for bit with those of an uninterrupted run. Parts can be run alone (`--only`); the commit of each is in \
its row.

{promises_table(results)}

{to_markdown(Table(OUTCOME_COLUMNS, results["faults"]))}

{inputs:,} damaged files for the readers; each must be read or rejected with one line, and no other file may change:

{to_markdown(Table(FUZZ_COLUMNS, results["fuzzed"]))}

{verdict}
"""


def promises_table(results: Row, save_overhead: Row | None = None) -> str:
    """Returns the promises with the numbers of `faults.json`, and of `saves.json` if it is given."""
    rows = []
    for start, promise in PROMISES.items():
        tried = [row for row in results["faults"] if row["name"].startswith(start) and "not_run" not in row]
        if tried:
            count, broken = sum(row["tried"] for row in tried), sum(len(row["faults"]) for row in tried)
            rows.append([promise, f"{count:,}", f"{broken}"])
    inputs = sum(result["inputs"] for result in results["fuzzed"])
    crashed = sum(result["crashed"] + len(result["strays"]) for result in results["fuzzed"])
    rows.append(["Data files, folders and flags that are damaged are read or rejected", f"{inputs:,}", f"{crashed}"])
    if save_overhead is None:
        return format_markdown_table(["promise", "tried", "broken"], "lrr", rows)
    cost = (
        f"Saves cost little: {save_overhead['checkpoint_bytes'] / 1e6:.1f} MB after every epoch of MNIST, "
        f"{save_overhead['seeds']} seeds at once, an epoch in {save_overhead['median']['without']:.2f} s"
    )
    rows.append(
        [cost, f"{len(save_overhead['epoch_seconds'])} by turns", f"{100 * save_overhead['share']:+.1f} % time"]
    )
    return format_markdown_table(["promise", "tried", "broken"], "lrr", rows)
