"""Everything people do with a trained autoencoder, done with one: parts, figures, `explore.json` and a page."""

import time
from pathlib import Path
from typing import Any

from rich.console import Console

from aejax.config import CheckpointConfig, PlanConfig, to_dict
from aejax.config.explore import ExploreConfig
from aejax.experiments.environment import describe_environment
from aejax.experiments.exploring import generation as drawn
from aejax.experiments.exploring import reconstruction as restored
from aejax.experiments.exploring import weights as inside
from aejax.experiments.exploring.anomaly import count_anomaly_epochs, make_anomaly_detection
from aejax.experiments.exploring.loaded_model import LoadedModel, load_model
from aejax.experiments.exploring.protocol import Analysis, Skipped
from aejax.experiments.progress import ProgressReporter, open_reporter
from aejax.experiments.run_dir import load_finished, open_run_dir
from aejax.report.analysis_page import render_analysis_page
from aejax.storage.atomic_io import to_jsonable, write_atomically
from aejax.train.plan import make_plan

EXPLORE_RESULTS = "explore.json"  # written last: where it is, everything is


def make_analyses(reporter: ProgressReporter) -> dict[str, Analysis]:
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
    run_dir: Path, config: ExploreConfig, out: Path, console: Console, checkpoint: CheckpointConfig = CheckpointConfig()
) -> dict[str, Any]:
    """Explore a pretraining run into a folder: figures, `explore.json`, `explore.md`.

    An exploration of the same run with the same settings that the folder already holds is just read.

    Raises:
        InputError: the run cannot be opened, the data are not those it was trained on, or the folder is not free.
    """
    began = time.perf_counter()
    subject = load_model(run_dir, config)
    settings = {"run": subject.pretrained.results["config"], **to_dict(config)}
    if (known := load_finished(out, settings, checkpoint, console, EXPLORE_RESULTS)) is not None:
        return known
    ahead = count_anomaly_epochs(subject)
    with (
        open_reporter(console, total_epochs=max(ahead, 1)) as reporter,
        open_run_dir(out, settings, checkpoint, console, began) as (run, _),
    ):
        for figure in run.folder.glob("*.png"):  # of an attempt that was interrupted
            figure.unlink()
        parts, skipped = _run_analyses(subject, reporter, run.folder)
        results = to_jsonable(_build_results(subject, parts, skipped, run.seconds))
        write_atomically(run.folder / "explore.md", render_analysis_page(results).encode())
        run.finish(results, results_file=EXPLORE_RESULTS)
    return results


def _run_analyses(model: LoadedModel, reporter: ProgressReporter, out: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """What every part found, and why the others were left out."""
    parts: dict[str, Any] = {}
    skipped: dict[str, str] = {}
    for name, part in make_analyses(reporter).items():
        reporter.start_method(name)
        found = part(model, out)
        if isinstance(found, Skipped):
            skipped[name] = found.reason
            reporter.finish_method(f"left out: {found.reason}")
        else:
            parts[name] = {"says": found.summary, **found.metrics, "figures": found.figures}
            reporter.finish_method(found.summary)
    return parts, skipped


def _build_results(
    model: LoadedModel, analyses: dict[str, Any], skipped: dict[str, str], seconds: float
) -> dict[str, Any]:
    return {
        "schema": 1,
        "kind": "explore",
        "dataset": model.pretrained.results["dataset"],
        "config": model.pretrained.results["config"],
        "settings": to_dict(model.config),
        "environment": {**describe_environment(make_plan(PlanConfig(), 1)), "seconds": seconds},
        "method": model.kind,
        "seed": model.config.seed,
        "code": "the posterior's mean" if model.is_variational else "the encoder's output",
        "parts": analyses,
        "skipped": skipped,
    }
