"""How features are classified."""

import dataclasses

from aejax.errors import require


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProbeConfig:
    """The convex probe: L2 multinomial logistic regression on features."""

    probe_c: float | None = None  # scikit-learn's C, fixed; default: the strength is chosen on validation rows
    probe_standardize: bool = True  # features to mean 0 and deviation 1 on the probe's training rows first

    def __post_init__(self) -> None:
        require(self.probe_c is None or self.probe_c > 0, f"--probe-c {self.probe_c}: expected above 0")


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
