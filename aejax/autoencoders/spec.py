"""What a kind of autoencoder is made from, and of."""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import NamedTuple

from jaxtyping import Array, Float

from aejax.config import ModelConfig, ObjectiveConfig
from aejax.models.architectures import dense_autoencoder
from aejax.models.autoencoder import Autoencoder
from aejax.models.submodules import Variables
from aejax.objectives.objective import Objective
from aejax.objectives.reconstruction import ElementwiseLoss, make_reconstruction_loss

ExtraMetricsFn = Callable[[Variables, Float[Array, "batch d"]], dict[str, Float[Array, " batch"]]]


@dataclasses.dataclass(frozen=True)
class ProblemSpec:
    """What all methods of one comparison have in common."""

    model: ModelConfig  # resolved
    objective: ObjectiveConfig  # resolved
    example_shape: tuple[int, ...]  # of one example
    n_classes: int
    is_bounded: bool  # scaled inputs lie in [0, 1]

    @property
    def n_features(self) -> int:
        """d, numbers in one example."""
        return math.prod(self.example_shape)

    @functools.cached_property
    def autoencoder(self) -> Autoencoder:
        """The dense architecture of `--hidden` and `--latent-dim`, which most kinds train."""
        return dense_autoencoder(self.model, self.n_features)

    @property
    def reconstruction_loss(self) -> ElementwiseLoss:
        """The error of each entry."""
        assert self.objective.reconstruction is not None
        assert self.model.output is not None
        return make_reconstruction_loss(self.objective.reconstruction, self.model.output)


class Stage(NamedTuple):
    """A training of some layers before that of the whole."""

    objective: Objective
    trainable_paths: tuple[tuple[str, ...], ...]  # paths of the parameters that it changes


class AutoencoderSpec(NamedTuple):
    """One kind of autoencoder, for one setting."""

    model: Autoencoder
    objective: Objective
    stages: tuple[Stage, ...] = ()  # trained one after the other before the whole
    extra_metrics: ExtraMetricsFn | None = None  # what else is said of examples that are judged
