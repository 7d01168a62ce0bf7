"""Experiment trackers: what a run measures, its figures and its verdicts, in a tool of the user's.

A `Tracker`, an open run of a tool, receives scalars by name after each stage of a run, never within a training, PNG
files and tables. Where a tool writes, and whether it uses the network, is set as its documentation says
(`WANDB_MODE=offline`, `MLFLOW_TRACKING_URI`, `TRACKIO_DIR`).
"""

import contextlib
import importlib.util
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from aejax.errors import InputError, require, summarize_error
from aejax.report.frames import methods_frame, verdicts_frame
from aejax.report.results import Results

PROJECT = "aejax"  # of trackers that keep runs by project
UNSAFE_CHARACTERS = re.compile(r"[^\w.-]+")  # some trackers reject or replace them in names


class TensorBoard:
    """Event files in `tensorboard/` of the run's folder, by tensorboardX."""

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        from tensorboardX import SummaryWriter

        self._writer = SummaryWriter(str(folder / "tensorboard"), purge_step=0)  # of an interrupted attempt

    def log_scalars(self, values: Mapping[str, float], epoch: int) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, epoch)

    def log_figure(self, name: str, file: Path) -> None:
        from PIL import Image

        self._writer.add_image(name, np.asarray(Image.open(file).convert("RGB")), dataformats="HWC")

    def log_table(self, name: str, table: pd.DataFrame) -> None:
        self._writer.add_text(name, table.to_html(index=False, float_format="%.4g"))

    def close(self) -> None:
        self._writer.close()


class WeightsAndBiases:
    """A run of Weights & Biases, whose files lie in the run's folder."""

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        import wandb

        self._wandb = wandb
        self._run = wandb.init(project=PROJECT, name=folder.name, dir=str(folder), config=dict(config))
        self._run.define_metric("*", step_metric="epoch")  # the epochs of each method begin at 1

    def log_scalars(self, values: Mapping[str, float], epoch: int) -> None:
        self._run.log({**values, "epoch": epoch})

    def log_figure(self, name: str, file: Path) -> None:
        self._run.log({name: self._wandb.Image(str(file))})

    def log_table(self, name: str, table: pd.DataFrame) -> None:
        self._run.log({name: self._wandb.Table(dataframe=table)})

    def close(self) -> None:
        self._run.finish()


class Trackio:
    """A run of trackio, which is kept on this machine unless trackio is told otherwise."""

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        import trackio

        self._trackio = trackio
        trackio.init(project=PROJECT, name=folder.name, config=dict(config), embed=False)

    def log_scalars(self, values: Mapping[str, float], epoch: int) -> None:
        self._trackio.log(dict(values), step=epoch)

    def log_figure(self, name: str, file: Path) -> None:
        self._trackio.log({name: self._trackio.Image(file)})

    def log_table(self, name: str, table: pd.DataFrame) -> None:
        self._trackio.log({name: self._trackio.Table(dataframe=table)})

    def close(self) -> None:
        self._trackio.finish()


class MLflow:
    """A run of MLflow, in the experiment `aejax`."""

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        import mlflow

        self._mlflow = mlflow
        experiment = mlflow.set_experiment(PROJECT)
        mlflow.start_run(experiment_id=experiment.experiment_id, run_name=folder.name)
        mlflow.log_dict(dict(config), "config.json")

    def log_scalars(self, values: Mapping[str, float], epoch: int) -> None:
        self._mlflow.log_metrics(dict(values), step=epoch)

    def log_figure(self, name: str, file: Path) -> None:
        self._mlflow.log_artifact(str(file), "figures")

    def log_table(self, name: str, table: pd.DataFrame) -> None:
        self._mlflow.log_table(table, f"{name}.json")

    def close(self) -> None:
        self._mlflow.end_run()


Tracker = TensorBoard | WeightsAndBiases | Trackio | MLflow
TRACKERS: dict[str, tuple[str, type[Tracker]]] = {
    "tensorboard": ("tensorboardX", TensorBoard),
    "wandb": ("wandb", WeightsAndBiases),
    "trackio": ("trackio", Trackio),
    "mlflow": ("mlflow", MLflow),
}  # with the package that each needs


def require_tracker_packages(names: Sequence[str]) -> None:
    """Raises `InputError` if the package that a tracker needs is not installed."""
    for name in names:
        package, _ = TRACKERS[name]
        installed = importlib.util.find_spec(package) is not None
        require(installed, f"--track {name}: needs {package}; pip install {package}, or leave {name} out")


@contextlib.contextmanager
def open_trackers(names: Sequence[str], folder: Path, config: Mapping[str, Any]) -> Iterator[list[Tracker]]:
    """Yields the trackers of a run, and ends their runs.

    Args:
        names: keys of `TRACKERS`.
        folder: of the run; its name is the name of the trackers' runs.
        config: the run's settings.

    Raises:
        InputError: a tool cannot be used as it is set up.
    """
    with contextlib.ExitStack() as stack:
        trackers = []
        for name in dict.fromkeys(names):
            try:
                trackers.append(TRACKERS[name][1](folder, config))
            except Exception as error:  # each tool has errors of its own
                raise InputError(f"--track {name}: {summarize_error(error)}") from error
            stack.callback(trackers[-1].close)
        yield trackers


def log_epochs(tracker: Tracker, rows: Iterable[Mapping[str, Any]]) -> None:
    """Sends rows of `metrics.jsonl`, as `METHOD/METRIC/seed_SEED`, without values that are not finite."""
    by_epoch: dict[int, dict[str, float]] = {}
    for row in rows:
        for metric, value in row.items():
            if metric not in ("method", "seed", "epoch") and value is not None and math.isfinite(value):
                values = by_epoch.setdefault(int(row["epoch"]), {})
                method = UNSAFE_CHARACTERS.sub("_", row["method"])
                values[f"{method}/{metric}/seed_{row['seed']}"] = float(value)
    for epoch, values in sorted(by_epoch.items()):
        tracker.log_scalars(values, epoch)


def log_results(tracker: Tracker, results: Results, folder: Path) -> None:
    """Sends the figures of a finished run's folder and, of a comparison, the tables of methods and verdicts."""
    for file in sorted(folder.glob("*.png")):
        tracker.log_figure(file.stem, file)
    if "comparisons" in results:
        tracker.log_table("methods", methods_frame(results))
        tracker.log_table("verdicts", verdicts_frame(results))
