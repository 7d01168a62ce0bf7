"""The inputs and the result of a kind of autoencoder, and the result with traced hyperparameters."""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

from jaxtyping import Array, Float

from aejax.config import ModelConfig, ObjectiveConfig
from aejax.config.train import replace_unvalidated
from aejax.models.architectures import dense_autoencoder
from aejax.models.autoencoder import Autoencoder
from aejax.models.submodules import HYPERPARAMETERS, Variables
from aejax.objectives.deterministic import autoencoder_objective
from aejax.objectives.objective import ElementwiseLoss, Objective, ScalarLike, make_reconstruction_loss

ExtraMetricsFn = Callable[[Variables, Float[Array, "batch d"]], dict[str, Float[Array, " batch"]]]


@dataclasses.dataclass(frozen=True)
class ProblemSpec:
    """The problem that all methods of one comparison solve."""

    model: ModelConfig  # resolved
    objective: ObjectiveConfig  # resolved
    example_shape: tuple[int, ...]
    n_classes: int
    is_bounded: bool  # scaled inputs lie in [0, 1]

    @property
    def n_features(self) -> int:
        """d, the number of entries of one example."""
        return math.prod(self.example_shape)

    @functools.cached_property
    def autoencoder(self) -> Autoencoder:
        """The dense autoencoder with `--hidden` and `--latent-dim`, which most kinds train."""
        return dense_autoencoder(self.model, self.n_features)

    def penalty_weight(self, weight: ScalarLike) -> ScalarLike:
        """Returns the weight of a penalty that is added to a mean over inputs.

        `mean over inputs + w / d * penalty` has the minimum of `sum over inputs + w * penalty`, and gradients whose
        scale does not depend on d.
        """
        return weight / self.n_features if self.objective.penalty_scale == "sum" else weight

    @property
    def reconstruction_loss(self) -> ElementwiseLoss:
        """The reconstruction loss of each entry."""
        assert self.objective.reconstruction is not None
        assert self.model.output is not None
        return make_reconstruction_loss(self.objective.reconstruction, self.model.output)


class Stage(NamedTuple):
    """A pretraining of some layers, before all layers are trained together."""

    objective: Objective
    trainable_paths: tuple[tuple[str, ...], ...]  # parameters that are updated


class AutoencoderSpec(NamedTuple):
    """One kind of autoencoder for one problem."""

    model: Autoencoder
    objective: Objective
    stages: tuple[Stage, ...] = ()  # run in this order before the main training
    extra_metrics: ExtraMetricsFn | None = None  # further metrics of test examples
    reconstructs: bool = True  # False: the decoder maps codes to something else, and what learns them is a control


def reconstruction_spec(problem: ProblemSpec, model: Autoencoder, **parts: Any) -> AutoencoderSpec:
    """Returns a model with the reconstruction loss of a problem; `parts` as of `autoencoder_objective`."""
    return AutoencoderSpec(model, autoencoder_objective(model, problem.reconstruction_loss, **parts))


def make_traced_spec(make: Callable[[ProblemSpec], AutoencoderSpec], problem: ProblemSpec) -> AutoencoderSpec:
    """Returns `make(problem)` with the hyperparameters in `variables["hyper"]` in place of those of `problem`.

    The objective is built inside each trace, where these values are arguments of the program. They change neither the
    model nor the stages.
    """
    spec = make(problem)

    def traced(choose: Callable[[AutoencoderSpec], Any]) -> Callable[..., Any]:
        """Returns a function of `(variables, ...)` that the spec with the variables' hyperparameters computes."""

        def compute(variables: Variables, *arguments: Any) -> Any:
            objective = replace_unvalidated(problem.objective, variables[HYPERPARAMETERS])
            return choose(make(dataclasses.replace(problem, objective=objective)))(variables, *arguments)

        return compute

    def traced_objective(choose: Callable[[AutoencoderSpec], Objective]) -> Objective:
        return Objective(traced(lambda other: choose(other).loss), traced(lambda other: choose(other).evaluate))

    def traced_stage(index: int, stage: Stage) -> Stage:
        return stage._replace(objective=traced_objective(lambda other: other.stages[index].objective))

    return spec._replace(
        objective=traced_objective(lambda other: other.objective),
        stages=tuple(traced_stage(index, stage) for index, stage in enumerate(spec.stages)),
        extra_metrics=spec.extra_metrics and traced(lambda other: other.extra_metrics),
    )
