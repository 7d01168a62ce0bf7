"""The sections of pages of pretrainings, sweeps, explorations and studies, and learning curves."""

from functools import partial
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pandas as pd

from aejax.report.analysis_page import ANALYSIS_HEADINGS, ANALYSIS_TABLES
from aejax.report.epoch_table import epoch_table
from aejax.report.formatting import format_mean_ci, format_significant
from aejax.report.method_tables import code_metric_heading, code_metric_names
from aejax.report.page.blocks import (
    PAGE_FILE,
    Block,
    Charts,
    PageCell,
    PageTable,
    Section,
    as_page_table,
    picture_blocks,
    table_block,
)
from aejax.report.page.charts import curve_chart
from aejax.report.page.comparison import RECONSTRUCTIONS
from aejax.report.results import Results
from aejax.report.study_figures import STUDY_PICTURES
from aejax.report.study_table import score_tables, study_tables
from aejax.report.sweep_table import baseline_table, point_table
from aejax.report.tables import Column, Table
from aejax.storage.metrics_file import METRICS_FILE, read_metrics

TRADEOFF = {
    "frontier.png": "Reconstruction error of each setting against the test metric of its codes; the ring is the "
    "setting that validation rows choose"
}
CURVES = {"train_loss": "training", "valid_loss": "validation"}
MAX_BYTES, MAX_PANELS = 200_000_000, 40  # of a file that is read, and of methods that are drawn


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


def study_sections(results: Results, folder: Path | None) -> list[Section]:
    """Returns a section for each question, the ranks and correlations, the figures, and the scores of the data sets."""
    sections = [Section("Figures", picture_blocks(folder, STUDY_PICTURES))]
    sections += [Section(title, [table_block(title, table, note)]) for title, table, note in study_tables(results)]
    link = partial(_link_dataset, results, folder)
    tables = [link(as_page_table(title, table)) for title, table in score_tables(results)]
    sections.append(Section("Data sets", [Block("table", table) for table in tables]))
    return sections


def _link_dataset(results: Results, folder: Path | None, table: PageTable) -> PageTable:
    """Returns a table whose first cells link to the pages of the data sets, where there are such pages."""
    folders = {cell["dataset"]: cell["folder"] for cell in results["cells"] if cell["labels_per_class"] is None}

    def link(cell: PageCell) -> PageCell:
        page = Path(folders.get(cell.text, "")) / PAGE_FILE
        return cell._replace(link=quote(page.as_posix())) if folder and (folder / page).is_file() else cell

    return table._replace(rows=[[link(row[0]), *row[1:]] for row in table.rows])


def curve_sections(folder: Path | None) -> list[Section]:
    """Returns a panel for each method that was trained; nothing for a run whose file is missing or damaged."""
    path = folder / METRICS_FILE if folder else None
    if folder is None or path is None or not path.is_file() or path.stat().st_size >= MAX_BYTES:
        return []
    try:
        frame = pd.DataFrame(read_metrics(folder))
        charts = [
            curve_chart(name, curves)
            for name, rows in list(frame.groupby("method", sort=False))[:MAX_PANELS]
            if (curves := _read_curves(rows))
        ]
    except ValueError:  # damaged, or an epoch twice
        return []
    caption = "Loss by epoch, on a scale of its own: mean over seeds in a band from the lowest to the highest seed."
    keys = (("train", "training"), ("valid", "validation"))
    return [Section("Learning curves", [Block("charts", Charts(charts, caption, keys))])] if charts else []


def _read_curves(rows: pd.DataFrame) -> dict[str, np.ndarray]:
    curves = {}
    for name, label in CURVES.items():
        if name in rows:
            values = rows.pivot(index="seed", columns="epoch", values=name).to_numpy(float)
            if np.isfinite(values).any():
                curves[label] = values
    return curves
