"""How features are classified."""

import dataclasses
from typing import Literal

from aejax.errors import require


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProbeConfig:
    """What classifies features, the same for every method that has no classifier of its own."""

    probe: Literal["logistic", "ridge", "knn", "finetune"] = "logistic"
    """logistic: L2 multinomial logistic regression. ridge: least squares on one-hot targets. knn: nearest neighbours.
    finetune: a softmax head trained together with the encoder, which goes on from where it was; features without an
    encoder keep the logistic probe."""
    probe_c: float | None = None  # scikit-learn's C, fixed; default: the strength is chosen on validation rows
    probe_standardize: bool = True  # features to mean 0 and deviation 1 on the probe's training rows first
    finetune_epochs: int = 50  # of --probe finetune: passes over the labelled training rows; the best one is kept
    finetune_encoder_learning_rate: float = 1e-4  # Adam's step size for the encoder
    finetune_head_learning_rate: float = 1e-3  # and for the head

    def __post_init__(self) -> None:
        require(self.probe_c is None or self.probe_c > 0, f"--probe-c {self.probe_c}: expected above 0")
        require(self.finetune_epochs >= 1, f"--finetune-epochs {self.finetune_epochs}: expected at least 1")
        for name in ("finetune_encoder_learning_rate", "finetune_head_learning_rate"):
            rate = getattr(self, name)
            require(rate > 0, f"--{name.replace('_', '-')} {rate}: expected above 0")


@dataclasses.dataclass(frozen=True, kw_only=True)
class HeadConfig:
    """The tutorials' second stage: a softmax layer trained by gradient steps on the frozen encoder."""

    head_epochs: int = 5  # passes over the labelled training rows
    head_batch_size: int = 32  # examples per step
    head_learning_rate: float = 1e-3  # Adam's step size

    def __post_init__(self) -> None:
        require(self.head_epochs >= 1, f"--head-epochs {self.head_epochs}: expected at least 1")
        require(self.head_batch_size >= 1, f"--head-batch-size {self.head_batch_size}: expected at least 1")
        require(self.head_learning_rate > 0, f"--head-learning-rate {self.head_learning_rate}: expected above 0")
