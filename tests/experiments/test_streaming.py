"""A stream trains as data in memory do, resumes bit for bit, and leaves a run that other commands open."""

import dataclasses
import functools
import json
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from preparing import prepare
from resuming import stop_after
from sklearn.datasets import load_digits

import aejax
from aejax.config import (
    CheckpointConfig,
    CompareConfig,
    DataConfig,
    HeadConfig,
    ModelConfig,
    OptimizerConfig,
    PretrainConfig,
    ProbeConfig,
    ProbeRunConfig,
    SweepConfig,
    TrainConfig,
)
from aejax.data.batching import Batch
from aejax.data.registry import load_dataset
from aejax.data.scalers import apply_scaler
from aejax.data.stream import schedule
from aejax.data.stream.loader import StreamLoader
from aejax.errors import InputError, Preempted
from aejax.experiments import streaming
from aejax.experiments.compare import compare
from aejax.experiments.job import open_run_dir
from aejax.experiments.pretrain import pretrain
from aejax.experiments.probe_run import probe_run
from aejax.experiments.resolve import resolve_config
from aejax.experiments.sweep import sweep
from aejax.experiments.training import init_variables
from aejax.methods.registry import METHODS
from aejax.storage.run_identity import RunIdentity
from aejax.train.epoch import make_train_step
from aejax.train.state import init_state
from tests.consoles import quiet


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """scikit-learn's digits as .npy files."""
    folder, bunch = tmp_path_factory.mktemp("sets") / "digits", load_digits()
    folder.mkdir()
    np.save(folder / "inputs.npy", (bunch.images * 15).astype(np.uint8))
    np.save(folder / "labels.npy", bunch.target)
    return folder


@pytest.fixture
def short_rounds(monkeypatch):
    """Divides a pass of 1,497 digits, 15 batches of 100, into rounds of 5 steps and chunks of 3 and 2."""
    monkeypatch.setattr(schedule, "MAX_EXAMPLES_PER_ROUND", 500)
    monkeypatch.setattr(schedule, "MAX_CHUNK_BYTES", 3 * 100 * 64)


def make_config(folder, **options):
    defaults = {
        "data": DataConfig(dataset=str(folder), stream=True, stream_sample=300, shuffle_window=400),
        "model": ModelConfig(hidden=(16,), latent_dim=4),
        "train": TrainConfig(epochs=2, batch_size=100),
        "seeds": 3,
    }
    return PretrainConfig(**(defaults | options))


def prepare_training(config):
    """Returns an experiment, with the method, the optimizer and the variables of `train_stream`."""
    prepared = prepare(config)
    method = METHODS[config.method](prepared.problem)
    return prepared, (method, streaming.stream_optimizer(prepared, method), init_variables(prepared, method))


def leaf_bytes(tree):
    return [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(tree)]


def test_a_training_stopped_within_a_pass_resumes_bit_for_bit(digits, tmp_path, monkeypatch, short_rounds):
    prepared, arguments = prepare_training(make_config(digits))

    def train(folder, save_every):
        with open_run_dir(folder, RunIdentity({}), CheckpointConfig(save_every=save_every), quiet(), 0.0) as (_, cache):
            with_cache = dataclasses.replace(prepared, result_cache=cache)
            result = streaming.train_stream(with_cache, "it", *arguments)
        return leaf_bytes(prepared.plan.to_host(result.progress)), result.history

    uninterrupted, history = train(tmp_path / "uninterrupted", 0)
    assert history.epochs == 2 * streaming.stream_schedule(prepared).rounds_per_pass == 6
    for more_rounds in (0, 0, 1):  # stopped after the first round, the second, the fourth
        with monkeypatch.context() as patched:
            patched.setattr(streaming, "defer_signals", stop_after(more_rounds))
            with pytest.raises(Preempted):
                train(tmp_path / "stopped", 9999)
    meta = json.loads(next((tmp_path / "stopped" / "checkpoints" / "it").glob("4/meta.json")).read_text())
    assert meta["loader"]["grain"] == {"next_index": 8}
    resumed, resumed_history = train(tmp_path / "stopped", 9999)
    assert resumed == uninterrupted
    assert leaf_bytes(resumed_history.metrics) == leaf_bytes(history.metrics)


def test_a_streamed_training_takes_one_step_per_batch_in_order(digits, short_rounds):
    config = make_config(digits, train=TrainConfig(epochs=1, batch_size=100), seeds=2)
    prepared, (method, optimizer, variables) = prepare_training(config)
    result = streaming.train_stream(prepared, "it", method, optimizer, variables)
    its_schedule = streaming.stream_schedule(prepared)
    loader = StreamLoader(prepared.dataset.stream, its_schedule, 100, 1, np.asarray)
    chunks = [loader.next_chunk() for _ in its_schedule.chunks]
    loader.close()
    step = jax.jit(make_train_step(method.objective, optimizer))
    final_variables = prepared.plan.to_host(result.progress.state.variables)
    for seed in range(2):
        select = functools.partial(jax.tree.map, lambda leaf, seed=seed: jnp.asarray(leaf[seed]))
        state, scaler, losses = init_state(select(variables), optimizer), select(prepared.device_scaler), []
        for inputs in np.concatenate([chunk.inputs[: chunk.n_steps] for chunk in chunks]):
            batch = Batch(apply_scaler(scaler, inputs), jnp.zeros(100, jnp.int32))
            state, metrics = step(state, batch, jax.random.fold_in(prepared.keys("noise")[seed], state.step))
            losses.append(metrics["loss"])
        assert int(state.step) == 15
        jax.tree.map(
            lambda leaf, expected: np.testing.assert_allclose(leaf, expected, rtol=1e-4, atol=1e-5),
            state.variables,
            select(final_variables),
        )
        round_means = np.reshape(losses, (3, 5)).mean(axis=1)
        np.testing.assert_allclose(result.history.metrics["train_loss"][seed], round_means, rtol=1e-5)


@pytest.mark.slow
def test_a_streamed_run_is_probed_on_its_sample(digits, tmp_path):
    pretrain(make_config(digits, seeds=1), tmp_path / "run", quiet())
    config = ProbeRunConfig(probe=ProbeConfig(probe="ridge"), head=HeadConfig(head_epochs=1))
    results = probe_run(tmp_path / "run", config, tmp_path / "probe", quiet())
    assert results["dataset"]["n_test"] == 60
    assert results["methods"][0]["test_accuracy"]["mean"] > 0.3


def test_a_stream_without_labels_trains_and_its_probe_is_rejected(digits, tmp_path):
    np.save(tmp_path / "pixels.npy", np.load(digits / "inputs.npy"))
    pretrain(make_config(tmp_path / "pixels.npy", seeds=1), tmp_path / "run", quiet())
    with pytest.raises(InputError, match="pixels: has no labels"):
        probe_run(tmp_path / "run", ProbeRunConfig(), tmp_path / "probe", quiet())


def test_a_training_in_which_every_seed_diverges_ends(digits, tmp_path, short_rounds):
    config = make_config(digits, optimizer=OptimizerConfig(optimizer="sgd", learning_rate=1e30))
    prepared, arguments = prepare_training(config)
    history = streaming.train_stream(prepared, "it", *arguments).history
    assert history.epochs < 6
    assert history.diverged_epoch.all()


def test_a_value_that_is_not_finite_ends_the_training_and_is_reported_with_its_row(digits, tmp_path):
    inputs = np.load(digits / "inputs.npy").reshape(1797, 64).astype(np.float32)
    np.save(tmp_path / "table.npy", inputs)
    row = load_dataset(make_config(tmp_path / "table.npy").data).stream.source_rows(np.array([900]))[0]
    inputs[row, 3] = np.nan
    np.save(tmp_path / "table.npy", inputs)
    with pytest.raises(InputError, match=f"row {row}: holds nan"):
        pretrain(make_config(tmp_path / "table.npy"), tmp_path / "run", quiet())


def test_data_opened_as_a_stream_are_streamed_by_a_function_and_not_compared(digits):
    opened = load_dataset(make_config(digits).data)
    assert resolve_config(PretrainConfig(), opened).data == dataclasses.replace(
        make_config(digits).data, dataset="digits", scaler="range"
    )
    for data, settings in ((opened, {}), (str(digits), {"stream": True})):
        with pytest.raises(InputError, match="stream: comparisons need the data in memory"):
            aejax.compare(data, **settings)


def test_commands_kinds_and_batches_that_a_stream_does_not_support_are_rejected(digits, tmp_path, monkeypatch):
    data = make_config(digits).data
    with pytest.raises(InputError, match=r"--stream: compare\.py"):
        compare(CompareConfig(data=data), tmp_path / "run", quiet())
    with pytest.raises(InputError, match=r"--stream: sweep\.py"):
        sweep(SweepConfig(data=data, axis=("latent_dim=2,3",)), tmp_path / "run", quiet())
    for options, message in (
        ({"method": "stacked"}, "in stages"),
        ({"train": TrainConfig(batch_size=1500)}, "--batch-size 1500: digits has 1497 training rows"),
        ({"train": TrainConfig(batch_size=401)}, "--shuffle-window 400"),
    ):
        with pytest.raises(InputError, match=message):
            pretrain(make_config(digits, **options), tmp_path / "run", quiet())
    monkeypatch.setitem(sys.modules, "grain", None)
    with pytest.raises(InputError, match=r"--stream: needs Grain .*pip install -e '\.\[stream\]'"):
        pretrain(make_config(digits), tmp_path / "run", quiet())
    assert not (tmp_path / "run").exists()
