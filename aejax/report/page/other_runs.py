"""The pages of pretrainings, sweeps, explorations and studies."""

import dataclasses
from functools import partial
from pathlib import Path
from urllib.parse import quote

from aejax.report.analysis_page import ANALYSIS_HEADINGS, ANALYSIS_TABLES, analysis_title
from aejax.report.captions import collect_warnings
from aejax.report.data_line import format_data_line
from aejax.report.epoch_table import epoch_table
from aejax.report.examples import Examples
from aejax.report.formatting import format_mean_ci, format_provenance, format_significant
from aejax.report.method_tables import code_metric_heading, code_metric_names
from aejax.report.page.blocks import (
    PAGE_FILE,
    Block,
    PageCell,
    PageTable,
    RunPage,
    Section,
    make_table,
    plain_warnings,
    read_pictures,
)
from aejax.report.page.model_sections import codes_section, curve_section, reconstruction_section
from aejax.report.results import Results
from aejax.report.study_figures import STUDY_PICTURES
from aejax.report.study_table import score_tables, study_caption, study_findings, study_tables
from aejax.report.sweep_table import baseline_table, describe_selection, point_table, sweep_caption
from aejax.report.tables import Column, Table

TRADEOFF = {
    "frontier.png": "Reconstruction error of each setting against the test metric of its codes; the ring is the "
    "setting that validation rows choose"
}


def pretrain_page(results: Results, folder: Path | None, examples: Examples | None) -> RunPage:
    """Returns the page of a pretraining: what was trained, and how well it reconstructs."""
    dataset, mse = results["dataset"], results["reconstruction_mse"]
    seeds = len(mse["per_seed"])
    interval = "" if mse["ci95"] is None else f" [{', '.join(map(format_significant, mse['ci95']))}]"
    finding = (
        f"{results['method']} on {dataset['name']}, {seeds} {'seed' if seeds == 1 else 'seeds'}: mean "
        f"squared error of test reconstructions {format_significant(mse['mean'])}{interval}."
    )
    sections = [curve_section(folder), codes_section(results, examples), reconstruction_section(folder)]
    if names := code_metric_names({**results, "methods": [results]}):
        columns = [
            Column("metric of the test examples", lambda name: code_metric_heading(name, results), "left"),
            Column("mean and 95 % interval", partial(_format_measure, results)),
        ]
        sections.append(Section("Codes", [make_table("Codes", Table(columns, names))]))
    if "history" in results:
        table = make_table("Metrics by epoch", epoch_table(results), "Means over seeds.")
        sections.append(Section("Metrics by epoch", [table]))
    title, caption = f"{results['method']}, pretrained on {dataset['name']}", format_provenance(results["environment"])
    warnings = plain_warnings(results, results.get("warnings", []))
    return RunPage(title, [finding], format_data_line(dataset), warnings, sections, caption)


def _format_measure(results: Results, name: str) -> str:
    return format_mean_ci(results["measures"][name], scale=1, decimals=3)


def sweep_page(results: Results, folder: Path | None) -> RunPage:
    """Returns the page of a sweep: the trade-off, the points and the controls."""
    sections = [
        Section("Reconstruction against classification", read_pictures(folder, TRADEOFF)),
        Section("Settings", [make_table("Settings", point_table(results))]),
        Section("Controls", [make_table("Controls", baseline_table(results))]),
        curve_section(folder),
    ]
    return RunPage(
        title=f"{results['dataset']['name']}: settings of {results['config']['method']}",
        findings=[describe_selection(results)],
        data_line=format_data_line(results["dataset"]),
        warnings=plain_warnings(results, collect_warnings(results)),
        sections=sections,
        caption=sweep_caption(results),
    )


def explore_page(results: Results, folder: Path | None) -> RunPage:
    """Returns the page of an exploration: a section for each analysis, and why others were skipped."""
    sections = []
    for name, analysis in results["parts"].items():
        blocks: list[Block] = [analysis["says"], *read_pictures(folder, analysis["figures"])]
        if name in ANALYSIS_TABLES:
            blocks.append(make_table(ANALYSIS_HEADINGS[name], ANALYSIS_TABLES[name](analysis)))
        sections.append(Section(ANALYSIS_HEADINGS.get(name, name), blocks))
    skipped = [f"{ANALYSIS_HEADINGS.get(name, name)}: {reason}." for name, reason in results["skipped"].items()]
    return RunPage(
        title=analysis_title(results),
        findings=[part["says"] for part in list(results["parts"].values())[:1]],
        data_line=format_data_line(results["dataset"]),
        warnings=plain_warnings(results, results.get("warnings", [])),
        sections=[*sections, Section("Not done", skipped)],
        caption=format_provenance(results["environment"]),
    )


def study_page(results: Results, folder: Path | None) -> RunPage:
    """Returns the page of a study: its questions, ranks and correlations, figures, and the scores of the data sets."""
    link = partial(_link_dataset, results, folder)
    scores = [link(make_table(title, table)) for title, table in score_tables(results)]
    sections = [
        Section("Figures", read_pictures(folder, STUDY_PICTURES)),
        *(Section(title, [make_table(title, table, note)]) for title, table, note in study_tables(results)),
        Section("Data sets", scores),
    ]
    return RunPage(
        title=results["title"],
        findings=study_findings(results),
        data_line=study_caption(results),
        warnings=results["warnings"],
        sections=sections,
        caption=format_provenance(results["environment"]),
    )


def _link_dataset(results: Results, folder: Path | None, table: PageTable) -> PageTable:
    """Returns a table whose first cells link to the pages of the data sets, where there are such pages."""
    folders = {cell["dataset"]: cell["folder"] for cell in results["cells"] if cell["labels_per_class"] is None}

    def link(cell: PageCell) -> PageCell:
        page = Path(folders.get(cell.text, "")) / PAGE_FILE
        return cell._replace(link=quote(page.as_posix())) if folder and (folder / page).is_file() else cell

    return dataclasses.replace(table, rows=[[link(row[0]), *row[1:]] for row in table.rows])
