"""Statistics of comparisons."""

import dataclasses
from typing import Literal

from aejax.errors import require

MetricName = Literal["accuracy", "balanced_accuracy", "auroc", "nll"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """Settings of the statistical comparison."""

    metric: MetricName = "accuracy"
    """What verdicts, their intervals and the best method are about. balanced_accuracy: mean recall of the classes;
    auroc: of each class against the rest, mean over classes; both for classes of unequal sizes. nll: in nats."""
    margin: float = 0.005
    """Largest difference of the metric without practical relevance: 0.005 is half a point of accuracy. A verdict of
    better or worse needs a larger difference; equivalent: the interval lies within it. Choose it before seeing
    results."""

    def __post_init__(self) -> None:
        require(0 <= self.margin < 1, f"--margin {self.margin}: expected at least 0, below 1; 0.005 is half a point")
