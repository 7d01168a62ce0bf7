"""Everything people do with a trained autoencoder, done with one: parts, figures, `explore.json` and a page."""

import time
from pathlib import Path
from typing import Any

from rich.console import Console

from aejax.config import KeepingConfig, PlanConfig, to_dict
from aejax.config.explore import ExploreConfig
from aejax.report.exploration import exploration_page
from aejax.run.environment import describe
from aejax.run.exploring import drawn, inside, restored
from aejax.run.exploring.heldout import epochs_ahead, make_anomaly_detection
from aejax.run.exploring.part import Part, Skipped
from aejax.run.exploring.subject import Subject, open_subject
from aejax.run.folder import filling, finished
from aejax.run.progress import Reporter, reporting
from aejax.store.files import plain, write_atomically
from aejax.train.plan import make_plan

FOUND = "explore.json"  # written last: where it is, everything is


def parts_of(reporter: Reporter) -> dict[str, Part]:
    """Every part by name, in the order of the page."""
    return {
        "reconstructions": restored.reconstructions,
        "denoising": restored.denoising,
        "samples": drawn.samples,
        "latent_grid": drawn.latent_grid,
        "interpolation": drawn.interpolation,
        "traversals": drawn.traversals,
        "codes": inside.codes,
        "filters": inside.filters,
        "atoms": inside.decoder_atoms,
        "compression": restored.compression,
        "anomaly_detection": make_anomaly_detection(reporter),
    }


def explore(
    folder: Path, config: ExploreConfig, out: Path, console: Console, keeping: KeepingConfig = KeepingConfig()
) -> dict[str, Any]:
    """Explore a pretraining run into a folder: figures, `explore.json`, `explore.md`.

    An exploration of the same run with the same settings that the folder already holds is just read.

    Raises:
        InputError: the run cannot be opened, the data are not those it was trained on, or the folder is not free.
    """
    began = time.perf_counter()
    subject = open_subject(folder, config)
    settings = {"run": subject.run.results["config"], **to_dict(config)}
    if (known := finished(out, settings, keeping, console, FOUND)) is not None:
        return known
    ahead = epochs_ahead(subject)
    with (
        reporting(console, total_epochs=max(ahead, 1)) as reporter,
        filling(out, settings, keeping, console, began) as (run, _),
    ):
        for figure in run.folder.glob("*.png"):  # of an attempt that was interrupted
            figure.unlink()
        parts, skipped = _explored(subject, reporter, run.folder)
        results = plain(_results(subject, parts, skipped, run.seconds))
        write_atomically(run.folder / "explore.md", exploration_page(results).encode())
        run.finish(results, name=FOUND)
    return results


def _explored(subject: Subject, reporter: Reporter, out: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """What every part found, and why the others were left out."""
    parts: dict[str, Any] = {}
    skipped: dict[str, str] = {}
    for name, part in parts_of(reporter).items():
        reporter.begin(name)
        found = part(subject, out)
        if isinstance(found, Skipped):
            skipped[name] = found.reason
            reporter.end(f"left out: {found.reason}")
        else:
            parts[name] = {"says": found.says, **found.numbers, "figures": found.figures}
            reporter.end(found.says)
    return parts, skipped


def _results(subject: Subject, parts: dict[str, Any], skipped: dict[str, str], seconds: float) -> dict[str, Any]:
    return {
        "schema": 1,
        "kind": "explore",
        "dataset": subject.run.results["dataset"],
        "config": subject.run.results["config"],
        "settings": to_dict(subject.config),
        "environment": {**describe(make_plan(PlanConfig(), 1)), "seconds": seconds},
        "method": subject.name,
        "seed": subject.config.seed,
        "code": "the posterior's mean" if subject.variational else "the encoder's output",
        "parts": parts,
        "skipped": skipped,
    }
