"""The results page: Markdown made from every results.json in a folder of runs, nothing in it typed by hand."""

import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from aejax.errors import require
from aejax.report.comparison_table import format_markdown_table, render_comparison_markdown
from aejax.report.formatting import MISSING, format_mean_ci, format_points, format_points_ci, format_seconds
from aejax.report.replication import render_ledger_tables
from aejax.report.results import Results, best_method, find_comparison, read_results, results_kind, validate_results

FIGURE_CAPTIONS = {
    "frontier.png": "Reconstruction error against accuracy for every setting, beside PCA and the raw inputs",
    "accuracy.png": "Test accuracy by method: every seed, the mean and its interval",
    "learning_curves.png": "Learning curves, training and validation",
    "reconstructions.png": "Originals above their reconstructions",
    "codes.png": "Codes in two dimensions, coloured by class",
    "diagnostics.png": "Diagnostics, on which no verdict rests: CKA, effective rank, intrinsic dimension",
    "verify.png": "How often a known gap gets its verdict, and how often the intervals hold their truth",
}
INDEX_FILE = "README.md"
STANDALONE_PAGES = ("verify.md", "faults.md", "saves.md", "stream.md", "planning.md")  # what is no run

_INTRODUCTION = """\
# Results

Does a representation learned by an autoencoder help a classifier, by how much, and compared with what? Each row below
sets a run's best autoencoder against its best control. The difference is in percentage points of test accuracy.
The best of several is chosen on the test accuracy that is shown, which flatters it; the sections hold every
method and every comparison.
"""
_FOOTER = "This page is written by `python -m aejax.report results` from each run's `results.json`.\n"
_HEADINGS = ("run", "dataset", "best control", "best autoencoder", "difference", "95 % interval", "verdict")


def render_index(results_folder: Path) -> str:
    """The page for the runs `results_folder/*/results.json`, in order of folder name.

    Ledgers have a section, explorations a link, verifications their figure; other folders without a results.json are
    no runs and are passed over.

    Raises:
        InputError: there is no such folder, or a results.json cannot be read or is not what this version writes.
    """
    require(results_folder.is_dir(), f"{results_folder}: no such folder; name the folder that holds the runs")
    found = {path.parent: read_results(path) for path in sorted(results_folder.glob("*/results.json"))}
    runs = {
        folder: validate_results(results, folder / "results.json")
        for folder, results in found.items()
        if results_kind(results) == "compare"
    }
    parts = [_INTRODUCTION]
    if runs:
        parts.append(
            format_markdown_table(_HEADINGS, "llllrrl", [_summary_row(folder, runs[folder]) for folder in runs]) + "\n"
        )
    else:
        parts.append("No comparisons here yet: `python scripts/compare.py` makes one.\n")
    parts += [_ledger_section(path) for path in sorted(results_folder.glob("*/ledger.json"))]
    parts += [_comparison_section(folder, results) for folder, results in runs.items()]
    parts += [_other_section(folder, results) for folder, results in found.items() if folder not in runs]
    explorations = sorted(results_folder.glob("*/explore.md"))
    parts += [_explorations_section(explorations)] if explorations else []
    parts += [
        _standalone_section(path) for name in STANDALONE_PAGES for path in sorted(results_folder.glob(f"*/{name}"))
    ]
    return "\n".join([*parts, _FOOTER])


def write_index(results_folder: Path) -> Path:
    """Write the page into its folder and say where it is."""
    path = results_folder / INDEX_FILE
    path.write_text(render_index(results_folder), encoding="utf-8")
    return path


def _summary_row(folder: Path, results: Results) -> list[str]:
    control, autoencoder = best_method(results, control=True), best_method(results, control=False)
    comparison = None
    if control is not None and autoencoder is not None:
        comparison = find_comparison(results, autoencoder["name"], control["name"])
    return [
        f"[{folder.name}](#{_anchor(folder.name)})",
        results["dataset"]["name"],
        _format_method_accuracy(control),
        _format_method_accuracy(autoencoder),
        MISSING if comparison is None else format_points(comparison["mean_difference"]),
        MISSING if comparison is None else format_points_ci(comparison["ci95"]),
        MISSING if comparison is None else comparison["verdict"],
    ]


def _format_method_accuracy(method: Results | None) -> str:
    if method is None:
        return MISSING
    mean = format_mean_ci({**method["test_accuracy"], "ci95": None}, scale=100, decimals=2)
    return f"{method['name']}, {mean} %"


def _comparison_section(folder: Path, results: Results) -> str:
    return (
        "\n\n".join([f"## {folder.name}", render_comparison_markdown(results).rstrip("\n"), *_figure_links(folder)])
        + "\n"
    )


def _other_section(folder: Path, results: Results) -> str:
    """A run of another kind: where it ran, the table it wrote of itself, its figures."""
    environment = results.get("environment", {})
    made = f"`{environment.get('command', MISSING)}` on {environment.get('machine', MISSING)}"
    seconds = environment.get("seconds")
    where = (
        f"Kind: {results_kind(results)}. Made by {made}{f', {format_seconds(seconds)} s in all' if seconds else ''}."
    )
    table = folder / "table.md"
    tables = [table.read_text(encoding="utf-8").rstrip("\n")] if table.is_file() else []
    return "\n\n".join([f"## {folder.name}", where, *tables, *_figure_links(folder)]) + "\n"


def _ledger_section(path: Path) -> str:
    """The tables of a ledger that `reproduce.py` wrote, and a link to its page, which has sources and protocols."""
    link = f"Every claim's source, protocol and tolerance: [ledger.md]({quote(path.parent.name)}/ledger.md)."
    return "\n\n".join([f"## {path.parent.name}", render_ledger_tables(read_results(path)), link]) + "\n"


def _explorations_section(pages: Sequence[Path]) -> str:
    """Links to the pages that `explore.py` wrote, each by its title."""
    titles = {page: page.read_text(encoding="utf-8").splitlines()[0].lstrip("# ") for page in pages}
    links = [f"- [{title}]({quote(page.parent.name)}/{page.name})" for page, title in titles.items()]
    return "\n".join(["## Explorations", "", *links]) + "\n"


def _standalone_section(path: Path) -> str:
    """What a script wrote as a page of its own, under the folder's name in place of its title, headings lowered."""
    title, _, text = path.read_text(encoding="utf-8").strip().partition("\n")
    own = re.sub("^## ", "### ", text.strip(), flags=re.MULTILINE) if title.startswith("# ") else f"{title}\n{text}"
    return "\n\n".join([f"## {path.parent.name}", own, *_figure_links(path.parent)]) + "\n"


def _figure_links(folder: Path) -> list[str]:
    return [
        f"![{description}]({quote(folder.name)}/{name})"
        for name, description in FIGURE_CAPTIONS.items()
        if (folder / name).is_file()
    ]


def _anchor(heading: str) -> str:
    """The name that GitHub gives a heading, to link to it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
