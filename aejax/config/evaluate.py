"""Classifiers of features, and the statistics of comparisons."""

import dataclasses
import itertools
from typing import Literal

from aejax.config.validation import require_at_least, require_positive
from aejax.errors import require

MetricName = Literal["accuracy", "balanced_accuracy", "auroc", "nll"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProbeConfig:
    """The classifier of every method that does not bring its own."""

    probe: Literal["logistic", "ridge", "knn", "top-units", "finetune"] = "logistic"
    """logistic: L2 multinomial logistic regression. ridge: least squares on one-hot targets. knn: nearest neighbours.
    top-units: for each class, a logistic regression on the few features whose means differ most between it and the
    others. finetune: a softmax head trained together with the encoder, which starts from its trained weights; features
    without an encoder keep the logistic probe."""
    probe_c: float | None = None
    """Inverse penalty as in scikit-learn. Default: chosen by cross-validation on up to 1,000 labels, and by the
    validation rows on more."""
    probe_standardize: bool = True  # standardize features on all training inputs, labelled or not
    probe_units: tuple[int, ...] = (1, 2, 5, 16, 128)
    """--probe top-units: numbers of features that the probe of a class has; verdicts are about the last, and results
    have all."""
    finetune_epochs: int = 50
    """--probe finetune: passes over the labelled rows at most; their number and the weight decay are chosen by the
    labels."""
    finetune_encoder_learning_rate: float = 1e-4  # --probe finetune: Adam's step size for the encoder
    finetune_head_learning_rate: float = 1e-3  # --probe finetune: Adam's step size for the head

    def __post_init__(self) -> None:
        require_positive(self, "probe_c", "finetune_encoder_learning_rate", "finetune_head_learning_rate")
        require_at_least(1, self, "finetune_epochs")
        units = self.probe_units
        require(
            units and units[0] >= 1 and all(one < more for one, more in itertools.pairwise(units)),
            f"--probe-units {' '.join(map(str, units))}: expected one or more numbers from 1, in ascending order",
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class HeadConfig:
    """A softmax layer trained by gradient steps on the frozen encoder, as in the tutorials."""

    head_epochs: int = 5  # passes over the labelled training rows
    head_batch_size: int = 32  # examples per step
    head_learning_rate: float = 1e-3  # Adam's step size

    def __post_init__(self) -> None:
        require_at_least(1, self, "head_epochs", "head_batch_size")
        require_positive(self, "head_learning_rate")


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
