"""A stream trains as data in memory do, goes on bit for bit, and leaves a run that everything downstream opens."""

import contextlib
import dataclasses
import io
import json
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rich.console import Console
from sklearn.datasets import load_digits

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
from aejax.data.stream import schedule as pace
from aejax.data.stream.loader import StreamLoader
from aejax.errors import InputError, Preempted
from aejax.experiments import experiment, streaming, training
from aejax.experiments.compare import compare
from aejax.experiments.compilation import Compiler
from aejax.experiments.pretrain import pretrain
from aejax.experiments.probe_run import probe_run
from aejax.experiments.progress import SilentReporter
from aejax.experiments.resolve import resolve_config
from aejax.experiments.run_dir import open_run_dir
from aejax.experiments.sweep import sweep
from aejax.experiments.training import init_variables
from aejax.methods import METHODS
from aejax.train.epoch import make_train_step
from aejax.train.state import init_state


def quiet():
    return Console(file=io.StringIO(), width=200)


@pytest.fixture(autouse=True)
def compiled_once(monkeypatch):
    """Runs of one test share what they compile."""
    shared = Compiler()
    monkeypatch.setattr(experiment, "Compiler", lambda: shared)


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
    """A pass of 1,497 digits in batches of 100 is 15 steps: rounds of 5, chunks of 3 and 2."""
    monkeypatch.setattr(pace, "MAX_EXAMPLES_PER_ROUND", 500)
    monkeypatch.setattr(pace, "MAX_CHUNK_BYTES", 3 * 100 * 64)


def config_of(folder, **others):
    settings = {
        "data": DataConfig(dataset=str(folder), stream=True, stream_sample=300, shuffle_window=400),
        "model": ModelConfig(hidden=(16,), latent_dim=4),
        "train": TrainConfig(epochs=2, batch_size=100),
        "seeds": 3,
    }
    return PretrainConfig(**(settings | others))


def stopped_after(rounds):
    """`saving_first` as it is when a signal comes in the round after so many."""

    @contextlib.contextmanager
    def asked():
        answers = iter([False] * rounds)
        yield lambda: next(answers, True)
        raise Preempted

    return asked


def prepared(config):
    dataset = load_dataset(config.data)
    config = resolve_config(config, dataset)
    own = experiment.prepare_experiment(config, dataset, SilentReporter())
    return own, METHODS[config.method](own.problem)


def bits(tree):
    return [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(tree)]


def test_a_training_stopped_in_mid_pass_goes_on_bit_for_bit(digits, tmp_path, monkeypatch, short_rounds):
    own, method = prepared(config_of(digits))
    optimizer = streaming.stream_optimizer(own, method)
    begun = init_variables(own, method)

    def trained(folder, save_every):
        with open_run_dir(folder, {}, CheckpointConfig(save_every=save_every), quiet(), 0.0) as (_, keeper):
            filled = dataclasses.replace(own, result_cache=keeper)
            left = streaming.train_stream(filled, "it", method, optimizer, begun)
        return bits(own.plan.to_host(left.progress)), left.history

    whole, course = trained(tmp_path / "whole", 0)
    assert course.epochs == 2 * streaming.stream_schedule(own).rounds_per_pass == 6
    for more in (0, 0, 1):  # stopped after the first round, the second, the fourth
        with monkeypatch.context() as patched:
            patched.setattr(streaming, "defer_signals", stopped_after(more))
            with pytest.raises(Preempted):
                trained(tmp_path / "cut", 9999)
    left, left_course = trained(tmp_path / "cut", 9999)
    assert left == whole
    assert bits(left_course.metrics) == bits(course.metrics)
    saved = json.loads(next((tmp_path / "cut" / "checkpoints" / "it").glob("4/meta.json")).read_text())
    assert saved["loader"]["grain"] == {"next_index": 8}


def test_a_streamed_training_is_the_steps_on_its_batches_one_after_the_other(digits, short_rounds):
    own, method = prepared(config_of(digits, train=TrainConfig(epochs=1, batch_size=100), seeds=2))
    optimizer = streaming.stream_optimizer(own, method)
    begun = init_variables(own, method)
    trained = streaming.train_stream(own, "it", method, optimizer, begun)
    stream, its_pace = own.dataset.stream, streaming.stream_schedule(own)
    loader, step = (
        StreamLoader(stream, its_pace, 100, 1, np.asarray),
        jax.jit(make_train_step(method.objective, optimizer)),
    )
    chunks = [loader.next_chunk() for _ in range(its_pace.chunks_per_pass)]
    loader.close()
    for seed in range(2):
        state = init_state(jax.tree.map(lambda leaf: jnp.asarray(leaf[seed]), begun), optimizer)  # noqa: B023
        scaler = jax.tree.map(lambda leaf: jnp.asarray(leaf[seed]), own.device_scaler)  # noqa: B023
        losses = []
        for chunk in chunks:
            for inputs in chunk.inputs[: chunk.n_steps]:
                batch = Batch(apply_scaler(scaler, inputs), jnp.zeros(100, jnp.int32))
                state, metrics = step(state, batch, jax.random.fold_in(own.keys("noise")[seed], state.step))
                losses.append(metrics["loss"])
        assert int(state.step) == 15
        jax.tree.map(
            lambda one, other: np.testing.assert_allclose(one, other[seed], rtol=1e-4, atol=1e-5),  # noqa: B023
            state.variables,
            own.plan.to_host(trained.progress.state.variables),
        )
        means = np.reshape(losses, (3, 5)).mean(axis=1)
        np.testing.assert_allclose(trained.history.metrics["train_loss"][seed], means, rtol=1e-5)


def test_a_stream_reaches_the_loss_that_the_same_data_reach_in_memory(digits, tmp_path):
    train, model = TrainConfig(epochs=15, batch_size=50), ModelConfig(hidden=(32,), latent_dim=8)
    pixels, labels = np.load(digits / "inputs.npy"), np.load(digits / "labels.npy")
    np.savez(tmp_path / "digits.npz", x=pixels, y=labels)
    in_memory = dataclasses.replace(config_of(digits), data=DataConfig(dataset=str(tmp_path / "digits.npz")))
    losses = []
    for config in (config_of(digits), in_memory):
        own, method = prepared(dataclasses.replace(config, train=train, model=model, seeds=2))
        made, trains = streaming.stream_optimizer, streaming.train_stream
        if own.dataset.stream is None:
            made, trains = training.optimizer_for, training.train_method
        course = trains(own, "it", method, made(own, method), init_variables(own, method)).history
        losses.append(course.metrics["valid_mse"][:, -1].mean())
    assert losses[0] == pytest.approx(losses[1], rel=0.15)
    assert losses[0] < 0.6 * course.metrics["valid_mse"][:, 0].mean()


def test_a_streamed_run_is_probed_on_its_sample(digits, tmp_path):
    pretrain(config_of(digits, seeds=1), tmp_path / "run", quiet())
    probing = ProbeRunConfig(probe=ProbeConfig(probe_c=1.0), head=HeadConfig(head_epochs=1))
    found = probe_run(tmp_path / "run", probing, tmp_path / "probe", quiet())
    assert found["dataset"]["n_test"] == 60
    assert found["methods"][0]["test_accuracy"]["mean"] > 0.3


def test_without_labels_a_stream_trains_and_its_probe_is_refused(digits, tmp_path):
    np.save(tmp_path / "pixels.npy", np.load(digits / "inputs.npy"))
    pretrain(config_of(tmp_path / "pixels.npy", seeds=1), tmp_path / "run", quiet())
    with pytest.raises(InputError, match="pixels: has no labels to classify by"):
        probe_run(tmp_path / "run", ProbeRunConfig(), tmp_path / "probe", quiet())


def test_a_training_in_which_every_seed_diverges_ends(digits, tmp_path, short_rounds):
    config = config_of(digits, optimizer=OptimizerConfig(optimizer="sgd", learning_rate=1e30))
    own, method = prepared(config)
    trained = streaming.train_stream(
        own, "it", method, streaming.stream_optimizer(own, method), init_variables(own, method)
    )
    assert trained.history.epochs < 6
    assert trained.history.diverged_epoch.all()


def test_values_that_are_not_finite_end_the_training_with_their_row(digits, tmp_path):
    inputs = np.load(digits / "inputs.npy").reshape(1797, 64).astype(np.float32)
    np.save(tmp_path / "table.npy", inputs)
    row = load_dataset(config_of(tmp_path / "table.npy").data).stream.source_rows(np.array([900]))[0]
    inputs[row, 3] = np.nan
    np.save(tmp_path / "table.npy", inputs)
    with pytest.raises(InputError, match=f"row {row}: holds nan"):
        pretrain(config_of(tmp_path / "table.npy"), tmp_path / "run", quiet())


def test_what_does_not_go_with_a_stream_is_refused(digits, tmp_path, monkeypatch):
    data = config_of(digits).data
    with pytest.raises(InputError, match=r"--stream: compare\.py"):
        compare(CompareConfig(data=data), tmp_path / "run", quiet())
    with pytest.raises(InputError, match=r"--stream: sweep\.py"):
        sweep(SweepConfig(data=data, axis=("latent_dim=2,3",)), tmp_path / "run", quiet())
    for others, message in (
        ({"method": "stacked"}, "in stages"),
        ({"train": TrainConfig(batch_size=1500)}, "--batch-size 1500: digits has 1497 rows"),
        ({"train": TrainConfig(batch_size=401)}, "--shuffle-window 400"),
    ):
        with pytest.raises(InputError, match=message):
            pretrain(config_of(digits, **others), tmp_path / "run", quiet())
    monkeypatch.setitem(sys.modules, "grain", None)
    with pytest.raises(InputError, match=r"--stream: needs Grain .*pip install -e '\.\[stream\]'"):
        pretrain(config_of(digits), tmp_path / "run", quiet())
    assert not (tmp_path / "run").exists()
