"""`report.html`: runs as one self-contained page, the finding first, then charts, tables, examples and settings."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from aejax.report.analysis_page import analysis_title
from aejax.report.captions import collect_warnings, results_caption
from aejax.report.data_line import format_data_line, format_data_warnings
from aejax.report.examples import read_arrays, read_examples, read_predictions, sprite_sheet
from aejax.report.findings import describe_findings
from aejax.report.formatting import format_metric, format_provenance
from aejax.report.page import comparison, other_runs
from aejax.report.page.blocks import PAGE_FILE, RunPage, Section, picture_blocks, png_address
from aejax.report.page.example_views import codes_sections, confusion_sections, describe_examples, worst_sections
from aejax.report.page.other_runs import curve_sections, study_sections
from aejax.report.rendering import render_html
from aejax.report.results import Results, results_kind, verdict_metric, with_roles
from aejax.report.study_table import study_caption, study_findings
from aejax.report.style import render_figure
from aejax.report.sweep_table import describe_selection, sweep_caption
from aejax.storage.atomic_io import to_jsonable, write_atomically
from aejax.storage.saved_scores import SCORES_FILE


def write_page(results: Results, folder: Path) -> None:
    """Writes `report.html` of a run folder."""
    write_atomically(folder / PAGE_FILE, render_page([describe_run(results, folder)]).encode())


def render_page(runs: Sequence[RunPage]) -> str:
    """Returns the page of some runs; text from data is escaped, and nothing is loaded from elsewhere."""
    title = runs[0].title if len(runs) == 1 else f"{len(runs)} runs: {', '.join(run.title for run in runs)}"
    return render_html("page.html.j2", title=title, runs=runs)


def render_comparison_page(
    results: Results, folder: Path | None = None, scores: Mapping[str, Any] | None = None
) -> str:
    """Returns the page of one run; arguments are those of `describe_run`."""
    return render_page([describe_run(results, folder, scores)])


def describe_run(results: Results, folder: Path | None = None, scores: Mapping[str, Any] | None = None) -> RunPage:
    """Returns what a page shows of a run.

    Args:
        results: the content of `results.json` or `explore.json`.
        folder: of the run, with pictures, learning curves and examples; None: what the results alone give is shown.
        scores: the content of `scores.npz`; None: that of the folder.
    """
    results = to_jsonable(results)
    if results_kind(results) == "study":
        return _describe_study(results, folder)
    kind, dataset = results_kind(results), results["dataset"]
    examples, environment = read_examples(folder), results["environment"]
    caption = format_provenance(environment)
    warnings = results.get("warnings", [])
    if kind == "explore":
        title, findings = analysis_title(results), [part["says"] for part in list(results["parts"].values())[:1]]
        sections = other_runs.explore_sections(results, folder)
    elif kind == "pretrain":
        title = f"{results['method']}, pretrained on {dataset['name']}"
        findings = other_runs.pretrain_findings(results)
        sections = [*curve_sections(folder), *codes_sections(results, examples)]
        sections += other_runs.pretrain_sections(results, folder)
    elif kind == "sweep":
        title, caption = f"{dataset['name']}: settings of {results['config']['method']}", sweep_caption(results)
        findings = [describe_selection(results)]
        sections = [*other_runs.sweep_sections(results, folder), *curve_sections(folder)]
        warnings = collect_warnings(results)
    else:
        results = with_roles(results)
        title, findings = f"{dataset['name']}: does the representation help?", describe_findings(results)
        if not results["comparisons"]:
            title, findings = f"{dataset['name']}: a classifier of the code", _method_findings(results)
        sections, caption = _comparison_sections(results, folder, scores, examples), results_caption(results)
        warnings = collect_warnings(results)
    has_images = examples is not None and examples.are_images
    return RunPage(
        title=title,
        findings=findings,
        data_line=format_data_line(dataset),
        warnings=[warning.replace("`", "") for warning in (*format_data_warnings(dataset), *warnings)],
        sections=[section for section in sections if section.blocks],
        caption=caption.replace("`", ""),
        command=environment.get("command", ""),
        settings=json.dumps(results["config"], indent=1),
        environment=_plain_rows(environment),
        sprites=png_address(sprite_sheet(examples)) if examples is not None and has_images else "",
        examples=describe_examples(results, examples) if examples is not None else [],
    )


def _describe_study(results: Results, folder: Path | None) -> RunPage:
    environment = results["environment"]
    return RunPage(
        title=results["title"],
        findings=study_findings(results),
        data_line=study_caption(results),
        warnings=results["warnings"],
        sections=[section for section in study_sections(results, folder) if section.blocks],
        caption=format_provenance(environment).replace("`", ""),
        command=environment.get("command", ""),
        settings=json.dumps(results["config"], indent=1),
        environment=_plain_rows(environment),
    )


def _comparison_sections(
    results: Results, folder: Path | None, scores: Mapping[str, Any] | None, examples: Any
) -> list[Section]:
    if scores is None and folder is not None:
        scores = read_arrays(folder / SCORES_FILE)
    predictions = read_predictions(scores or {})
    return [
        *comparison.steps_sections(results),
        *comparison.verdict_sections(results),
        *comparison.method_sections(results),
        *curve_sections(folder),
        Section("Reconstructions and samples", picture_blocks(folder, comparison.RECONSTRUCTIONS)),
        *codes_sections(results, examples),
        *confusion_sections(results, predictions),
        *worst_sections(results, predictions, examples),
        *comparison.table_sections(results, folder),
    ]


def _method_findings(results: Results) -> list[str]:
    metric = verdict_metric(results)
    means = [f"{method['name']} {format_metric(metric, method[metric.field])}" for method in results["methods"]]
    return [f"Test {metric.heading}: {', '.join(means)}. Nothing was compared with a control."]


def figure_to_svg(figure: Figure) -> str:
    """Returns a figure as SVG for a page: no header, no date, text as text."""
    text = render_figure(figure, "svg", transparent=True).decode()
    return text[text.index("<svg") :]


def _plain_rows(environment: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(name, value if isinstance(value, str) else json.dumps(value)) for name, value in environment.items()]
