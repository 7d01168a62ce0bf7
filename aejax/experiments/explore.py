"""Analyses of a trained autoencoder: figures, `explore.json` and a page."""

import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from rich.console import Console

from aejax.config import CheckpointConfig, PlanConfig, to_dict
from aejax.config.experiment import ExploreConfig
from aejax.data.memory import require_host_memory
from aejax.experiments.environment import describe_environment
from aejax.experiments.experiment import HISTORY_BYTES
from aejax.experiments.exploring import generation, reconstruction, weights
from aejax.experiments.exploring.anomaly import anomaly_detection, count_anomaly_epochs
from aejax.experiments.exploring.loaded_model import Analysis, LoadedModel, Skipped, load_model
from aejax.experiments.job import FillRun, Job, run_job
from aejax.experiments.progress import ProgressReporter
from aejax.experiments.work import FIGURE_SECONDS, FIGURES, Work
from aejax.report.analysis_page import EXPLORE_RESULTS, render_analysis_page
from aejax.report.data_line import format_data_line
from aejax.report.run_page import FigureFiles
from aejax.report.style import describe_design
from aejax.storage.atomic_io import to_jsonable, write_atomically, write_json
from aejax.storage.runs import Run
from aejax.train.plan import make_plan


def make_analyses(reporter: ProgressReporter) -> dict[str, Analysis]:
    """Returns the analyses by name, in the order of the page."""
    return {
        "reconstructions": reconstruction.reconstructions,
        "denoising": reconstruction.denoising,
        "samples": generation.samples,
        "latent_grid": generation.latent_grid,
        "interpolation": generation.interpolation,
        "traversals": generation.traversals,
        "codes": weights.codes,
        "filters": weights.filters,
        "atoms": weights.decoder_atoms,
        "compression": reconstruction.compression,
        "anomaly_detection": functools.partial(anomaly_detection, reporter=reporter),
    }


def explore(
    run_dir: Path, config: ExploreConfig, out: Path, console: Console, checkpoint: CheckpointConfig = CheckpointConfig()
) -> dict[str, Any]:
    """Analyses a pretraining run into a folder: figures, `explore.json`, `explore.md`.

    A finished exploration of the same run with the same settings is read.

    Raises:
        InputError: the run cannot be opened, the data are not those it was trained on, or the folder is not free.
    """
    start_time = time.perf_counter()
    model = load_model(run_dir, config)

    def prepare(reporter: ProgressReporter) -> FillRun:
        reporter.describe("data", format_data_line(model.pretrained.results["dataset"]).removeprefix("data: "))
        reporter.describe("model", f"{model.kind}, seed {config.seed} of {run_dir}")
        works = [Work(name, {"analyse": 3.0}) for name in make_analyses(reporter)]
        epochs = count_anomaly_epochs(model)
        require_host_memory(HISTORY_BYTES * epochs, f"--anomaly-epochs: histories of {epochs} epochs")
        reporter.describe("training", f"{epochs:,} epochs, to detect anomalies; fewer: --anomaly-epochs")
        works[-1] = works[-1]._replace(seconds={"compile": 3.0, "train": 10.0 if epochs else 0.0}, epochs=epochs)
        reporter.begin([*works, Work(FIGURES, {FIGURES: FIGURE_SECONDS}, is_counted=False)])
        return lambda run, _: _explore(model, reporter, run)

    identity = model.pretrained.identify_analysis(config)
    job = Job(identity, prepare, EXPLORE_RESULTS, remove=())
    return run_job(job, out, console, checkpoint, start_time)


def _explore(model: LoadedModel, reporter: ProgressReporter, run: Run) -> dict[str, Any]:
    content, figures = _run_analyses(model, reporter)
    results: dict[str, Any] = to_jsonable({**_describe_run(model, run), **content})
    write_json(run.folder / EXPLORE_RESULTS, results)
    write_atomically(run.folder / "explore.md", render_analysis_page(results).encode())
    files = FigureFiles(run.folder, run.figure_format, describe_design(results))
    reporter.start_method(FIGURES)
    for name, draw in figures.items():
        files.write(name, draw)
    files.write_page(results)
    return results


def _run_analyses(
    model: LoadedModel, reporter: ProgressReporter
) -> tuple[dict[str, dict[str, Any]], dict[str, Callable[[], Figure]]]:
    """Returns `parts` and `skipped` of the results, and functions that draw the figures."""
    parts: dict[str, Any] = {}
    skipped: dict[str, str] = {}
    figures: dict[str, Callable[[], Figure]] = {}
    for name, analysis in make_analyses(reporter).items():
        reporter.start_method(name)
        result = analysis(model)
        if isinstance(result, Skipped):
            skipped[name] = result.reason
            reporter.finish_method(f"skipped: {result.reason}")
            continue
        figures |= {file: draw for file, (draw, _) in result.figures.items()}
        captions = {file: caption for file, (_, caption) in result.figures.items()}
        parts[name] = {"says": result.summary, **result.metrics, "figures": captions}
        reporter.finish_method(f"figures {len(result.figures)}")
    return {"parts": parts, "skipped": skipped}, figures


def _describe_run(model: LoadedModel, run: Run) -> dict[str, Any]:
    """Returns the other results."""
    return {
        "schema": 1,
        "kind": "explore",
        "dataset": model.pretrained.results["dataset"],
        "config": model.pretrained.results["config"],
        "settings": to_dict(model.config),
        "environment": {
            **describe_environment(make_plan(PlanConfig(), 1)),
            "attempts": run.describe_attempts(),
            "seconds": run.seconds,
        },
        **({"warnings": [run.warning]} if run.warning else {}),
        "method": model.kind,
        "seed": model.config.seed,
        "code": "the posterior's mean" if model.is_variational else "the encoder's output",
    }
