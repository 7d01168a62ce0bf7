"""The results page: Markdown made from every results.json in a folder of runs, nothing in it typed by hand."""

import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from aejax.errors import require
from aejax.report.ledger import ledger_tables
from aejax.report.results import Results, best, check, comparison_of, kind, read_results
from aejax.report.table import markdown_rows, markdown_table
from aejax.report.wording import MISSING, duration, points, points_interval, with_interval

FIGURES = {
    "frontier.png": "Reconstruction error against accuracy for every setting, beside PCA and the raw inputs",
    "accuracy.png": "Test accuracy by method: every seed, the mean and its interval",
    "learning_curves.png": "Learning curves, training and validation",
    "reconstructions.png": "Originals above their reconstructions",
    "codes.png": "Codes in two dimensions, coloured by class",
    "diagnostics.png": "Diagnostics, on which no verdict rests: CKA, effective rank, intrinsic dimension",
    "verify.png": "How often a known gap gets its verdict, and how often the intervals hold their truth",
}
PAGE = "README.md"
PAGES = ("verify.md", "faults.md", "saves.md", "stream.md", "planning.md")  # what is no run

_OPENING = """\
# Results

Does a representation learned by an autoencoder help a classifier, by how much, and compared with what? Each row below
sets a run's best autoencoder against its best control. The difference is in percentage points of test accuracy.
The best of several is chosen on the test accuracy that is shown, which flatters it; the sections hold every
method and every comparison.
"""
_CLOSING = "This page is written by `python -m aejax.report results` from each run's `results.json`.\n"
_HEADINGS = ("run", "dataset", "best control", "best autoencoder", "difference", "95 % interval", "verdict")


def index(results_folder: Path) -> str:
    """The page for the runs `results_folder/*/results.json`, in order of folder name.

    Ledgers have a section, explorations a link, verifications their figure; other folders without a results.json are
    no runs and are passed over.

    Raises:
        InputError: there is no such folder, or a results.json cannot be read or is not what this version writes.
    """
    require(results_folder.is_dir(), f"{results_folder}: no such folder; name the folder that holds the runs")
    found = {path.parent: read_results(path) for path in sorted(results_folder.glob("*/results.json"))}
    runs = {
        folder: check(results, folder / "results.json")
        for folder, results in found.items()
        if kind(results) == "compare"
    }
    parts = [_OPENING]
    if runs:
        parts.append(markdown_rows(_HEADINGS, "llllrrl", [_headline(folder, runs[folder]) for folder in runs]) + "\n")
    else:
        parts.append("No comparisons here yet: `python scripts/compare.py` makes one.\n")
    parts += [_ledger(path) for path in sorted(results_folder.glob("*/ledger.json"))]
    parts += [_section(folder, results) for folder, results in runs.items()]
    parts += [_other_section(folder, results) for folder, results in found.items() if folder not in runs]
    explorations = sorted(results_folder.glob("*/explore.md"))
    parts += [_explorations(explorations)] if explorations else []
    parts += [_page(path) for name in PAGES for path in sorted(results_folder.glob(f"*/{name}"))]
    return "\n".join([*parts, _CLOSING])


def write_page(results_folder: Path) -> Path:
    """Write the page into its folder and say where it is."""
    path = results_folder / PAGE
    path.write_text(index(results_folder), encoding="utf-8")
    return path


def _headline(folder: Path, results: Results) -> list[str]:
    control, autoencoder = best(results, control=True), best(results, control=False)
    comparison = None
    if control is not None and autoencoder is not None:
        comparison = comparison_of(results, autoencoder["name"], control["name"])
    return [
        f"[{folder.name}](#{_anchor(folder.name)})",
        results["dataset"]["name"],
        _name_and_accuracy(control),
        _name_and_accuracy(autoencoder),
        MISSING if comparison is None else points(comparison["mean_difference"]),
        MISSING if comparison is None else points_interval(comparison["ci95"]),
        MISSING if comparison is None else comparison["verdict"],
    ]


def _name_and_accuracy(method: Results | None) -> str:
    if method is None:
        return MISSING
    mean = with_interval({**method["test_accuracy"], "ci95": None}, scale=100, decimals=2)
    return f"{method['name']}, {mean} %"


def _section(folder: Path, results: Results) -> str:
    return "\n\n".join([f"## {folder.name}", markdown_table(results).rstrip("\n"), *_figures(folder)]) + "\n"


def _other_section(folder: Path, results: Results) -> str:
    """A run of another kind: where it ran, the table it wrote of itself, its figures."""
    environment = results.get("environment", {})
    made = f"`{environment.get('command', MISSING)}` on {environment.get('machine', MISSING)}"
    seconds = environment.get("seconds")
    where = f"Kind: {kind(results)}. Made by {made}{f', {duration(seconds)} s in all' if seconds else ''}."
    table = folder / "table.md"
    tables = [table.read_text(encoding="utf-8").rstrip("\n")] if table.is_file() else []
    return "\n\n".join([f"## {folder.name}", where, *tables, *_figures(folder)]) + "\n"


def _ledger(path: Path) -> str:
    """The tables of a ledger that `reproduce.py` wrote, and a link to its page, which has sources and protocols."""
    link = f"Every claim's source, protocol and tolerance: [ledger.md]({quote(path.parent.name)}/ledger.md)."
    return "\n\n".join([f"## {path.parent.name}", ledger_tables(read_results(path)), link]) + "\n"


def _explorations(pages: Sequence[Path]) -> str:
    """Links to the pages that `explore.py` wrote, each by its title."""
    titles = {page: page.read_text(encoding="utf-8").splitlines()[0].lstrip("# ") for page in pages}
    links = [f"- [{title}]({quote(page.parent.name)}/{page.name})" for page, title in titles.items()]
    return "\n".join(["## Explorations", "", *links]) + "\n"


def _page(path: Path) -> str:
    """What a script wrote as a page of its own, under the folder's name in place of its title, headings lowered."""
    title, _, text = path.read_text(encoding="utf-8").strip().partition("\n")
    own = re.sub("^## ", "### ", text.strip(), flags=re.MULTILINE) if title.startswith("# ") else f"{title}\n{text}"
    return "\n\n".join([f"## {path.parent.name}", own, *_figures(path.parent)]) + "\n"


def _figures(folder: Path) -> list[str]:
    return [
        f"![{description}]({quote(folder.name)}/{name})"
        for name, description in FIGURES.items()
        if (folder / name).is_file()
    ]


def _anchor(heading: str) -> str:
    """The name that GitHub gives a heading, to link to it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
