"""Trackers get every loss of every epoch and seed, the figures and the verdicts; those installed, offline."""

import struct
import time
from pathlib import Path

import pytest

import aejax
from aejax.report.results import read_results
from aejax.report.tracking import log_epochs, log_results, open_trackers

DRAWS_FIGURES = True
RESULTS = Path(__file__).parents[2] / "results"
ROWS = [
    {"method": "vae + head", "seed": seed, "epoch": epoch, "train_loss": 10.0 * seed + epoch, "valid_loss": None}
    for seed in (0, 1)
    for epoch in (1, 2)
]


def read_events(folder):
    """Returns the events of TensorBoard's files, which are records of length, checksum, content and checksum."""
    from tensorboardX.proto.event_pb2 import Event

    for file in folder.iterdir():
        content, start = file.read_bytes(), 0
        while start < len(content):
            (length,) = struct.unpack("<Q", content[start : start + 8])
            yield Event.FromString(content[start + 12 : start + 12 + length])
            start += length + 16


@pytest.mark.slow
def test_tensorboard_has_the_history_of_a_run(tmp_path):
    pytest.importorskip("tensorboardX")
    model = aejax.pretrain("wine", seeds=2, epochs=3, latent_dim=3, out=tmp_path / "run", track="tensorboard")
    events = list(read_events(tmp_path / "run" / "tensorboard"))
    values = [(event.step, value) for event in events for value in event.summary.value]
    logged = {(value.tag, step): value.simple_value for step, value in values if value.HasField("simple_value")}
    expected = {
        (f"undercomplete/{row.metric}/seed_{row.seed}", row.epoch): pytest.approx(row.value, rel=1e-6)
        for row in model.history.itertuples()
    }
    assert logged == expected
    assert "learning_curves" in {value.tag for _, value in values if value.HasField("image")}


def track(name, folder):
    results = read_results(RESULTS / "wine" / "results.json")
    with open_trackers([name], folder, {"seeds": 2}) as (tracker,):
        log_epochs(tracker, ROWS)
        log_results(tracker, results, RESULTS / "wine")


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("name", ["wandb", "trackio"])
def test_other_trackers_write_files_without_a_network(tmp_path, monkeypatch, name):
    settings = {"WANDB_MODE": "offline", "WANDB_SILENT": "true", "TRACKIO_DIR": str(tmp_path / "run")}
    for variable, value in settings.items():
        monkeypatch.setenv(variable, value)
    pytest.importorskip(name)  # reads them
    (tmp_path / "run").mkdir()
    track(name, tmp_path / "run")
    missing, deadline = {b"vae_head/train_loss/seed_1", b"verdicts"}, time.monotonic() + 60
    while missing and time.monotonic() < deadline:  # processes of the tools write the files
        for path in filter(Path.is_file, (tmp_path / "run").rglob("*")):
            missing -= {word for word in missing if word in path.read_bytes()}
    assert not missing


@pytest.mark.filterwarnings("default")  # MLflow's own
def test_mlflow_keeps_scalars_figures_and_verdicts(tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri(f"file:{tmp_path}/mlruns")
    track("mlflow", tmp_path / "run")
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name("aejax")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.data.metrics == {"vae_head/train_loss/seed_0": 2.0, "vae_head/train_loss/seed_1": 12.0}
    history = client.get_metric_history(run.info.run_id, "vae_head/train_loss/seed_1")
    assert [(point.step, point.value) for point in history] == [(1, 11.0), (2, 12.0)]
    names = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert names == {"config.json", "figures", "methods.json", "verdicts.json"}


def test_a_tracker_needs_a_folder_and_a_known_name(tmp_path):
    with pytest.raises(aejax.InputError, match="track: needs the folder of a run; give out"):
        aejax.compare("wine", track="tensorboard")
    with pytest.raises(aejax.InputError, match=r"track=.*: expected"):
        aejax.compare("wine", track="tensorbord", out=tmp_path)
