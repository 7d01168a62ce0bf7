"""The sections of pages of pretrainings, sweeps and explorations."""

from functools import partial
from pathlib import Path

from aejax.report.analysis_page import ANALYSIS_HEADINGS, ANALYSIS_TABLES
from aejax.report.code_table import code_metric_heading, code_metric_names
from aejax.report.epoch_table import epoch_table
from aejax.report.formatting import format_mean_ci, format_significant
from aejax.report.page.blocks import Block, Section, picture_blocks, table_block
from aejax.report.page.comparison import RECONSTRUCTIONS
from aejax.report.results import Results
from aejax.report.sweep_table import baseline_table, point_table
from aejax.report.tables import Column, Table

TRADEOFF = {
    "frontier.png": "Reconstruction error of each setting against the test metric of its codes; the ring is the "
    "setting that validation rows choose"
}


def pretrain_findings(results: Results) -> list[str]:
    """Returns what was trained, and how well it reconstructs."""
    mse, seeds = results["reconstruction_mse"], len(results["reconstruction_mse"]["per_seed"])
    interval = "" if mse["ci95"] is None else f" [{', '.join(map(format_significant, mse['ci95']))}]"
    return [
        f"{results['method']} on {results['dataset']['name']}, {seeds} {'seed' if seeds == 1 else 'seeds'}: mean "
        f"squared error of test reconstructions {format_significant(mse['mean'])}{interval}."
    ]


def pretrain_sections(results: Results, folder: Path | None) -> list[Section]:
    """Returns reconstructions, the metrics of codes and those of epochs."""
    sections = []
    if pictures := picture_blocks(folder, RECONSTRUCTIONS):
        sections.append(Section("Reconstructions and samples", pictures))
    if names := code_metric_names({**results, "methods": [results]}):
        columns = [
            Column("metric of the test examples", lambda name: code_metric_heading(name, results), "left"),
            Column("mean and 95 % interval", partial(_format_measure, results)),
        ]
        sections.append(Section("Codes", [table_block("Codes", Table(columns, names))]))
    if "history" in results:
        note = "Means over seeds."
        sections.append(Section("Metrics by epoch", [table_block("Metrics by epoch", epoch_table(results), note)]))
    return sections


def _format_measure(results: Results, name: str) -> str:
    return format_mean_ci(results["measures"][name], scale=1, decimals=3)


def sweep_sections(results: Results, folder: Path | None) -> list[Section]:
    """Returns the trade-off, the points and the controls."""
    return [
        Section("Reconstruction against classification", picture_blocks(folder, TRADEOFF)),
        Section("Settings", [table_block("Settings", point_table(results))]),
        Section("Controls", [table_block("Controls", baseline_table(results))]),
    ]


def explore_sections(exploration: Results, folder: Path | None) -> list[Section]:
    """Returns a section for each analysis, and why others were skipped."""
    sections = []
    for name, analysis in exploration["parts"].items():
        blocks = [Block("text", analysis["says"]), *picture_blocks(folder, analysis["figures"])]
        if name in ANALYSIS_TABLES:
            blocks.append(table_block(ANALYSIS_HEADINGS[name], ANALYSIS_TABLES[name](analysis)))
        sections.append(Section(ANALYSIS_HEADINGS.get(name, name), blocks))
    if skipped := exploration["skipped"]:
        texts = [Block("text", f"{ANALYSIS_HEADINGS.get(name, name)}: {why}.") for name, why in skipped.items()]
        sections.append(Section("Not done", texts))
    return sections
