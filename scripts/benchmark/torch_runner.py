"""PyTorch as a contender: the same architecture, initial distribution, loss, optimizer, batches and steps.

These settings were measured to be the fastest on CPU: data in memory as scaled float32, `index_select` by a permutation
per epoch, fused Adam, gradients set to None, the loss kept as a tensor until the epoch ends, images in channels-last
memory. Compiled, the loss with its gradient and the optimizer's step go through `torch.compile`. If PyTorch finds a
CUDA device, everything is on it, and the clock stops when it has finished; this has not been tried yet.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
import torch.compiler.config
from torch import Tensor, nn

from aejax.config import OptimizerConfig, PretrainConfig
from aejax.data.shuffling import steps_per_epoch
from benchmark.architecture import make_architecture, require_plain_optimizer
from benchmark.torch_layers import build_autoencoder, build_layers
from benchmark.training_job import MakeRunner, Runner, TrainingJob, UnsupportedJobError

LossFn = Callable[[nn.Module, Tensor], Tensor]
ENCODING_BATCH_SIZE = 4096  # larger ones are no faster


def default_device() -> torch.device:
    """Returns the accelerator, if PyTorch finds one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def load_inputs(job: TrainingJob, device: torch.device) -> Tensor:
    """Returns the scaled training rows on a device, `(n_train, features)`."""
    return torch.from_numpy(job.scaled_inputs()).to(device)


def make_optimizer(config: OptimizerConfig, model: nn.Module) -> torch.optim.Optimizer:
    """Returns the optimizer of a config, with the same constants as in aejax."""
    require_plain_optimizer(config)
    if config.optimizer == "adadelta":
        return torch.optim.Adadelta(model.parameters(), lr=config.learning_rate, rho=0.95, eps=1e-7)
    return torch.optim.Adam(model.parameters(), lr=config.learning_rate, fused=True)


def make_loss(config: PretrainConfig) -> LossFn:
    """Returns the mean over batch and features, computed from logits; for a `vae` the negative ELBO."""
    if config.method == "vae":
        assert config.objective.likelihood == "bernoulli"
        return negative_elbo
    if config.objective.reconstruction == "bce":
        return lambda model, batch: nn.functional.binary_cross_entropy_with_logits(model(batch), batch)
    activate = torch.sigmoid if config.model.output == "sigmoid" else nn.Identity()
    return lambda model, batch: nn.functional.mse_loss(activate(model(batch)), batch)


def negative_elbo(model: nn.Module, batch: Tensor) -> Tensor:
    """Returns `-E_q[log p(x|z)] + KL(q || N(0, 1))` in nats, mean over the batch."""
    logits, mean, log_variance = model(batch)
    error = nn.functional.binary_cross_entropy_with_logits(logits, batch, reduction="sum")
    divergence = 0.5 * torch.sum(mean.square() + log_variance.exp() - log_variance - 1)
    return (error + divergence) / len(batch)


def epoch_batches(rows: int, batch_size: int, generator: torch.Generator) -> Tensor:
    """Returns a permutation in full batches `(steps, batch)`; the last is filled up with the first rows."""
    batch = min(batch_size, rows)
    shuffled = torch.randperm(rows, generator=generator)
    missing = steps_per_epoch(rows, batch) * batch - rows
    return torch.cat([shuffled, shuffled[:missing]]).view(-1, batch)


class SeedModel(NamedTuple):
    """The model of one seed, and what trains it."""

    model: nn.Module
    zero_grad: Callable[..., None]
    step: Callable[[], Any]
    generator: torch.Generator  # of the shuffling


def make_seed_model(job: TrainingJob, seed: int, device: torch.device) -> SeedModel:
    """Returns the untrained model of a seed."""
    torch.manual_seed(seed)
    model = build_autoencoder(job.config, job.dataset.inputs.shape[1:]).train().to(device)
    optimizer = make_optimizer(job.config.optimizer, model)
    return SeedModel(model, optimizer.zero_grad, optimizer.step, torch.Generator().manual_seed(seed))


def make_training_runner(job: TrainingJob, seeds: Sequence[int], threads: int, *, compiled: bool = False) -> Runner:
    """Returns a runner that trains one seed after the other with `threads` threads.

    Args:
        job: the data and the model.
        seeds: one model each.
        threads: of PyTorch.
        compiled: with `torch.compile`; the seconds of each model's first step are reported, and the runner raises
            UnsupportedJobError, in one line, if something cannot be compiled.
    """
    torch.set_num_threads(threads)
    models = [make_seed_model(job, seed, default_device()) for seed in seeds]
    if not compiled:
        return _make_runner(job, models, make_loss(job.config), None)
    torch.compiler.config.recompile_limit = 8 + len(seeds)  # each optimizer is compiled separately
    models = [one._replace(step=torch.compile(one.step)) for one in models]
    runner = _make_runner(job, models, torch.compile(make_loss(job.config)), {"step": 0.0})

    def run(epochs: int) -> dict[str, Any]:
        try:
            return runner.run(epochs)
        except RuntimeError as error:  # the base of all errors of the compiler
            raise UnsupportedJobError(f"{type(error).__name__}: {str(error).strip().splitlines()[0]}") from error

    return Runner(run, runner.facts)


def _make_runner(
    job: TrainingJob, models: Sequence[SeedModel], loss_fn: LossFn, compile_seconds: dict[str, float] | None
) -> Runner:
    device, batch_size = default_device(), job.config.train.batch_size
    inputs = load_inputs(job, device)
    started: set[int] = set()  # models that have made their first step

    def step(one: SeedModel, rows: Tensor) -> Tensor:
        batch = inputs.index_select(0, rows)
        one.zero_grad(set_to_none=True)
        loss = loss_fn(one.model, batch)
        loss.backward()
        one.step()
        return loss.detach()

    def run(epochs: int) -> dict[str, Any]:
        losses = []
        for index, one in enumerate(models):
            for _ in range(epochs):
                order = epoch_batches(len(inputs), batch_size, one.generator).to(device)
                total = torch.zeros((), device=device)
                for rows in order:
                    began = time.perf_counter()
                    total += step(one, rows)
                    if compile_seconds is not None and index not in started:
                        started.add(index)
                        compile_seconds["step"] += time.perf_counter() - began
            losses.append(float(total / len(order)))
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return {"loss": losses, "steps": steps_per_epoch(len(inputs), batch_size)}

    facts = {"version": torch.__version__, "device": str(device), "compile_seconds": compile_seconds}
    return Runner(run, lambda: facts)


def make_encoding_runner(job: TrainingJob, seeds: Sequence[int], threads: int) -> Runner:
    """Returns a runner with an untrained encoder per seed, that encodes all rows and fetches the codes."""
    torch.set_num_threads(threads)
    device = default_device()
    inputs = load_inputs(job, device)
    layers, encoders = make_architecture(job.config, job.dataset.inputs.shape[1:]).encoder, []
    for seed in seeds:
        torch.manual_seed(seed)
        encoders.append(build_layers(layers, job.config.model.conventions).train(False).to(device))

    def run(rounds: int) -> dict[str, Any]:
        with torch.inference_mode():
            for _ in range(rounds):
                for encoder in encoders:
                    codes = torch.cat([encoder(batch) for batch in inputs.split(ENCODING_BATCH_SIZE)]).cpu().numpy()
        return {"codes": list(codes.shape)}

    return Runner(run, lambda: {"version": torch.__version__, "device": str(device), "compile_seconds": None})


RUNNERS: dict[str, MakeRunner] = {"training": make_training_runner, "encoding": make_encoding_runner}
