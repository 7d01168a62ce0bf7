"""A benchmark's results as Markdown."""

from collections.abc import Callable, Sequence
from statistics import median
from typing import NamedTuple

from aejax.report.tables import Column, Table, to_markdown
from benchmark.curves import CURVE_PEER, SECONDS_KEY, curve_lines
from benchmark.summaries import COMMAND_MODES, format_ratio, summary_table
from benchmark.timing import Entry

TRAINING_NOTES = (
    "Seconds are wall time per epoch and seed: median and range of the repetitions, interleaved with those of all "
    "other contenders. Peers train one seed after the other, so that each further seed takes the same time again, and "
    "get at most as many seeds as there are cores. Training alone: no side computes a validation loss; shuffling and "
    "fetching the losses are included. GFLOP counts matrix products, per example six times the multiplications of all "
    "layers minus twice the first layer's: outputs, weight gradients, and input gradients, which the first layer does "
    "not need. Of product: the share of the rate at which JAX multiplies two large float32 matrices in the same "
    "repetitions. Train loss: mean over the last epoch and all seeds, after equal epochs of equal steps. Peak memory: "
    "the largest resident set, summed over a contender's processes. Compile: the programs in the order they run "
    "(start, optimizer, epochs), once per run; for compiled PyTorch the first step of each model, for Keras how much "
    "longer its first repetition takes than its fastest. Others: processor cores that other programs used, in the "
    "worst repetition; if it is well above 0, repeat the run on an idle machine."
)
PATH_NOTES = (
    "Seconds are wall time of all fits: median and range of the repetitions, interleaved with those of all other "
    "contenders. A path solves every strength for every seed, each from the solution of the strength before; "
    "scikit-learn fits C=1 once, to its own tolerance unless a limit of iterations is named. Worst gradient: the "
    "largest entry of the gradient over all fits. Worst gap: the largest bound on how far the objective is above its "
    "minimum, relative to it. Both are computed afterwards in float64, from the solutions of the last repetition; all "
    "certified: both are at most 1e-4. Objective: mean loss plus penalty at C=1, which the path is extended to outside "
    "the timing; lower is closer to the optimum. Each seed draws nine tenths of the rows. Others: processor cores that "
    "other programs used, in the worst repetition; if it is well above 0, repeat the run on an idle machine."
)
ENCODING_NOTES = (
    "Encoding: wall time until the codes of all rows are on the host, per round and seed, with untrained encoders. "
    "aejax reads the stored bytes and scales them inside; the peers read scaled float32, which is in memory before the "
    "clock starts."
)
COMMAND_NOTES = (
    "Commands: wall time with every import, compilation, figure and file; the repetitions of both versions are "
    "interleaved. Peak memory: the largest resident set of the process. CPU: processor time of all its threads. A "
    "compilation cache was filled by the same command before. Of two runs in one process the second counts, but its "
    "memory is that of both. Compile, pretrain and probe: the seconds of these phases over all methods; the rest is "
    "imports, diagnostics, statistics, figures and files. Versions differ in what a command does and in how fast."
)
CURVE_NOTES = (
    "Curves: the deep recipe with one quantity varied, and with the number of examples that is given. All points are "
    "interleaved. PyTorch: the fastest of its eager settings at each point (all threads, a process per core); it "
    "trains one seed after the other, so each seed beyond the number of cores takes the same time again and is not "
    "timed."
)


class TableLayout(NamedTuple):
    """How workloads of one kind are shown."""

    format_title: Callable[[Entry], str]
    columns: Sequence[Column]  # of a contender's record
    notes: str


def _format_training_title(workload: Entry) -> str:
    data, rate = workload["dataset"], workload["product_gflop_per_second"]["median"]
    return (
        f"{workload['name']}: {data['name']}, {data['n_train']} x {workload['features']}, "
        f"{workload['steps_per_epoch']} steps of {workload['batch_size']}; "
        f"{workload['gflop_per_epoch_and_seed']:.3g} GFLOP per epoch and seed; "
        f"losses after {workload['epochs']} epochs; product {rate:.0f} GFLOP/s"
    )


def _format_encoding_title(workload: Entry) -> str:
    data = workload["dataset"]
    return f"{workload['name']}: {data['name']}, {data['n_train']} x {workload['features']} to {workload['code']}"


def _format_path_title(workload: Entry) -> str:
    data, strengths = workload["dataset"], workload["strengths"]
    return (
        f"{workload['name']}: {data['name']}, {data['n_train']} x {workload['features']}, "
        f"{workload['classes']} classes; "
        f"{len(strengths)} strengths from {strengths[0]:.0e} to {strengths[-1]:.0e} per example, to "
        f"{workload['tolerance']:.0e}"
    )


def _spread_columns(heading: str, key: str, unit: float = 1.0) -> list[Column]:
    """Returns the median and the range of seconds, in parts of a second: `unit` 1e3 for milliseconds."""
    return [
        Column(heading, lambda one: f"{unit * one[key]['median']:.3g}"),
        Column("range", lambda one: f"{unit * one[key]['min']:.3g}-{unit * one[key]['max']:.3g}"),
    ]


def _compile_column(format_all: Callable[[list[float]], str]) -> Column:
    """Returns the compile seconds of all programs; an empty cell if none is known."""
    seconds = lambda one: list((one["compile_seconds"] or {}).values())  # noqa: E731 -- one line
    return Column("compile s", lambda one: format_all(seconds(one)) if seconds(one) else "")


def _phase_column(phase: str) -> Column:
    """Returns the seconds of a phase of a command, over all methods; empty for a sweep."""

    def format_phase(one: Entry) -> str:
        phases = one["phases"]
        return f"{median(each[phase] for each in phases):.1f}" if all(phase in each for each in phases) else ""

    return Column(f"{phase} s", format_phase)


NAME = Column("contender", lambda one: one["name"], align="left")
PEAK_MEMORY = Column("peak MB", lambda one: f"{one['peak_memory_bytes'] / 1e6:.0f}")
OTHERS = Column("others", lambda one: f"{max(one['cores_used_by_others']):.1f}")
TOTAL_COMPILE = _compile_column(lambda seconds: f"{sum(seconds):.1f}")
LAYOUTS = {
    "training": TableLayout(
        _format_training_title,
        (
            NAME,
            *_spread_columns("s per epoch and seed", SECONDS_KEY),
            Column("GFLOP/s", lambda one: f"{one['gflop_per_second']:.3g}"),
            Column("of product", lambda one: f"{one['share_of_product']:.0%}"),
            Column("train loss", lambda one: f"{one['train_loss']['mean']:.4g}"),
            PEAK_MEMORY,
            _compile_column(lambda seconds: "+".join(f"{value:.2f}" for value in seconds)),
            OTHERS,
        ),
        TRAINING_NOTES,
    ),
    "encoding": TableLayout(
        _format_encoding_title,
        (
            NAME,
            *_spread_columns("ms per round and seed", "seconds_per_round_and_seed", 1e3),
            Column("images/s", lambda one: f"{one['images_per_second']:.3g}"),
            PEAK_MEMORY,
            TOTAL_COMPILE,
            OTHERS,
        ),
        ENCODING_NOTES,
    ),
    "path": TableLayout(
        _format_path_title,
        (
            NAME,
            Column("fits", lambda one: str(one["fits"])),
            *_spread_columns("seconds", "seconds"),
            Column("worst gradient", lambda one: f"{one['worst_gradient_norm']:.1e}"),
            Column("worst gap", lambda one: f"{one['worst_gap']:.1e}"),
            Column("all certified", lambda one: "yes" if one["certified"] else "no"),
            Column("objective", lambda one: f"{at_c1['objective']:.6f}" if (at_c1 := one["at_peers_strength"]) else ""),
            PEAK_MEMORY,
            TOTAL_COMPILE,
            OTHERS,
        ),
        PATH_NOTES,
    ),
    "command": TableLayout(
        lambda workload: f"{workload['name']}: {COMMAND_MODES[workload['mode']]}",
        (
            NAME,
            Column("commit", lambda one: (one["commit"] or "")[:7]),
            *_spread_columns("seconds", "seconds"),
            Column("CPU s", lambda one: f"{median(one['cpu_seconds']):.1f}"),
            *(_phase_column(phase) for phase in ("compile", "pretrain", "probe")),
            PEAK_MEMORY,
            OTHERS,
        ),
        COMMAND_NOTES,
    ),
}


def _format_workload(workload: Entry) -> list[str]:
    """Returns heading, table, how contenders differ and which took no part, and the ratios to each peer's time."""
    layout = LAYOUTS[workload["kind"]]
    notes = [f"{one['name']}: {one['note']}." for one in workload["contenders"] if one["note"]]
    notes += [f"{one['name']}: takes no part: {one['reason']}" for one in workload["refused"]]
    ratios = [f"{one['contender']} / {one['peer']}: {format_ratio(one)}" for one in workload["ratios"]]
    return [
        f"### {layout.format_title(workload)}",
        to_markdown(Table(layout.columns, workload["contenders"])),
        *("\n".join(f"- {line}" for line in lines) for lines in (notes, ratios) if lines),
    ]


def curve_table(curve: Entry) -> str:
    """Returns heading and table: milliseconds per epoch and seed at each point."""
    lines = curve_lines(curve)
    records = [
        {**point, **lines["aejax"][point["x"]], "other": lines.get(CURVE_PEER, {}).get(point["x"])}
        for point in curve["points"]
    ]
    columns = [
        Column(curve["label"], lambda one: f"{one['x']:g}"),
        Column("examples", lambda one: f"{one['examples']:,}"),
        *_spread_columns("aejax, ms per epoch and seed", SECONDS_KEY, 1e3),
        Column("PyTorch, ms", lambda one: f"{1e3 * one['other'][SECONDS_KEY]['median']:.3g}" if one["other"] else ""),
        Column("its setting", lambda one: one["other"]["name"] if one["other"] else "", align="left"),
    ]
    return f"### Time against {curve['label']}\n\n{to_markdown(Table(columns, records))}"


def render_markdown(results: Entry) -> str:
    """Returns `table.md`; the results page adds a heading with command, machine and seconds."""
    versions = ", ".join(f"{name} {version}" for name, version in results["environment"]["versions"].items())
    workloads = results["workloads"]
    summary = summary_table(workloads)
    parts = [f"Versions: {versions}.", *(["### At a glance", summary] if summary else [])]
    parts += [part for workload in workloads for part in _format_workload(workload)]
    parts += dict.fromkeys(LAYOUTS[workload["kind"]].notes for workload in workloads)  # each once
    if results["curves"]:
        parts += [*map(curve_table, results["curves"]), CURVE_NOTES]
    return "\n\n".join(parts) + "\n"
