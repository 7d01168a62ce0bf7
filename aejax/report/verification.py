"""What `scripts/verify.py` found, as Markdown and as one figure."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from aejax.report.style import ACCENT, INK, QUIET, SECOND, new_figure, styled
from aejax.report.table import markdown_rows
from aejax.report.wording import duration

Found = dict[str, Any]

COVERAGE_COLUMNS = {
    "difference": "a difference",
    "accuracy": "an accuracy",
    "seeds_alone": "a difference, over seeds alone",
    "percentile": "uncorrected percentiles",
}
_COLOURS = (INK, ACCENT, SECOND)
_MARKERS = ("o", "s", "^")

_NOTES = """\
False verdicts: methods of equal accuracy, called better or worse; a family is one method against four others, where a
false verdict is any. "If only the test over seeds were adjusted" is what adjusting the crossed p as well is for.
Coverage: how often a 95 % interval holds its truth, which is the mean under another draw of seeds and test examples;
over seeds alone, another draw of seeds on the same examples. The uncorrected percentiles are those of the crossed
bootstrap of the difference as it is usually drawn, which is not used here. What is simulated is in
`aejax/evaluate/simulation.py`."""


def percent(entry: Found) -> str:
    """A share and its binomial interval: `4.2 [3.4, 5.2]`."""
    low, high = entry["ci95"]
    return f"{100 * entry['share']:.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def markdown(found: Found) -> str:
    """`verify.md`: what must hold, then the tables; shares in percent, with binomial 95 % intervals."""
    environment = found["environment"]
    made = f"`{environment['command']}` on {environment['machine']} in {duration(environment['seconds'])} s"
    claims = [[row["claim"], _worst(row), "yes" if row["holds"] else "**no**"] for row in found["checks"]]
    alarms = [
        [entry["process"], *_sizes(entry), *(percent(entry[field]) for field in _ALARMS)]
        for entry in found["false_verdicts"]
    ]
    gaps = [point["gap"] for point in found["power"][0]["curve"]]
    powers = [
        [entry["process"], *_sizes(entry), *(percent(point["better"]) for point in entry["curve"])]
        for entry in found["power"]
    ]
    covers = [
        [entry["process"], *_sizes(entry), *(percent(entry[name]) for name in COVERAGE_COLUMNS)]
        for entry in found["coverage"]
    ]
    sizes = ("simulated", "seeds", "examples")
    agreement = [[name, f"{value:.1e}"] for name, value in found["agreement"].items()]
    return (
        "\n\n".join(
            [
                f"Simulated experiments of known truth, judged by the code that `compare.py` uses. Made by {made}.",
                markdown_rows(("what must hold", "worst found", "holds"), "lrl", claims),
                "**False verdicts, %**",
                markdown_rows((*sizes, *_ALARMS.values()), "lrrrrr", alarms),
                "**Power: a verdict of better, %, by the true gap in points**",
                markdown_rows((*sizes, *(f"{100 * gap:g}" for gap in gaps)), "lrr" + "r" * len(gaps), powers),
                "**Coverage of 95 % intervals, %**",
                markdown_rows((*sizes, *COVERAGE_COLUMNS.values()), "lrrrrrr", covers),
                "**Largest difference from peers**",
                markdown_rows(("quantity and peer", "difference"), "lr", agreement),
                _NOTES,
            ]
        )
        + "\n"
    )


_ALARMS = {
    "one": "one comparison",
    "family": "family of 4",
    "family_by_seeds_alone": "if only the test over seeds were adjusted",
}


def _worst(check: Found) -> str:
    return f"{check['worst']:.1e}" if check["claim"].startswith("agreement") else f"{100 * check['worst']:.1f} %"


def _sizes(entry: Found) -> list[str]:
    return [str(entry["seeds"]), f"{entry['examples']:,}"]


@styled
def power_and_coverage(found: Found) -> Figure:
    """At the left how often a known gap gets its verdict; at the right how often the intervals hold their truth."""
    figure = new_figure(3.4)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.25))
    _draw_power(left, found)
    _draw_coverage(right, found)
    return figure


def _draw_power(axes: Axes, found: Found) -> None:
    for entry, colour, marker in zip(found["power"], _COLOURS, _MARKERS, strict=False):
        gaps = [100 * point["gap"] for point in entry["curve"]]
        shares = [100 * point["better"]["share"] for point in entry["curve"]]
        low, high = ([100 * point["better"]["ci95"][side] for point in entry["curve"]] for side in (0, 1))
        axes.plot(gaps, shares, color=colour, marker=marker, markersize=4, label=f"{entry['examples']:,} examples")
        axes.fill_between(gaps, low, high, color=colour, alpha=0.15, linewidth=0)
    entry = found["power"][0]
    axes.set_title(f"verdict better, {entry['seeds']} seeds: {entry['process']}")
    axes.set(xlabel="true gap, points of accuracy", ylabel="of experiments, %", ylim=(-3, 103))
    axes.legend(loc="lower right")
    axes.grid(color="#eeeeee")


def _draw_coverage(axes: Axes, found: Found) -> None:
    """One column per cell of seeds and examples; a mark per process."""
    cells = list(dict.fromkeys((entry["seeds"], entry["examples"]) for entry in found["coverage"]))
    for name, colour, marker in (("percentile", QUIET, "x"), ("difference", ACCENT, "o")):
        places = [cells.index((entry["seeds"], entry["examples"])) for entry in found["coverage"]]
        shares = [100 * entry[name]["share"] for entry in found["coverage"]]
        label = "uncorrected percentiles" if name == "percentile" else "as used"
        axes.scatter(places, shares, s=22, color=colour, marker=marker, linewidths=1, label=label, zorder=3)
    axes.axhspan(93, 97, color=ACCENT, alpha=0.1, linewidth=0)
    axes.axhline(95, color=QUIET, linestyle=":", linewidth=1.2)
    axes.set_xticks(range(len(cells)), [f"{seeds}\n{examples:,}" for seeds, examples in cells], fontsize=7)
    axes.set_title("coverage of the difference, a mark per process")
    axes.set(xlabel="seeds, test examples", ylabel="of experiments, %")
    axes.legend(loc="best")
