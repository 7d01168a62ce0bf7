"""The figure of a label curve: every autoencoder among its controls, over the number of labels."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from aejax.report.drawing import add_description, describe_design, make_panels, set_log_scale, shared_legend
from aejax.report.results import Results, is_control, is_permuted, verdict_metric
from aejax.report.style import NEUTRAL_COLOR, PRIMARY_COLOR, label_text, with_style

LINE_STYLES = ("--", ":", "-.")  # of the controls that are named
CONTROLS = ("raw", "random", "supervised")  # what the names of these begin with
OTHER_COLOR = "#c8c8c8"


@with_style
def plot_label_curve(results: Results) -> Figure:
    """Plots the metric over the number of labels, a panel for each autoencoder with its simultaneous 95 % band.

    The raw inputs, the untrained encoder and the supervised network are grey lines, other controls are pale ones. A
    crossing with the raw inputs is marked with its 95 % interval.
    """
    roles = {method["name"]: is_control(method) for method in results["methods"] if not is_permuted(method)}
    curves = {row["name"]: row for row in results["label_curve"]["methods"] if row["name"] in roles}
    shown = [name for name, control in roles.items() if not control] or list(roles)[:1]
    figure, panels = make_panels(len(shown), aspect=0.75)
    metric, labels = verdict_metric(results), results["label_curve"]["n_labels"]
    for axes, name in zip(panels, shown, strict=True):
        rows = [row for row in results["label_curve"]["comparisons"] if row["method"] == name]
        named = _named_controls([row["baseline"] for row in rows if row["baseline"] in curves])
        for other, row in curves.items():
            if roles[other] and other not in named and other != name:
                axes.plot(labels, _scaled(results, row["mean"]), color=OTHER_COLOR, linewidth=1, label="others")
        for (control, label), style in zip(named.items(), LINE_STYLES, strict=False):
            mean = _scaled(results, curves[control]["mean"])
            axes.plot(labels, mean, style, color=NEUTRAL_COLOR, linewidth=1.2, label=label)
        low, high = zip(*(_scaled(results, bounds) for bounds in curves[name]["band"]), strict=True)
        axes.fill_between(labels, low, high, color=PRIMARY_COLOR, alpha=0.2, linewidth=0)
        mean = _scaled(results, curves[name]["mean"])
        axes.plot(labels, mean, "o-", color=PRIMARY_COLOR, markersize=3, label="autoencoder")
        for row in rows[:1]:
            _mark_crossovers(axes, row)
        axes.set_title(label_text(name))
        axes.set_xlabel("labels")
        set_log_scale(axes, "x", labels, 2)
        axes.grid(axis="y")
    figure.supylabel(f"test {metric.heading}", fontsize=9)
    has_crossovers = any(row["crossovers"] for row in results["label_curve"]["comparisons"])
    note = "; vertical: crossover with the first control, 95 %" if has_crossovers else ""
    shared_legend(figure, panels, f"band: 95 %, at all numbers of labels at once{note}")
    return add_description(figure, describe_design(results))


def _named_controls(baselines: list[str]) -> dict[str, str]:
    """Returns the first control of each of CONTROLS, with its label."""
    labels = dict(zip(CONTROLS, ("raw inputs", "untrained", "supervised"), strict=True))
    first = {name.split("-")[0]: name for name in reversed(baselines) if name != "random-projection"}
    return {first[prefix]: label for prefix, label in labels.items() if prefix in first}


def _scaled(results: Results, values: list[float | None]) -> list[float]:
    scale = verdict_metric(results).scale
    return [float("nan") if value is None else scale * value for value in values]


def _mark_crossovers(axes: Axes, row: Results) -> None:
    """Marks where a curve crosses that of its first control, which is raw inputs."""
    for crossing in row["crossovers"]:
        axes.axvspan(*crossing["ci95"], color=NEUTRAL_COLOR, alpha=0.15, linewidth=0, zorder=0)
        axes.axvline(crossing["labels"], color=NEUTRAL_COLOR, linewidth=0.8, zorder=1)
