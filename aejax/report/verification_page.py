"""Results of `scripts/verify.py`, simulated experiments with known truth, as Markdown and as one figure."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from aejax.report.formatting import format_mean_ci, format_provenance
from aejax.report.rendering import render_template
from aejax.report.style import NEUTRAL_COLOR, PRIMARY_COLOR, SECONDARY_COLOR, TEXT_COLOR, make_figure, with_style
from aejax.report.tables import Column, Table, to_markdown

VerificationResults = dict[str, Any]

FALSE_VERDICT_HEADINGS = {
    "one": "one comparison",
    "family": "family of 4",
    "family_by_seeds_alone": "if only the test over seeds were adjusted",
}
COVERAGE_HEADINGS = {
    "difference": "a difference",
    "accuracy": "an accuracy",
    "seeds_alone": "a difference, over seeds alone",
    "percentile": "uncorrected percentiles",
}
_COLORS = (TEXT_COLOR, PRIMARY_COLOR, SECONDARY_COLOR)
_MARKERS = ("o", "s", "^")
_SCENARIO_COLUMNS = (
    Column("simulated", lambda entry: entry["process"], "left"),
    Column("seeds", lambda entry: str(entry["seeds"])),
    Column("examples", lambda entry: f"{entry['examples']:,}"),
)


def render_verification_page(results: VerificationResults) -> str:
    """Returns `verify.md`: the requirements, then the tables; shares in percent, with binomial 95 % intervals."""
    requirements = [
        Column("requirement", lambda check: check["claim"], "left"),
        Column("worst value", _format_worst),
        Column("holds", lambda check: "yes" if check["holds"] else "**no**", "left"),
    ]
    power = [
        _share_column(f"{100 * point['gap']:g}", "curve", index, "better")
        for index, point in enumerate(results["power"][0]["curve"])
    ]
    differences = [
        Column("quantity and peer", lambda item: item[0], "left"),
        Column("difference", lambda item: f"{item[1]:.1e}"),
    ]
    agreement = results.get("agreement")  # only in results of version 0.1.0; now there are tests of it
    return render_template(
        "verification.md.j2",
        provenance=format_provenance(results["environment"]),
        requirements=to_markdown(Table(requirements, results["checks"])),
        false_verdicts=_share_table(FALSE_VERDICT_HEADINGS, results["false_verdicts"]),
        power=to_markdown(Table((*_SCENARIO_COLUMNS, *power), results["power"])),
        coverage=_share_table(COVERAGE_HEADINGS, results["coverage"]),
        agreement=agreement and to_markdown(Table(differences, list(agreement.items()))),
    )


def _share_table(headings: dict[str, str], entries: list[VerificationResults]) -> str:
    shares = [_share_column(heading, field) for field, heading in headings.items()]
    return to_markdown(Table((*_SCENARIO_COLUMNS, *shares), entries))


def _share_column(heading: str, *path: str | int) -> Column:
    """Returns a column of the share that the keys of `path` lead to, with its binomial interval, in percent."""

    def cell(entry: VerificationResults) -> str:
        share: Any = entry
        for key in path:
            share = share[key]
        return format_mean_ci({"mean": share["share"], "ci95": share["ci95"]}, scale=100, decimals=1)

    return Column(heading, cell)


def _format_worst(check: VerificationResults) -> str:
    return f"{check['worst']:.1e}" if check["claim"].startswith("agreement") else f"{100 * check['worst']:.1f} %"


@with_style
def plot_power_and_coverage(results: VerificationResults) -> Figure:
    """Plots the power by the true gap at the left and the coverage of the intervals at the right."""
    figure = make_figure(3.4)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.25))
    _draw_power(left, results)
    _draw_coverage(right, results)
    return figure


def _draw_power(axes: Axes, results: VerificationResults) -> None:
    for entry, color, marker in zip(results["power"], _COLORS, _MARKERS, strict=False):
        gaps = [100 * point["gap"] for point in entry["curve"]]
        shares = [100 * point["better"]["share"] for point in entry["curve"]]
        low, high = ([100 * point["better"]["ci95"][side] for point in entry["curve"]] for side in (0, 1))
        axes.plot(gaps, shares, color=color, marker=marker, markersize=4, label=f"{entry['examples']:,} examples")
        axes.fill_between(gaps, low, high, color=color, alpha=0.15, linewidth=0)
    entry = results["power"][0]
    axes.set_title(f"verdict better, {entry['seeds']} seeds: {entry['process']}")
    axes.set(xlabel="true gap, points of accuracy", ylabel="of experiments, %", ylim=(-3, 103))
    axes.legend(loc="lower right")
    axes.grid()


def _draw_coverage(axes: Axes, results: VerificationResults) -> None:
    """Draws a column for each number of seeds and of examples, and a marker for each simulated process."""
    cells = list(dict.fromkeys((entry["seeds"], entry["examples"]) for entry in results["coverage"]))
    places = [cells.index((entry["seeds"], entry["examples"])) for entry in results["coverage"]]
    for name, label, color, marker in (
        ("percentile", "uncorrected percentiles", NEUTRAL_COLOR, "x"),
        ("difference", "as used", PRIMARY_COLOR, "o"),
    ):
        shares = [100 * entry[name]["share"] for entry in results["coverage"]]
        axes.scatter(places, shares, s=22, color=color, marker=marker, linewidths=1, label=label, zorder=3)
    axes.axhspan(93, 97, color=PRIMARY_COLOR, alpha=0.1, linewidth=0)
    axes.axhline(95, color=NEUTRAL_COLOR, linestyle=":", linewidth=1.2)
    axes.set_xticks(range(len(cells)), [f"{seeds}\n{examples:,}" for seeds, examples in cells], fontsize=7)
    axes.set_title("coverage of the difference, a mark per process")
    axes.set(xlabel="seeds, test examples", ylabel="of experiments, %")
    axes.legend(loc="best")
