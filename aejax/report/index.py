"""The results page: Markdown made from the runs in a folder."""

import re
from pathlib import Path
from urllib.parse import quote

from aejax.errors import require
from aejax.evaluate.verdict_metrics import VerdictMetric
from aejax.report.analysis_page import analysis_title
from aejax.report.findings import describe_findings
from aejax.report.formatting import MISSING, format_decimals, format_difference, format_difference_ci, format_provenance
from aejax.report.rendering import render_template
from aejax.report.replication import ledger_headline, with_current_values
from aejax.report.results import Results, best_method, find_comparison, verdict_metric, with_roles
from aejax.report.study_table import study_caption, study_findings
from aejax.report.tables import format_markdown_table
from aejax.storage.results_file import read_results, results_kind

SECTIONS = ("compare", "study")  # kinds of results that have a section; others have a link
STANDALONE_PAGES = ("verify.md", "faults.md", "saves.md", "stream.md")  # written by other scripts


def render_index(results_folder: Path) -> str:
    """Returns a page about the folders in `results_folder`, in order of their names: what each found, and links.

    A comparison is a row of the summary and a paragraph about its best autoencoder; its folder has all tables. Folders
    without results are ignored.

    Raises:
        InputError: the folder does not exist, or a results.json cannot be read or has another schema.
    """
    require(results_folder.is_dir(), f"{results_folder}: no such folder; name the folder that holds the runs")
    runs = {path.parent: read_results(path) for path in sorted(results_folder.glob("*/results.json"))}
    comparisons = {folder: with_roles(run) for folder, run in runs.items() if results_kind(run) == "compare"}
    pages = [path for name in STANDALONE_PAGES for path in sorted(results_folder.glob(f"*/{name}"))]
    return render_template(
        "index.md.j2",
        summary=comparisons and _summary_table(comparisons),
        ledgers=[
            (_link(path.with_name("ledger.md")), ledger_headline(with_current_values(read_results(path))))
            for path in sorted(results_folder.glob("*/ledger.json"))
        ],
        sections=[
            *(_study_section(folder, results) for folder, results in runs.items() if results_kind(results) == "study"),
            *(_section(folder, results) for folder, results in comparisons.items() if results["comparisons"]),
        ],
        others=[
            *(
                _table_link(folder, run, f": {results_kind(run)}")
                for folder, run in runs.items()
                if results_kind(run) not in SECTIONS
            ),
            *(f"{_link(path)}: {_standalone_title(path)}" for path in pages),
            *(
                f"{_link(path.with_name('explore.md'))}: {analysis_title(read_results(path))}"
                for path in sorted(results_folder.glob("*/explore.json"))
            ),
        ],
    )


def _summary_table(comparisons: dict[Path, Results]) -> str:
    """A row for each run: its best control, its best autoencoder, and their difference."""
    headings = ("run", "dataset", "best control", "best autoencoder", "difference", "95 % interval", "verdict")
    rows = [_summary_row(folder.name, results) for folder, results in comparisons.items()]
    return format_markdown_table(headings, "llllrrl", rows)


def _summary_row(run: str, results: Results) -> list[str]:
    metric = verdict_metric(results)
    control, autoencoder = (best_method(results, control=is_control) for is_control in (True, False))
    comparison = control and autoencoder and find_comparison(results, autoencoder["name"], control["name"])
    anchor = re.sub(r"[^\w\- ]", "", run.lower()).replace(" ", "-")  # as GitHub makes of a heading
    row = comparison or {"mean_difference": None, "ci95": None, "verdict": MISSING}
    return [
        f"[{run}](#{anchor})",
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


def _section(folder: Path, results: Results) -> str:
    """Returns what a comparison says about its best autoencoder, how it was made, and links to its tables."""
    best = best_method(results, control=False)
    findings = [] if best is None else describe_findings(results, [best["name"]])
    figure = f", [figure]({quote(folder.name)}/accuracy.png)" if (folder / "accuracy.png").is_file() else ""
    links = _table_link(folder, results, f", with every method{figure}")
    return "\n\n".join([f"## {folder.name}", *findings, links])


def _study_section(folder: Path, results: Results) -> str:
    """Returns what the data sets of a study decide, and links to its tables and figures."""
    links = _table_link(folder, results, ", with every pair of methods")
    return "\n\n".join([f"## {folder.name}", study_caption(results), *study_findings(results), links])


def _table_link(folder: Path, results: Results, content: str) -> str:
    """Returns a link to the table of a run, what it has, and how it was made."""
    return f"{_link(folder / 'table.md')}{content}. {format_provenance(results.get('environment', {}))}"


def _standalone_title(path: Path) -> str:
    """Returns the title of a page that another script wrote, or else its first line."""
    return path.read_text(encoding="utf-8").strip().splitlines()[0].removeprefix("# ")


def _link(path: Path) -> str:
    return f"[{path.parent.name}]({quote(path.parent.name)}/{path.name})"
