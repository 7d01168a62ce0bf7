"""PyTorch as a contender: the same architecture, initial distribution, loss, optimizer, batches and steps.

At its best honest setting on CPU, each choice measured against its alternatives: data resident as scaled float32,
`index_select` by a permutation per epoch, Adam fused, gradients set to None, the loss kept on the tensor side until
the epoch ends, images in channels-last memory. Compiled, the same with the loss, and with it its gradient, and the
optimizer's step through `torch.compile`. Where PyTorch finds a CUDA device all of it lies there, and the clock stops
when the device has finished; that has not been run yet.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from aejax.config import OptimizerConfig, PretrainConfig
from aejax.data.shuffling import steps_per_epoch
from benchmark.training.job import Runner, TrainingJob, UnsupportedJobError
from benchmark.training.torch_layers import MODELS

LossFn = Callable[[nn.Module, Tensor], Tensor]


def default_device() -> torch.device:
    """The accelerator, if PyTorch finds one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def synchronize(device: torch.device) -> None:
    """Wait until the device has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def scaled_inputs(job: TrainingJob, device: torch.device) -> Tensor:
    """The training rows as the scaled float32 that every step reads, `(n_train, features)`."""
    flat = job.dataset.inputs.reshape(len(job.dataset.inputs), -1)[job.rows]
    inputs = torch.from_numpy(flat).float().sub_(torch.from_numpy(job.shift)).mul_(torch.from_numpy(job.scale))
    return inputs.to(device)


def make_optimizer(config: OptimizerConfig, model: nn.Module) -> torch.optim.Optimizer:
    """The optimizer of a config, with the constants that this project gives it."""
    optimizers: dict[str, Callable[[], torch.optim.Optimizer]] = {
        "adam": lambda: torch.optim.Adam(model.parameters(), lr=config.learning_rate, fused=True),
        "adadelta": lambda: torch.optim.Adadelta(model.parameters(), lr=config.learning_rate, rho=0.95, eps=1e-7),
    }
    assert config.schedule == "constant"
    assert config.warmup_epochs == 0
    assert config.clip_norm is None
    return optimizers[config.optimizer]()


def make_loss(config: PretrainConfig) -> LossFn:
    """Mean over batch and features, from outputs before their last activation; of a `vae`, the negative bound."""
    if config.method == "vae":
        assert config.objective.likelihood == "bernoulli"
        return negative_elbo
    if config.objective.reconstruction == "bce":
        return lambda model, batch: nn.functional.binary_cross_entropy_with_logits(model(batch), batch)
    activate = torch.sigmoid if config.model.output == "sigmoid" else nn.Identity()
    return lambda model, batch: nn.functional.mse_loss(activate(model(batch)), batch)


def negative_elbo(model: nn.Module, batch: Tensor) -> Tensor:
    """`-E_q[log p(x|z)] + KL(q || N(0, 1))` in nats, mean over the batch."""
    logits, mean, log_variance = model(batch)
    error = nn.functional.binary_cross_entropy_with_logits(logits, batch, reduction="sum")
    divergence = 0.5 * torch.sum(mean.square() + log_variance.exp() - log_variance - 1)
    return (error + divergence) / len(batch)


def epoch_batches(rows: int, batch_size: int, generator: torch.Generator) -> Tensor:
    """A permutation cut into full batches `(steps, batch)`; the last is filled up with the first rows."""
    batch = min(batch_size, rows)
    shuffled = torch.randperm(rows, generator=generator)
    missing = steps_per_epoch(rows, batch) * batch - rows
    return torch.cat([shuffled, shuffled[:missing]]).view(-1, batch)


class SeedModel(NamedTuple):
    """One seed's model and what trains it."""

    model: nn.Module
    zero_grad: Callable[..., None]
    step: Callable[[], Any]
    generator: torch.Generator  # of its order


def make_seed_model(job: TrainingJob, seed: int, device: torch.device) -> SeedModel:
    """The model of one seed, before its first step."""
    torch.manual_seed(seed)
    model = MODELS[job.config.method](job.config, job.dataset.inputs.shape[1:]).train().to(device)
    optimizer = make_optimizer(job.config.optimizer, model)
    return SeedModel(model, optimizer.zero_grad, optimizer.step, torch.Generator().manual_seed(seed))


def make_runner(job: TrainingJob, seeds: Sequence[int], threads: int) -> Runner:
    """One model per seed, trained one after the other with `threads` threads."""
    torch.set_num_threads(threads)
    learners = [make_seed_model(job, seed, default_device()) for seed in seeds]
    return _make_runner(job, learners, make_loss(job.config), None)


def make_compiled_runner(job: TrainingJob, seeds: Sequence[int], threads: int) -> Runner:
    """The same, compiled; each model's first step is where that happens, and its seconds are written down.

    Raises:
        CannotTrainError: by `train`, in one line, what cannot be compiled.
    """
    torch.set_num_threads(threads)
    torch._dynamo.config.recompile_limit = 8 + len(seeds)  # each optimizer is compiled for itself
    learners = [make_seed_model(job, seed, default_device()) for seed in seeds]
    learners = [one._replace(step=torch.compile(one.step)) for one in learners]
    trainer = _make_runner(job, learners, torch.compile(make_loss(job.config)), {"step": 0.0})

    def train(epochs: int) -> dict[str, Any]:
        try:
            return trainer.run(epochs)
        except torch._dynamo.exc.TorchDynamoException as error:
            raise UnsupportedJobError(f"{type(error).__name__}: {str(error).strip().splitlines()[0]}") from error

    return Runner(train, trainer.facts)


def _make_runner(
    job: TrainingJob, learners: Sequence[SeedModel], loss_of: LossFn, compile_seconds: dict[str, float] | None
) -> Runner:
    device, batch_size = default_device(), job.config.train.batch_size
    inputs = scaled_inputs(job, device)
    begun: set[int] = set()  # learners that have made their first step

    def step(learner: SeedModel, rows: Tensor) -> Tensor:
        batch = inputs.index_select(0, rows)
        learner.zero_grad(set_to_none=True)
        loss = loss_of(learner.model, batch)
        loss.backward()
        learner.step()
        return loss.detach()

    def train(epochs: int) -> dict[str, Any]:
        losses = []
        for index, learner in enumerate(learners):
            for _ in range(epochs):
                order = epoch_batches(len(inputs), batch_size, learner.generator).to(device)
                total = torch.zeros((), device=device)
                for rows in order:
                    began = time.perf_counter()
                    total += step(learner, rows)
                    if compile_seconds is not None and index not in begun:
                        begun.add(index)
                        compile_seconds["step"] += time.perf_counter() - began
            losses.append(float(total / len(order)))
        synchronize(device)
        return {"loss": losses, "steps": steps_per_epoch(len(inputs), batch_size)}

    facts = {"version": torch.__version__, "device": str(device), "compile_seconds": compile_seconds}
    return Runner(train, lambda: facts)
