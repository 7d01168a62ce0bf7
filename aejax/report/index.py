"""The results page: Markdown made from the runs in a folder."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

from aejax.errors import require
from aejax.evaluate.verdict_metrics import VerdictMetric
from aejax.report.analysis_page import analysis_title
from aejax.report.comparison_table import render_comparison_markdown
from aejax.report.formatting import (
    MISSING,
    format_decimals,
    format_difference,
    format_difference_ci,
    format_provenance,
)
from aejax.report.rendering import render_template
from aejax.report.replication import render_ledger_tables, with_current_values
from aejax.report.results import (
    Results,
    best_method,
    find_comparison,
    read_results,
    results_kind,
    validate_results,
    verdict_metric,
    with_roles,
)
from aejax.report.tables import format_markdown_table

FIGURE_CAPTIONS = {
    "frontier.png": "Reconstruction error against accuracy for every setting, with PCA and the raw inputs",
    "accuracy.png": "Test accuracy by method: every seed, the mean and its interval",
    "learning_curves.png": "Learning curves, training and validation",
    "reconstructions.png": "Originals above their reconstructions",
    "codes.png": "Codes in two dimensions, coloured by class",
    "diagnostics.png": "Diagnostics, which verdicts do not use: CKA, effective rank, intrinsic dimension",
    "verify.png": "Power of the verdicts and coverage of the intervals in simulated experiments",
}
INDEX_FILE = "README.md"
STANDALONE_PAGES = ("verify.md", "faults.md", "saves.md", "stream.md", "planning.md")  # written by other scripts


def render_index(results_folder: Path) -> str:
    """Returns the page of the runs `results_folder/*/results.json`, in order of folder name.

    It shows the tables of ledgers and standalone pages, and links to explorations. Other folders are ignored.

    Raises:
        InputError: the folder does not exist, or a results.json cannot be read or has another schema.
    """
    require(results_folder.is_dir(), f"{results_folder}: no such folder; name the folder that holds the runs")
    runs = {path.parent: read_results(path) for path in sorted(results_folder.glob("*/results.json"))}
    comparisons: dict[Path, Results] = {}
    for folder, results in runs.items():
        if results_kind(results) == "compare":
            validate_results(results, folder / "results.json")
            comparisons[folder] = with_roles(results)
    sections = [_ledger_section(path) for path in sorted(results_folder.glob("*/ledger.json"))]
    sections += [_section(folder, render_comparison_markdown(results)) for folder, results in comparisons.items()]
    sections += [_other_section(folder, results) for folder, results in runs.items() if folder not in comparisons]
    pages = [path for name in STANDALONE_PAGES for path in sorted(results_folder.glob(f"*/{name}"))]
    return render_template(
        "index.md.j2",
        summary=comparisons and _summary_table(comparisons),
        sections=sections,
        explorations=[_exploration_link(path) for path in sorted(results_folder.glob("*/explore.json"))],
        pages=[_standalone_section(path) for path in pages],
    )


def write_index(results_folder: Path) -> Path:
    """Writes the page into its folder and returns its path."""
    path = results_folder / INDEX_FILE
    path.write_text(render_index(results_folder), encoding="utf-8")
    return path


def _summary_table(comparisons: dict[Path, Results]) -> str:
    """A row for each run: its best control, its best autoencoder, and their difference."""
    headings = ("run", "dataset", "best control", "best autoencoder", "difference", "95 % interval", "verdict")
    rows = [_summary_row(folder.name, results) for folder, results in comparisons.items()]
    return format_markdown_table(headings, "llllrrl", rows)


def _summary_row(run: str, results: Results) -> list[str]:
    metric = verdict_metric(results)
    control, autoencoder = (best_method(results, control=is_control) for is_control in (True, False))
    comparison = control and autoencoder and find_comparison(results, autoencoder["name"], control["name"])
    row = comparison or {"mean_difference": None, "ci95": None, "verdict": MISSING}
    return [
        f"[{run}](#{_anchor(run)})",
        results["dataset"]["name"],
        _format_best(metric, control),
        _format_best(metric, autoencoder),
        format_difference(metric, row["mean_difference"]),
        format_difference_ci(metric, row["ci95"]),
        row["verdict"],
    ]


def _format_best(metric: VerdictMetric, method: Results | None) -> str:
    if method is None:
        return MISSING
    mean = format_decimals(method[metric.field]["mean"], metric.decimals, metric.scale)
    return f"{method['name']}, {f'{mean} %' if metric.name == 'accuracy' else f'{metric.heading} {mean}'}"


def _section(folder: Path, *parts: str) -> str:
    """A heading, texts, and the figures that the folder has."""
    figures = [
        f"![{caption}]({quote(folder.name)}/{name})"
        for name, caption in FIGURE_CAPTIONS.items()
        if (folder / name).is_file()
    ]
    return "\n\n".join([f"## {folder.name}", *(part.strip("\n") for part in parts), *figures])


def _other_section(folder: Path, results: Results) -> str:
    """A run of another kind: its command, its table and its figures."""
    table = folder / "table.md"
    tables = [table.read_text(encoding="utf-8")] if table.is_file() else []
    return _section(
        folder, f"Kind: {results_kind(results)}. {format_provenance(results.get('environment', {}))}", *tables
    )


def _ledger_section(path: Path) -> str:
    """The tables of a ledger, and a link to its page with sources and protocols."""
    link = f"Every claim's source, protocol and tolerance: [ledger.md]({quote(path.parent.name)}/ledger.md)."
    return _section(path.parent, render_ledger_tables(with_current_values(read_results(path))), link)


def _exploration_link(path: Path) -> dict[str, Any]:
    return {"title": analysis_title(read_results(path)), "url": f"{quote(path.parent.name)}/explore.md"}


def _standalone_section(path: Path) -> str:
    """The page of another script; its title gives way to the folder's name and its headings move one level down."""
    text = re.sub(r"\A# .*", "", path.read_text(encoding="utf-8").strip())
    return _section(path.parent, re.sub("^## ", "### ", text.strip(), flags=re.MULTILINE))


def _anchor(heading: str) -> str:
    """Returns the fragment under which GitHub links to a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
