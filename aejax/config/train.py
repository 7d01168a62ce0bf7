"""Training length, optimizer, and placement on devices."""

import dataclasses
from typing import Literal

from aejax.config.validation import require_at_least, require_fields, require_positive


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Training length and batch size."""

    epochs: int = 100  # passes over the training rows
    batch_size: int = 64  # examples per step; at most the training rows

    def __post_init__(self) -> None:
        require_at_least(1, self, "epochs", "batch_size")


@dataclasses.dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """An optax optimizer and its schedule."""

    optimizer: Literal["adam", "adamw", "adadelta", "sgd"] = "adam"  # update rule
    learning_rate: float = 1e-3  # peak step size (adadelta: use 1.0)
    schedule: Literal["constant", "cosine"] = "constant"  # after the warm-up
    warmup_epochs: float = 0.0  # epochs of linear rise from 0 to the peak
    momentum: float = 0.9  # sgd only
    weight_decay: float = 1e-4  # adamw only, decoupled; supervised methods choose theirs by the labels
    clip_norm: float | None = None  # largest global gradient norm; default: no clipping

    def __post_init__(self) -> None:
        require_positive(self, "learning_rate", "clip_norm")
        require_at_least(0, self, "warmup_epochs", "weight_decay")
        require_fields(self, lambda value: 0 <= value < 1, "at least 0, below 1", "momentum")


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlanConfig:
    """Placement of seeds on devices."""

    within_device: Literal["vmap", "serial"] | None = None  # how seeds share a device; default: by backend
    devices: int | None = None  # number of JAX devices to use; default: all
    batch_devices: int = 1  # number of devices that share each batch, if model or batch do not fit on one

    def __post_init__(self) -> None:
        require_at_least(1, self, "devices", "batch_devices")
