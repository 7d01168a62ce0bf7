"""A benchmark's results as Markdown and for a terminal."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from aejax.report.comparison_table import format_markdown_table
from benchmark.command import report as command
from benchmark.curves.report import NOTES as CURVE_NOTES
from benchmark.curves.report import curve_table
from benchmark.encoding import report as encoding
from benchmark.logistic_path import report as path
from benchmark.summary import summary_table
from benchmark.targets import NOTES as TARGET_NOTES
from benchmark.targets import targets_table

COLUMN_NAMES = (
    "contender",
    "s per epoch and seed",
    "range",
    "GFLOP/s",
    "of product",
    "train loss",
    "peak MB",
    "compile s",
    "others",
)

NOTES = (
    "Seconds are wall time by epochs and seeds: the median of the repetitions, taken in turn with every other "
    "contender's, and their range. Peers train seed after seed, so that one seed more takes as long again, and are "
    "given no more seeds than there are cores. Training alone: no validation loss on either side; making the epoch's "
    "order and fetching the losses are inside. GFLOP counts products, per example six times the "
    "multiplications of all layers less twice the first layer's: outputs, weight gradients, and input gradients, of "
    "which the first layer needs none. "
    "Of product: the share of the rate at which JAX multiplies two large float32 matrices here, in the same "
    "repetitions. Train loss: mean over the last epoch and all seeds, after equal epochs of equal steps. Peak "
    "memory: the largest resident set, summed over a contender's processes. Compile: the programs in the order they "
    "run (start, optimizer, epochs), once per run; of compiled PyTorch the first step of each model, of Keras what its "
    "first repetition takes longer than its fastest. Others: processor cores that other programs used meanwhile, in "
    "the worst repetition; well above 0, only a quiet repeat of the run means much."
)

Entry = Mapping[str, Any]


def format_title(workload: Entry) -> str:
    """What is trained, and how fast this machine multiplies."""
    data, rate = workload["dataset"], workload["product_gflop_per_second"]["median"]
    return (
        f"{workload['name']}: {data['name']}, {data['n_train']} x {workload['features']}, "
        f"{workload['steps_per_epoch']} steps of {workload['batch_size']}; "
        f"{workload['gflop_per_epoch_and_seed']:.3g} GFLOP per epoch and seed; "
        f"losses after {workload['epochs']} epochs; product {rate:.0f} GFLOP/s"
    )


def format_cells(contender: Entry) -> list[str]:
    """One row under `HEADINGS`."""
    seconds, others = contender["seconds_per_epoch_and_seed"], contender["cores_used_by_others"]
    compile_seconds = contender["compile_seconds"]
    return [
        contender["name"],
        f"{seconds['median']:.3g}",
        f"{seconds['min']:.3g}-{seconds['max']:.3g}",
        f"{contender['gflop_per_second']:.3g}",
        f"{contender['share_of_product']:.0%}",
        f"{contender['train_loss']['mean']:.4g}",
        f"{contender['peak_memory_bytes'] / 1e6:.0f}",
        "+".join(f"{value:.2f}" for value in compile_seconds.values()) if compile_seconds else "",
        "" if None in others else f"{max(others):.1f}",
    ]


def _contender_notes(workload: Entry) -> list[str]:
    """In what contenders differ, and who took no part."""
    differing = [f"{one['name']}: {one['note']}." for one in workload["contenders"] if one.get("note")]
    return differing + [f"{one['name']}: takes no part: {one['reason']}" for one in workload.get("refused", [])]


def format_ratios(workload: Entry) -> list[str]:
    """This project's time as a part of each peer's."""
    return [
        f"{ratio['contender']} / {ratio['peer']}: {ratio['median']:.2f} ({ratio['min']:.2f} to {ratio['max']:.2f})"
        for ratio in workload["ratios"]
    ]


class TableLayout(NamedTuple):
    """How workloads of one kind are shown."""

    format_title: Callable[[Entry], str]
    column_names: tuple[str, ...]
    format_cells: Callable[[Entry], list[str]]  # of a contender
    terminal_hidden_columns: tuple[str, ...]  # headings that a terminal has no room for
    notes: str


LAYOUTS = {
    "training": TableLayout(format_title, COLUMN_NAMES, format_cells, ("GFLOP/s",), NOTES),
    **{
        kind: TableLayout(layout.format_title, layout.COLUMN_NAMES, layout.format_cells, layout.TERMINAL_HIDDEN_COLUMNS, layout.NOTES)
        for kind, layout in (("path", path), ("encoding", encoding), ("command", command))
    },
}


def workloads_with_layouts(results: Entry) -> list[tuple[Entry, TableLayout]]:
    """Each workload with its layout; one that names no kind is a training."""
    return [(workload, LAYOUTS[workload.get("kind", "training")]) for workload in results["workloads"]]


def collect_notes(shown: Sequence[tuple[Entry, TableLayout]]) -> list[str]:
    """Those of each kind, once."""
    return list(dict.fromkeys(layout.notes for _, layout in shown))


def render_markdown(results: Entry) -> str:
    """`table.md`, to stand under a heading of the results page that names command, machine and seconds."""
    parts, shown = [f"Versions: {format_versions(results)}."], workloads_with_layouts(results)
    if glance := summary_table(results["workloads"]):
        parts += ["### At a glance", glance]
    for workload, layout in shown:
        rows = [layout.format_cells(one) for one in workload["contenders"]]
        parts += [
            f"### {layout.format_title(workload)}",
            format_markdown_table(layout.column_names, "l" + "r" * (len(layout.column_names) - 1), rows),
        ]
        if remarks := [*_contender_notes(workload)]:
            parts.append("\n".join(f"- {line}" for line in remarks))
        if workload["ratios"]:
            parts.append("\n".join(f"- {line}" for line in format_ratios(workload)))
    parts += collect_notes(shown)
    if results["curves"]:
        parts += [*map(curve_table, results["curves"]), CURVE_NOTES]
    if results["targets"]:
        parts += ["### Targets", targets_table(results["targets"]), TARGET_NOTES]
    return "\n\n".join(parts) + "\n"


def format_versions(results: Entry) -> str:
    """Every library that took part, with its version."""
    return ", ".join(f"{name} {version}" for name, version in results["environment"]["versions"].items())


def render_terminal_table(results: Entry) -> RenderableType:
    """The same for a terminal of 100 columns: fewer columns, and compile seconds of all programs together."""
    parts: list[RenderableType] = []
    shown = workloads_with_layouts(results)
    for workload, layout in shown:
        table = Table(box=SIMPLE_HEAD, header_style="bold", padding=(0, 1, 0, 0), show_edge=False, pad_edge=False)
        seen = [heading for heading in layout.column_names if heading not in layout.terminal_hidden_columns]
        for heading in seen:
            lines = heading.replace(" ", "\n").replace("and\nseed", "and seed")
            table.add_column(lines, justify="left" if heading == "contender" else "right", no_wrap=True)
        for one in workload["contenders"]:
            row = dict(zip(layout.column_names, layout.format_cells(one), strict=True))
            row["compile s"] = f"{sum(one['compile_seconds'].values()):.1f}" if one["compile_seconds"] else ""
            table.add_row(*(Text(row[heading]) for heading in seen), style="bold" if one["library"] == "aejax" else "")
        parts += [Text(layout.format_title(workload), style="bold"), Text(), table]
        parts += [*map(Text, [*_contender_notes(workload), *format_ratios(workload)]), Text()]
    for one in results["targets"]:
        parts.append(Text(f"{'met' if one['met'] else 'not met'}: {one['target']}: {one['measured']}"))
    return Padding(Group(*parts, *(Text(note, style="dim") for note in collect_notes(shown))), (1, 0))
