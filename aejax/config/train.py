"""How long, by which optimizer, and laid out how over the machine."""

import dataclasses
from typing import Literal

from aejax.errors import require


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How long and in what portions."""

    epochs: int = 100  # passes over the training rows
    batch_size: int = 64  # examples per step; at most the training rows

    def __post_init__(self) -> None:
        require(self.epochs >= 1, f"--epochs {self.epochs}: expected at least 1")
        require(self.batch_size >= 1, f"--batch-size {self.batch_size}: expected at least 1")


@dataclasses.dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """An optax optimizer and its schedule."""

    optimizer: Literal["adam", "adamw", "adadelta", "sgd"] = "adam"
    learning_rate: float = 1e-3  # peak step size (adadelta: use 1.0)
    schedule: Literal["constant", "cosine"] = "constant"  # after the warm-up
    warmup_epochs: float = 0.0  # epochs of linear rise from 0 to the peak
    momentum: float = 0.9  # sgd only
    weight_decay: float = 1e-4  # adamw only, decoupled
    clip_norm: float | None = None  # largest global gradient norm; default: none

    def __post_init__(self) -> None:
        require(self.learning_rate > 0, f"--learning-rate {self.learning_rate}: expected above 0")
        require(self.warmup_epochs >= 0, f"--warmup-epochs {self.warmup_epochs}: expected at least 0")
        require(0 <= self.momentum < 1, f"--momentum {self.momentum}: expected at least 0, below 1")
        require(self.weight_decay >= 0, f"--weight-decay {self.weight_decay}: expected at least 0")
        require(self.clip_norm is None or self.clip_norm > 0, f"--clip-norm {self.clip_norm}: expected above 0")


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlanConfig:
    """How seeds are laid over the machine."""

    within_device: Literal["vmap", "serial"] | None = None  # several seeds on one device; default: by the backend
    devices: int | None = None  # how many of JAX's devices to use; default: all
    batch_devices: int = 1  # how many of them share each batch, for models or batches that one cannot hold

    def __post_init__(self) -> None:
        require(self.batch_devices >= 1, f"--batch-devices {self.batch_devices}: expected at least 1")
        require(self.devices is None or self.devices >= 1, f"--devices {self.devices}: expected at least 1")
