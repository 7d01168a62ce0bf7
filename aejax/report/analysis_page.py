"""An exploration as a page: each part's sentence and figures, what was left out and why. Nothing typed by hand."""

from typing import Any

from aejax.report.comparison_table import format_markdown_table
from aejax.report.formatting import format_mean_ci, format_seconds

ANALYSIS_HEADINGS = {
    "reconstructions": "Reconstructions",
    "denoising": "Restoring corrupted examples",
    "samples": "Samples",
    "latent_grid": "The prior on a grid",
    "interpolation": "Interpolation",
    "traversals": "Traversals",
    "codes": "The code in the plane",
    "filters": "Filters",
    "atoms": "Atoms",
    "anomaly_detection": "Finding a class never seen",
    "compression": "Compression",
}


def compression_table(analysis: dict[str, Any]) -> str:
    """What each way to store codes takes and gives back, beside principal components of the same size."""
    headings = ("stored", "bits per number", "bytes", "bits per pixel or feature", "PSNR, dB", "PCA, same size, dB")
    rows = [
        [
            own["store"],
            str(own["bits_per_number"]),
            f"{own['bytes_per_code']['mean']:.4g}",
            f"{own['bits_per_pixel']:.3g}",
            *(format_mean_ci(codec["psnr_db"], scale=1, decimals=2) for codec in (own, own["pca"])),
        ]
        for own in analysis["stored"]
    ]
    return format_markdown_table(headings, "lrrrrr", rows)


def anomaly_table(analysis: dict[str, Any]) -> str:
    """AUROC of every score for each class that was held out, with 95 % intervals."""
    classes = analysis["classes"]
    rows = [
        [score, *(_format_auroc(own["auroc"][score]) for own in classes), f"{mean:.3f}"]
        for score, mean in analysis["mean_auroc"].items()
    ]
    headings = ["AUROC by", *(f"class {own['class']}" for own in classes), "mean"]
    if len(classes) == 1:
        headings, rows = headings[:-1], [row[:-1] for row in rows]
    return format_markdown_table(headings, "l" + "r" * (len(headings) - 1), rows)


def _format_auroc(area: dict[str, Any]) -> str:
    return format_mean_ci({"mean": area["value"], "ci95": area["ci95"]}, scale=1, decimals=3)


ANALYSIS_TABLES = {"compression": compression_table, "anomaly_detection": anomaly_table}


def render_analysis_page(exploration: dict[str, Any]) -> str:
    """Markdown of an `explore.json`, to lie beside its figures."""
    environment, dataset = exploration["environment"], exploration["dataset"]
    parts = [
        f"# {exploration['method']} on {dataset['name']}",
        f"Seed {exploration['seed']} of {exploration['config']['seeds']}; "
        "PSNR and compression are means over all of them. "
        f"Made by `{environment['command']}` on {environment['machine']} "
        f"in {format_seconds(environment['seconds'])} s.",
    ]
    for name, part in exploration["parts"].items():
        table = [ANALYSIS_TABLES[name](part)] if name in ANALYSIS_TABLES else []
        images = [f"![{caption}]({file})" for file, caption in part["figures"].items()]
        parts += [f"## {ANALYSIS_HEADINGS[name]}", part["says"], *table, *images]
    if exploration["skipped"]:
        rows = [f"- {ANALYSIS_HEADINGS[name]}: {reason}." for name, reason in exploration["skipped"].items()]
        parts += ["## Left out", "\n".join(rows)]
    return "\n\n".join([*parts, "The numbers behind this page are in [explore.json](explore.json)."]) + "\n"
