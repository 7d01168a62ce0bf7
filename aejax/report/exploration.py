"""An exploration as a page: each part's sentence and figures, what was left out and why. Nothing typed by hand."""

from typing import Any

from aejax.report.table import markdown_rows
from aejax.report.wording import duration, with_interval

HEADINGS = {
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


def compression_table(part: dict[str, Any]) -> str:
    """What each way to store codes takes and gives back, beside principal components of the same size."""
    headings = ("stored", "bits per number", "bytes", "bits per pixel or feature", "PSNR, dB", "PCA, same size, dB")
    rows = [
        [
            own["store"],
            str(own["bits_per_number"]),
            f"{own['bytes_per_code']['mean']:.4g}",
            f"{own['bits_per_pixel']:.3g}",
            *(with_interval(codec["psnr_db"], scale=1, decimals=2) for codec in (own, own["pca"])),
        ]
        for own in part["stored"]
    ]
    return markdown_rows(headings, "lrrrrr", rows)


def anomaly_table(part: dict[str, Any]) -> str:
    """AUROC of every score for each class that was held out, with 95 % intervals."""
    classes = part["classes"]
    rows = [
        [score, *(_area(own["auroc"][score]) for own in classes), f"{mean:.3f}"]
        for score, mean in part["mean_auroc"].items()
    ]
    headings = ["AUROC by", *(f"class {own['class']}" for own in classes), "mean"]
    if len(classes) == 1:
        headings, rows = headings[:-1], [row[:-1] for row in rows]
    return markdown_rows(headings, "l" + "r" * (len(headings) - 1), rows)


def _area(area: dict[str, Any]) -> str:
    return with_interval({"mean": area["value"], "ci95": area["ci95"]}, scale=1, decimals=3)


TABLES = {"compression": compression_table, "anomaly_detection": anomaly_table}


def exploration_page(found: dict[str, Any]) -> str:
    """Markdown of an `explore.json`, to lie beside its figures."""
    environment, dataset = found["environment"], found["dataset"]
    parts = [
        f"# {found['method']} on {dataset['name']}",
        f"Seed {found['seed']} of {found['config']['seeds']}; PSNR and compression are means over all of them. "
        f"Made by `{environment['command']}` on {environment['machine']} in {duration(environment['seconds'])} s.",
    ]
    for name, part in found["parts"].items():
        table = [TABLES[name](part)] if name in TABLES else []
        images = [f"![{caption}]({file})" for file, caption in part["figures"].items()]
        parts += [f"## {HEADINGS[name]}", part["says"], *table, *images]
    if found["skipped"]:
        rows = [f"- {HEADINGS[name]}: {reason}." for name, reason in found["skipped"].items()]
        parts += ["## Left out", "\n".join(rows)]
    return "\n\n".join([*parts, "The numbers behind this page are in [explore.json](explore.json)."]) + "\n"
