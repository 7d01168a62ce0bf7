"""A sweep as tables, in Markdown and for a terminal."""

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from aejax.config.axes import shown
from aejax.report.results import Results, comparison_of
from aejax.report.table import VERDICT_STYLES, markdown_rows
from aejax.report.wording import MISSING, caption, flags, points, points_interval, three_digits, with_interval

ROLES = {"raw": "raw inputs", "pca": "PCA of the same width", "random": "the same untrained"}
CHOSEN = "◀"
BY = {"valid_nll": "the probe's validation NLL", "valid_reconstruction_mse": "validation reconstruction MSE"}


def headings(results: Results) -> list[str]:
    """The axes, and what is said of each point; differences are in percentage points."""
    fields = [axis["field"] for axis in results["axes"]]
    return [*fields, "d", "accuracy, %", "recon. MSE", "valid. NLL", *(f"less {role}" for role in ROLES.values())]


def cells(results: Results, point: Results, *, intervals: bool) -> list[str]:
    """One point under `headings`."""
    chosen = results["chosen"] is not None and point["name"] == results["chosen"]["name"]
    differences = []
    for role in ROLES:
        found = comparison_of(results, point["name"], point["against"][role])
        between = f" {points_interval(found['ci95'])}" if found and intervals else ""
        differences.append(MISSING if found is None else f"{points(found['mean_difference'])}{between}")
    mse, nll = point["reconstruction_mse"], point["valid_nll"]
    return [
        *(shown(value) for value in point["setting"].values()),
        str(point["features"]),
        with_interval(point["test_accuracy"], scale=100, decimals=2) + (f" {CHOSEN}" if chosen else ""),
        MISSING if mse is None else three_digits(mse["mean"]),
        MISSING if nll is None else three_digits(nll["mean"]),
        *differences,
    ]


def reference_cells(entry: Results) -> list[str]:
    """What points are held against: name, width, accuracy, error."""
    mse = entry["reconstruction_mse"]
    return [
        entry["name"],
        str(entry["features"]),
        with_interval(entry["test_accuracy"], scale=100, decimals=2),
        MISSING if mse is None else three_digits(mse["mean"]),
    ]


def choice(results: Results) -> str:
    """What validation rows choose, and how the others compare with it on the test."""
    chosen = results["chosen"]
    if chosen is None:
        return "Nothing on validation rows to choose a point by."
    against = [row for row in results["comparisons"] if row["baseline"] == chosen["name"]]
    worse = [row["method"] for row in against if row["verdict"] == "worse"]
    better = [row["method"] for row in against if row["verdict"] == "better"]
    text = f"{CHOSEN} {chosen['name']}: lowest {BY[chosen['by']]}, mean over seeds; the test had no say in it."
    if any(row["verdict"] == "too few seeds" for row in against):
        return f"{text} Too few seeds for verdicts on the others."
    text += f" Worse than it on the test: {', '.join(worse) or 'none'}."
    return f"{text} Better: {', '.join(better) or 'none'}."


def captions(results: Results) -> str:
    """What the numbers are of; where they were made is said by the page."""
    kind = results["config"]["method"]
    bare = [{**point, "measures": {}} for point in results["points"]]  # these are in results.json, not in the tables
    found = caption({**results, "methods": bare, "environment": {}})
    return f"Kind: {kind}. Differences are in percentage points. {found}"


def warnings(results: Results) -> list[str]:
    """What went less than well at some point."""
    return flags({**results, "methods": [*results["points"], *results["references"]]})


def markdown_sweep(results: Results) -> str:
    """`table.md`: points, references, the choice, a caption, warnings."""
    names = headings(results)
    alignment = "r" * len(names)
    parts = [markdown_rows(names, alignment, [cells(results, point, intervals=True) for point in results["points"]])]
    parts.append(choice(results))
    references = [reference_cells(entry) for entry in results["references"]]
    parts.append(markdown_rows(("held against", "d", "accuracy, %", "recon. MSE"), "lrrr", references))
    parts.append(captions(results))
    if found := warnings(results):
        parts.append("\n".join(f"- ⚠ {warning}" for warning in found))
    return "\n\n".join(parts) + "\n"


def terminal_sweep(results: Results) -> RenderableType:
    """The same for a terminal: the intervals of differences are in table.md."""
    names = [heading.replace("PCA of the same width", "PCA").replace("the same ", "") for heading in headings(results)]
    table = _table([name.replace(" ", "\n", 1) for name in names])
    for point in results["points"]:
        row = [Text(cell) for cell in cells(results, point, intervals=False)]
        for index, role in enumerate(ROLES):
            found = comparison_of(results, point["name"], point["against"][role])
            row[index - len(ROLES)].stylize(VERDICT_STYLES.get(found["verdict"], "") if found else "dim")
        bold = results["chosen"] is not None and point["name"] == results["chosen"]["name"]
        table.add_row(*row, style="bold" if bold else "")
    held = _table(["held against", "d", "accuracy, %", "recon. MSE"], left=1)
    for entry in results["references"]:
        held.add_row(*map(Text, reference_cells(entry)))
    parts: list[RenderableType] = [table, Text(), Text(choice(results)), Text(), held, Text()]
    parts.append(Text(captions(results).replace("`", ""), style="dim"))
    parts += [Text(f"⚠ {warning}", style="yellow") for warning in warnings(results)]
    return Padding(Group(*parts), (1, 0))


def _table(names: Sequence[str], left: int = 0) -> Table:
    table = Table(box=SIMPLE_HEAD, header_style="bold", padding=(0, 1, 0, 0), show_edge=False, pad_edge=False)
    for index, name in enumerate(names):
        table.add_column(name, justify="left" if index < left else "right")
    return table
