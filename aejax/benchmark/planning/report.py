"""The plan as Markdown."""

from collections.abc import Callable, Sequence

from aejax.benchmark.planning.constants import HOST, PESSIMISTIC, RECIPE
from aejax.benchmark.planning.inputs import declared_table, measured_table, sizes_table
from aejax.benchmark.planning.planning import OnPaper
from aejax.benchmark.planning.plans import (
    ARITHMETIC,
    AROUND,
    DECODING,
    GATHER,
    GPUS,
    LAYING,
    LINK,
    MEMORY,
    PROBING,
    READING,
    SAVING,
    SUMS,
    Break,
    Plan,
)
from aejax.benchmark.planning.wording import duration, size
from aejax.report.table import markdown_rows
from aejax.run.keeping import SHARE

PASSES = 10  # over the set, beside one
MENDS = {
    PROBING: "Settings are probed one after the other, at the rate of the machine that was measured. Measure it on a "
    "GPU; probe many settings at once.",
    MEMORY: "Each step reads and writes the whole state for one batch. Larger batches; a smaller optimizer state.",
    SAVING: f"Saves are spaced to take at most {SHARE:.0%} of a training; one that a signal asks for takes at least "
    "this long. Each process saves its own runs, by groups.",
    LAYING: "Every setting has a copy of its seed's order. One order for each seed on the device, which settings "
    "share.",
    GATHER: "Every process fetches the states of all runs. Each fetches its own.",
    LINK: "Each byte crosses once. Nothing to mend.",
    SUMS: "Every step sums the gradients over all GPUs. Seeds laid over the GPUs first, which sum nothing; larger "
    "batches where there are more GPUs than seeds.",
    READING: "The rate is what a training on two cores asked for, so a floor. Measure the reader alone; several for "
    "each host.",
    DECODING: "Decode once, and keep arrays.",
}
NOTES = {**MENDS, LINK: "The orders of all runs cross in each epoch. One for each seed would do."}  # of a sweep


def page(paper: OnPaper) -> str:
    """`planning.md`."""
    return f"""# A large sweep and a large set, on paper

{_opening(paper)}

**Measured**

{measured_table(paper)}

**Declared, not measured: {paper.accelerator.name}**

{paper.accelerator.source}

{declared_table(paper)}

**Of one run, by the shapes in the code**

{sizes_table(paper)}

{_sweep_section(paper)}

{_stream_section(paper)}

**What breaks first**

{_breaks_first(paper)}

The sweep:

{_ranked(paper.sweep_breaks, NOTES)}

The set:

{_ranked(paper.stream_breaks, MENDS)}
"""


def _opening(paper: OnPaper) -> str:
    sentences = [
        f"Made by `python -m aejax.benchmark.planning results`. What {paper.sweep_task.runs:,} runs of `{RECIPE}` and "
        f"a set of {paper.stream_task.examples:,} examples would take on {_some()} GPUs. No GPU was measured: its "
        "rates are published ones. A time is a bound, one resource's work by its rate, and nothing is simulated."
    ]
    if paper.measured.streaming is None:
        sentences.append("No rate of reading has been measured (`stream/stream.json` is not there), so it has no row.")
    if paper.measured.host is None:
        sentences.append(f"The orders on the host have not been measured (`{HOST}` is not there).")
    return " ".join(sentences)


def _some() -> str:
    return ", ".join(map(str, GPUS[:-1])) + f" and {GPUS[-1]}"


def _row(name: str, plans: Sequence[Plan], cell: Callable[[Plan], str]) -> list[str]:
    return [name, *map(cell, plans)]


def _seconds_row(name: str, plans: Sequence[Plan], resource: str, times: float = 1.0) -> list[str]:
    return _row(name, plans, lambda plan: duration(times * plan.seconds[resource]))


def _moved_row(name: str, plans: Sequence[Plan], where: str) -> list[str]:
    return _row(name, plans, lambda plan: size(plan.moved[where]))


def _times(paper: OnPaper, plans: Sequence[Plan]) -> list[list[str]]:
    """A row of each resource that a training has to do with, and the arithmetic of a pessimist and in bfloat16."""
    device = paper.accelerator
    names = [name for name in plans[0].seconds if name not in AROUND]
    arithmetic, *others = [_seconds_row(f"time: {name}", plans, name) for name in names]
    return [
        arithmetic,
        _seconds_row(f"time: arithmetic at {PESSIMISTIC:.0%}", plans, ARITHMETIC, 1 / PESSIMISTIC),
        _seconds_row("time: arithmetic in bfloat16", plans, ARITHMETIC, device.flops / device.bfloat16),
        *others,
        _row("longest", plans, lambda plan: plan.limit),
    ]


def _memory(plans: Sequence[Plan]) -> list[list[str]]:
    return [
        _row("memory of a GPU", plans, lambda plan: size(plan.held)),
        _row("fits", plans, lambda plan: "yes" if plan.fits else f"in {plan.groups} groups" if plan.groups else "no"),
        _row("memory of a process", plans, lambda plan: size(plan.host_held)),
    ]


def _table(rows: list[list[str]]) -> str:
    return markdown_rows(["", *(f"{gpus} GPU{'' if gpus == 1 else 's'}" for gpus in GPUS)], "l" + "r" * len(GPUS), rows)


def _sweep_section(paper: OnPaper) -> str:
    task, plans = paper.sweep_task, paper.sweep
    settings = f"{task.settings:,} settings of {task.seeds} seeds"
    title = f"**A sweep: {settings}, {task.epochs} epochs of {task.n_train:,} examples**"
    table = _table(
        [
            *_memory(plans),
            _moved_row("device memory moved, an epoch", plans, MEMORY),
            _moved_row("host to devices, an epoch", plans, LINK),
            *_times(paper, plans),
            *(_seconds_row(f"beside it: {name}", plans, name) for name in AROUND),
        ]
    )
    return f"{title}\n\n{table}\n\n{_sweep_notes(paper)}"


def _sweep_notes(paper: OnPaper) -> str:
    task, known, first = paper.sweep_task, paper.measured, paper.sweep[0]
    training = known.training
    on_cores = training.seconds * task.epochs * task.runs
    scores = task.runs * task.n_test * (1 + 4)  # correct, log_prob
    sentences = [
        f"On {training.machine}, as measured: {duration(on_cores)} of training, and {duration(first.seconds[PROBING])} "
        f"of probing. Probing and saving are at the rates of that machine in every column.",
        f"`scores.npz` has {size(scores)} before it is compressed.",
    ]
    if known.host is not None:
        kept = known.host.inodes
        sentences.append(
            f"A save is {kept} files and folders whatever it holds, a point that was scored another {kept}: "
            f"{kept * task.settings:,} until the sweep ends."
        )
    return " ".join(sentences) + (
        " Validation and compiling are in no time. A process has the states of all runs, fetched for a save, and the "
        "orders and rows of all runs."
    )


def _stream_section(paper: OnPaper) -> str:
    task, once = paper.stream_task, size(paper.stream[0].moved[LINK])
    title = f"**A set of {task.examples:,} examples, {once}, {task.seeds} seeds, one pass**"
    plans, apart = paper.stream, dict(zip(GPUS, paper.apart, strict=True))
    table = _table(
        [
            *_memory(plans),
            *(_moved_row(f"moved: {name}", plans, name) for name in plans[0].moved),
            *_times(paper, plans),
            _row(f"{PASSES} passes, the longest", plans, lambda plan: duration(PASSES * plan.seconds[plan.limit])),
            _row("longest, seeds apart", plans, lambda plan: duration(apart[plan.gpus])),
        ]
    )
    return f"{title}\n\n{table}\n\n{_stream_notes(paper)}"


def _stream_notes(paper: OnPaper) -> str:
    task, training = paper.stream_task, paper.measured.training
    on_cores = training.seconds / training.n_train * task.examples * task.seeds
    return (
        f"On {training.machine}, at the rate measured in memory: {duration(on_cores)} for a pass, "
        f"{duration(PASSES * on_cores)} for {PASSES}. Each batch of {paper.sizes.batch} is laid over all GPUs "
        f"(`--batch-devices`); seeds apart: whole seeds on each GPU, of which {task.seeds} at most have work, and each "
        "host reads the whole set. Memory does not grow with the set: a process has two windows, a few chunks and a "
        "sample of it."
    )


def _breaks_first(paper: OnPaper) -> str:
    device, crowded = paper.accelerator, [plan for plan in paper.sweep if not plan.fits]
    lines = [
        "Seconds of each resource by those of the arithmetic at its peak, ranked by the fewest GPUs at which they are "
        "more."
    ]
    lines += [
        f"Before any time, memory: on {plan.gpus} GPU{'' if plan.gpus == 1 else 's'} the sweep needs {size(plan.held)} "
        f"on each, and JAX takes {size(plan.room)}; trained in {plan.groups} groups it fits."
        for plan in crowded
    ]
    most = max(plan.host_held for plan in paper.sweep)
    held = "within" if most <= device.host_memory else "beyond"
    lines.append(f"A process of the sweep holds {size(most)}, {held} a host's {size(device.host_memory)}.")
    return " ".join(lines)


def _ranked(breaks: Sequence[Break], mends: dict[str, str]) -> str:
    rows = [
        [
            one.resource,
            "never" if one.first is None else f"{one.first}",
            *(f"{ratio:.2g}" if ratio < 100 else f"{ratio:,.0f}" for ratio in one.ratios),
            mends[one.resource],
        ]
        for one in breaks
    ]
    headings = ["resource", "longer from GPUs", *(f"on {gpus}" for gpus in GPUS), "why, and the mend"]
    return markdown_rows(headings, "lr" + "r" * len(GPUS) + "l", rows)
