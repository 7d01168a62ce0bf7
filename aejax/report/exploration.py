"""An exploration as a page: each part's sentence and figures, what was left out and why. Nothing typed by hand."""

from typing import Any

from aejax.report.wording import duration

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


def exploration_page(found: dict[str, Any]) -> str:
    """Markdown of an `explore.json`, to lie beside its figures."""
    environment, dataset = found["environment"], found["dataset"]
    parts = [
        f"# {found['method']} on {dataset['name']}",
        f"Seed {found['seed']} of {found['config']['seeds']}; PSNR and compression are means over all of them. "
        f"Made by `{environment['command']}` on {environment['machine']} in {duration(environment['seconds'])} s.",
    ]
    for name, part in found["parts"].items():
        images = [f"![{caption}]({file})" for file, caption in part["figures"].items()]
        parts += [f"## {HEADINGS[name]}", part["says"], *images]
    if found["skipped"]:
        rows = [f"- {HEADINGS[name]}: {reason}." for name, reason in found["skipped"].items()]
        parts += ["## Left out", "\n".join(rows)]
    return "\n\n".join([*parts, "The numbers behind this page are in [explore.json](explore.json)."]) + "\n"
