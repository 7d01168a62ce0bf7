"""What is shown of an exploration: a sentence, a table and figures for each analysis, and why others were skipped."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from rich.console import RenderableType

from aejax.report.formatting import format_mean_ci, format_provenance
from aejax.report.page.blocks import Block, PageTable, RunPage, Section, read_pictures
from aejax.report.rendering import render_template
from aejax.report.results import Results
from aejax.report.tables import Column, Paragraph, Table, TerminalTable, stack_parts, to_markdown

EXPLORE_RESULTS = "explore.json"  # written last: its presence marks a finished exploration
ANALYSIS_HEADINGS = {
    "reconstructions": "Reconstructions",
    "denoising": "Denoising",
    "samples": "Samples",
    "latent_grid": "Latent grid",
    "interpolation": "Interpolation",
    "traversals": "Latent traversals",
    "codes": "Codes in two dimensions",
    "filters": "Filters",
    "atoms": "Atoms",
    "anomaly_detection": "Anomaly detection",
    "compression": "Compression",
}


def compression_table(analysis: Results) -> Table:
    """Returns size and PSNR of each way to store codes, and the PSNR of principal components of the same size."""
    columns = [
        Column("stored", lambda codec: codec["store"], "left"),
        Column("bits per number", lambda codec: str(codec["bits_per_number"])),
        Column("bytes", lambda codec: f"{codec['bytes_per_code']['mean']:.4g}"),
        Column("bits per pixel or feature", lambda codec: f"{codec['bits_per_pixel']:.3g}"),
        Column("PSNR, dB", lambda codec: format_mean_ci(codec["psnr_db"], scale=1, decimals=2)),
        Column("PCA, same size, dB", lambda codec: format_mean_ci(codec["pca"]["psnr_db"], scale=1, decimals=2)),
    ]
    return Table(columns, analysis["stored"])


def anomaly_table(analysis: Results) -> Table:
    """Returns the AUROC of every score for each held-out class, with 95 % intervals, and the mean over classes."""
    classes, means = analysis["classes"], analysis["mean_auroc"]
    columns = [Column("AUROC by", str, "left")]
    columns += [Column(f"class {entry['class']}", partial(_format_auroc, entry["auroc"])) for entry in classes]
    if len(classes) > 1:
        columns.append(Column("mean", lambda score: f"{means[score]:.3f}"))
    return Table(columns, list(means))


def _format_auroc(auroc: Results, score: str) -> str:
    return format_mean_ci({"mean": auroc[score]["value"], "ci95": auroc[score]["ci95"]}, scale=1, decimals=3)


ANALYSIS_TABLES: dict[str, Callable[[Results], Table]] = {
    "compression": compression_table,
    "anomaly_detection": anomaly_table,
}


def analysis_title(exploration: Results) -> str:
    """Returns the kind of autoencoder and its dataset."""
    return f"{exploration['method']} on {exploration['dataset']['name']}"


def render_analysis_page(exploration: Results) -> str:
    """Returns the Markdown of an `explore.json`, which links to the figures in the same folder."""
    analyses = exploration["parts"]
    return render_template(
        "analysis.md.j2",
        title=analysis_title(exploration),
        exploration=exploration,
        provenance=format_provenance(exploration["environment"]),
        headings=ANALYSIS_HEADINGS,
        tables={
            name: to_markdown(ANALYSIS_TABLES[name](analyses[name])) for name in ANALYSIS_TABLES if name in analyses
        },
    )


def render_analysis_terminal(exploration: Results, *, details: bool = False) -> RenderableType:
    """Returns a sentence for each analysis, with `details` the tables, and why others were skipped, for a terminal."""
    parts: list[RenderableType] = []
    for name, analysis in exploration["parts"].items():
        parts.append(Paragraph(f"{ANALYSIS_HEADINGS.get(name, name)}: {analysis['says']}"))
        if details and name in ANALYSIS_TABLES:
            parts.append(TerminalTable(ANALYSIS_TABLES[name](analysis)))
    skipped = [f"{ANALYSIS_HEADINGS.get(name, name)}: {reason}." for name, reason in exploration["skipped"].items()]
    caption = " ".join(["Skipped:", *skipped] if skipped else [])
    return stack_parts(parts, caption, exploration.get("warnings", []))


def explore_page(results: Results, folder: Path | None) -> RunPage:
    """Returns the page of an exploration: a section for each analysis, and why others were skipped."""
    sections = []
    for name, analysis in results["parts"].items():
        blocks: list[Block] = [analysis["says"], *read_pictures(folder, analysis["figures"])]
        if name in ANALYSIS_TABLES:
            blocks.append(PageTable(ANALYSIS_HEADINGS[name], ANALYSIS_TABLES[name](analysis)))
        sections.append(Section(ANALYSIS_HEADINGS.get(name, name), blocks))
    skipped = [f"{ANALYSIS_HEADINGS.get(name, name)}: {reason}." for name, reason in results["skipped"].items()]
    return RunPage(
        title=analysis_title(results),
        findings=[part["says"] for part in list(results["parts"].values())[:1]],
        sections=[*sections, Section("Not done", skipped)],
        caption=format_provenance(results["environment"]),
    )
