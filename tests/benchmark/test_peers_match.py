"""Peers with the weights of aejax have the same losses before and after a step."""

import dataclasses
import importlib.util
import os
import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from benchmark.training_job import TrainingJob
from benchmark.workloads import TUTORIAL_SPLIT, TrainingWorkload

from aejax.autoencoders.registry import KINDS
from aejax.config import DataConfig, ModelConfig, ObjectiveConfig, PretrainConfig
from aejax.data.batching import Batch
from aejax.experiments.experiment import problem_spec_for
from aejax.recipes import get_recipe
from aejax.train.optimizers import make_optimizer

Path = tuple[str, ...]
DIGITS = DataConfig(dataset="digits")
CONFIGS: dict[str, PretrainConfig] = {
    "deep": dataclasses.replace(get_recipe("tutorial-deep"), data=DIGITS),
    "dense64": dataclasses.replace(get_recipe("tutorial-dense64"), data=DIGITS),
    "tabular": dataclasses.replace(
        get_recipe("tutorial-tabular"),
        data=dataclasses.replace(get_recipe("tutorial-tabular").data, tabular_samples=300),
    ),
    "k-sparse": dataclasses.replace(
        get_recipe("k-sparse"), split=TUTORIAL_SPLIT, objective=ObjectiveConfig(k_decay_steps=0)
    ),
    "vae": dataclasses.replace(get_recipe("vae"), split=TUTORIAL_SPLIT),
    "conv": dataclasses.replace(
        get_recipe("conv"),
        split=TUTORIAL_SPLIT,
        model=ModelConfig(channels=(4, 6, 8), latent_dim=5, code_activation="relu"),
    ),
}
BATCH = 32


def needs(library: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(importlib.util.find_spec(library) is None, reason=f"{library} is not installed")


def make_job(name: str) -> TrainingJob:
    return TrainingWorkload(CONFIGS[name]).prepare(None)


def sort_parameters(params: Any) -> list[tuple[Path, np.ndarray]]:
    """Returns the parameters of aejax from inputs to outputs, each layer's weights before its bias."""

    def sort_key(item: tuple[Path, np.ndarray]) -> tuple[Any, ...]:
        part, *between, layer, parameter = item[0]
        depth = 2 if layer in ("code", "log_variance", "output") else 1 if between or "Conv" in layer else 0
        number = int(layer.rpartition("_")[2]) if "_" in layer and layer[0].isupper() else 0
        return part != "encoder", depth, number, layer.startswith("BatchNorm"), layer, parameter == "bias"

    flat = jax.tree_util.tree_flatten_with_path(params)[0]
    return sorted(((tuple(key.key for key in path), np.asarray(leaf)) for path, leaf in flat), key=sort_key)


def our_losses(job: TrainingJob, inputs: np.ndarray) -> tuple[list[tuple[Path, np.ndarray]], list[float]]:
    """Returns the initial parameters, and the loss of a batch before and after one step on it."""
    kind = KINDS[job.config.method](problem_spec_for(job.config, job.dataset))
    variables = kind.model.init(jax.random.key(0))
    params = dict(variables["params"])
    params.pop("elbo", None)
    if job.config.method == "vae":  # nearly no noise, which libraries draw differently
        encoder = params["encoder"]
        quiet = {
            "kernel": jnp.zeros_like(encoder["log_variance"]["kernel"]),
            "bias": jnp.full_like(encoder["log_variance"]["bias"], -9.9),
        }
        params["encoder"] = {**encoder, "log_variance": quiet}
    optimizer = make_optimizer(job.config.optimizer, 1, 1)
    batch = Batch(jnp.asarray(inputs), jnp.zeros(len(inputs), int))

    def loss(updated: Any) -> jax.Array:
        merged = {**variables, "params": {**variables["params"], **updated}}
        return kind.objective.loss(merged, batch, jax.random.key(1))[0]

    before, gradient = jax.jit(jax.value_and_grad(loss))(params)
    updates, _ = jax.jit(optimizer.update)(gradient, optimizer.init(params), params)
    after = jax.jit(loss)(optax.apply_updates(params, updates))
    return sort_parameters(params), [float(before), float(after)]


def assert_losses_agree(name: str, theirs: list[float], ours: list[float]) -> None:
    """The losses after the step differ by the place of Adam's epsilon."""
    assert theirs[0] == pytest.approx(ours[0], rel=1e-3 if name == "vae" else 1e-5)
    assert theirs[1] == pytest.approx(ours[1], rel=1e-3 if name == "vae" else 5e-5)


def as_keras(path: Path, value: np.ndarray) -> np.ndarray:
    """Swaps the channel axes of a transposed convolution's kernel, as Keras has them."""
    return np.swapaxes(value, 2, 3) if "Transposed" in path[-2] and value.ndim == 4 else value


@needs("keras")
@pytest.mark.parametrize("name", CONFIGS)
def test_keras_has_the_same_losses(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "KERAS_BACKEND", "jax")
    job = make_job(name)
    inputs = job.scaled_inputs()[:BATCH]
    params, ours = our_losses(job, inputs)
    # Keras does not pass the strict settings of these tests.
    with warnings.catch_warnings(), jax.legacy_prng_key("allow"), jax.numpy_rank_promotion("allow"):
        warnings.simplefilter("ignore")
        from benchmark import keras_runner

        model = keras_runner.make_model(job, 0)
        values = [as_keras(path, value) for path, value in params]
        assert [tuple(variable.shape) for variable in model.trainable_variables] == [value.shape for value in values]
        for variable, value in zip(model.trainable_variables, values, strict=True):
            variable.assign(value)
        theirs = [float(model.train_on_batch(inputs, inputs)) for _ in range(2)]
    assert_losses_agree(name, theirs, ours)


def as_torch(path: Path, value: np.ndarray) -> np.ndarray:
    """Transposes weights, as PyTorch has them."""
    return value.T if path[-1] == "kernel" else value


@needs("torch")
@pytest.mark.parametrize("name", [name for name in CONFIGS if name != "conv"])  # PyTorch pads on the other side
def test_torch_has_the_same_losses(name: str) -> None:
    import torch
    from benchmark import torch_runner

    job = make_job(name)
    inputs = job.scaled_inputs()[:BATCH]
    params, ours = our_losses(job, inputs)
    learner = torch_runner.make_seed_model(job, 0, torch.device("cpu"))
    parameters = list(learner.model.parameters())
    assert [tuple(one.shape) for one in parameters] == [as_torch(*pair).shape for pair in params]
    with torch.no_grad():
        for one, pair in zip(parameters, params, strict=True):
            one.copy_(torch.from_numpy(as_torch(*pair).copy()))
    loss_of, theirs = torch_runner.make_loss(job.config), []
    for _ in range(2):
        learner.zero_grad()
        loss = loss_of(learner.model, torch.from_numpy(inputs))
        loss.backward()
        learner.step()
        theirs.append(float(loss.detach()))
    assert_losses_agree(name, theirs, ours)


@pytest.mark.slow
@needs("torch")
@pytest.mark.parametrize("name", ["deep", "tabular", "conv"])
def test_torch_learns_like_aejax(name: str) -> None:
    """The same model, data, loss, optimizer and initial distribution give equal losses but for randomness."""
    from benchmark import aejax_runner, torch_runner

    job, seeds = make_job(name), range(4)
    ours = np.array(aejax_runner.make_training_runner(job, seeds, 1).run(10)["loss"])
    theirs = np.array(torch_runner.make_training_runner(job, seeds, 1).run(10)["loss"])
    error = np.sqrt((ours.var(ddof=1) + theirs.var(ddof=1)) / len(seeds))
    assert abs(ours.mean() - theirs.mean()) < 5 * error + 0.01 * ours.mean()


def mean_squared_error(model: Any, inputs: np.ndarray) -> float:
    return float(np.mean((model.predict(inputs) - inputs) ** 2))


def test_the_loss_of_sklearn_is_the_mean_squared_error() -> None:
    from benchmark import sklearn_runner

    job = make_job("dense64")
    job = dataclasses.replace(job, rows=job.rows[:BATCH])  # one step
    model = sklearn_runner.make_model(job, 0)
    inputs = job.scaled_inputs()
    model.partial_fit(inputs, inputs)
    before = mean_squared_error(model, inputs)
    model.partial_fit(inputs, inputs)
    assert sklearn_runner.mean_squared_error(model) == pytest.approx(before, rel=1e-5)


@pytest.mark.parametrize(("name", "takes_part"), [("dense64", True), *((n, False) for n in CONFIGS if n != "dense64")])
def test_sklearn_takes_part_in_comparable_workloads(name: str, takes_part: bool) -> None:
    from benchmark.peers import peer_contenders

    contenders = peer_contenders(["sklearn"], "training", make_job(name), 4, 2)
    assert bool(contenders) == takes_part
    assert all("outputs are linear" in one.note for one in contenders)
