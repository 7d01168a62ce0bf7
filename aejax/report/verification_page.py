"""What `scripts/verify.py` found, as Markdown and as one figure."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from aejax.report.comparison_table import format_markdown_table
from aejax.report.formatting import format_seconds
from aejax.report.style import NEUTRAL_COLOR, PRIMARY_COLOR, SECONDARY_COLOR, TEXT_COLOR, make_figure, with_style

VerificationResults = dict[str, Any]

COVERAGE_HEADINGS = {
    "difference": "a difference",
    "accuracy": "an accuracy",
    "seeds_alone": "a difference, over seeds alone",
    "percentile": "uncorrected percentiles",
}
_COLORS = (TEXT_COLOR, PRIMARY_COLOR, SECONDARY_COLOR)
_MARKERS = ("o", "s", "^")

_NOTES = """\
False verdicts: methods of equal accuracy, called better or worse; a family is one method against four others, where a
false verdict is any. "If only the test over seeds were adjusted" is what adjusting the crossed p as well is for.
Coverage: how often a 95 % interval holds its truth, which is the mean under another draw of seeds and test examples;
over seeds alone, another draw of seeds on the same examples. The uncorrected percentiles are those of the crossed
bootstrap of the difference as it is usually drawn, which is not used here. What is simulated is in
`aejax/evaluate/simulation.py`."""


def format_share(entry: VerificationResults) -> str:
    """A share and its binomial interval: `4.2 [3.4, 5.2]`."""
    low, high = entry["ci95"]
    return f"{100 * entry['share']:.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def render_verification_page(results: VerificationResults) -> str:
    """`verify.md`: what must hold, then the tables; shares in percent, with binomial 95 % intervals."""
    environment = results["environment"]
    made = f"`{environment['command']}` on {environment['machine']} in {format_seconds(environment['seconds'])} s"
    claims = [[row["claim"], _format_worst(row), "yes" if row["holds"] else "**no**"] for row in results["checks"]]
    alarms = [
        [entry["process"], *_format_sizes(entry), *(format_share(entry[field]) for field in _FALSE_VERDICT_HEADINGS)]
        for entry in results["false_verdicts"]
    ]
    gaps = [point["gap"] for point in results["power"][0]["curve"]]
    powers = [
        [entry["process"], *_format_sizes(entry), *(format_share(point["better"]) for point in entry["curve"])]
        for entry in results["power"]
    ]
    covers = [
        [entry["process"], *_format_sizes(entry), *(format_share(entry[name]) for name in COVERAGE_HEADINGS)]
        for entry in results["coverage"]
    ]
    sizes = ("simulated", "seeds", "examples")
    return (
        "\n\n".join(
            [
                f"Simulated experiments of known truth, judged by the code that `compare.py` uses. Made by {made}.",
                format_markdown_table(("what must hold", "worst found", "holds"), "lrl", claims),
                "**False verdicts, %**",
                format_markdown_table((*sizes, *_FALSE_VERDICT_HEADINGS.values()), "lrrrrr", alarms),
                "**Power: a verdict of better, %, by the true gap in points**",
                format_markdown_table((*sizes, *(f"{100 * gap:g}" for gap in gaps)), "lrr" + "r" * len(gaps), powers),
                "**Coverage of 95 % intervals, %**",
                format_markdown_table((*sizes, *COVERAGE_HEADINGS.values()), "lrrrrrr", covers),
                *_agreement_table(results),
                _NOTES,
            ]
        )
        + "\n"
    )


_FALSE_VERDICT_HEADINGS = {
    "one": "one comparison",
    "family": "family of 4",
    "family_by_seeds_alone": "if only the test over seeds were adjusted",
}


def _agreement_table(results: VerificationResults) -> list[str]:
    """Differences from SciPy and scikit-learn, which results of version 0.1.0 contain; now they are tests."""
    if "agreement" not in results:
        return []
    rows = [[name, f"{value:.1e}"] for name, value in results["agreement"].items()]
    return ["**Largest difference from peers**", format_markdown_table(("quantity and peer", "difference"), "lr", rows)]


def _format_worst(check: VerificationResults) -> str:
    return f"{check['worst']:.1e}" if check["claim"].startswith("agreement") else f"{100 * check['worst']:.1f} %"


def _format_sizes(entry: VerificationResults) -> list[str]:
    return [str(entry["seeds"]), f"{entry['examples']:,}"]


@with_style
def plot_power_and_coverage(results: VerificationResults) -> Figure:
    """At the left how often a known gap gets its verdict; at the right how often the intervals hold their truth."""
    figure = make_figure(3.4)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.25))
    _draw_power(left, results)
    _draw_coverage(right, results)
    return figure


def _draw_power(axes: Axes, results: VerificationResults) -> None:
    for entry, colour, marker in zip(results["power"], _COLORS, _MARKERS, strict=False):
        gaps = [100 * point["gap"] for point in entry["curve"]]
        shares = [100 * point["better"]["share"] for point in entry["curve"]]
        low, high = ([100 * point["better"]["ci95"][side] for point in entry["curve"]] for side in (0, 1))
        axes.plot(gaps, shares, color=colour, marker=marker, markersize=4, label=f"{entry['examples']:,} examples")
        axes.fill_between(gaps, low, high, color=colour, alpha=0.15, linewidth=0)
    entry = results["power"][0]
    axes.set_title(f"verdict better, {entry['seeds']} seeds: {entry['process']}")
    axes.set(xlabel="true gap, points of accuracy", ylabel="of experiments, %", ylim=(-3, 103))
    axes.legend(loc="lower right")
    axes.grid(color="#eeeeee")


def _draw_coverage(axes: Axes, results: VerificationResults) -> None:
    """One column per cell of seeds and examples; a mark per process."""
    cells = list(dict.fromkeys((entry["seeds"], entry["examples"]) for entry in results["coverage"]))
    for name, colour, marker in (("percentile", NEUTRAL_COLOR, "x"), ("difference", PRIMARY_COLOR, "o")):
        places = [cells.index((entry["seeds"], entry["examples"])) for entry in results["coverage"]]
        shares = [100 * entry[name]["share"] for entry in results["coverage"]]
        label = "uncorrected percentiles" if name == "percentile" else "as used"
        axes.scatter(places, shares, s=22, color=colour, marker=marker, linewidths=1, label=label, zorder=3)
    axes.axhspan(93, 97, color=PRIMARY_COLOR, alpha=0.1, linewidth=0)
    axes.axhline(95, color=NEUTRAL_COLOR, linestyle=":", linewidth=1.2)
    axes.set_xticks(range(len(cells)), [f"{seeds}\n{examples:,}" for seeds, examples in cells], fontsize=7)
    axes.set_title("coverage of the difference, a mark per process")
    axes.set(xlabel="seeds, test examples", ylabel="of experiments, %")
    axes.legend(loc="best")
