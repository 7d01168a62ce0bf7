"""Autoencoders whose objective reads hyperparameters from the variables, so that one program serves all values."""

import dataclasses
from collections.abc import Callable

from jaxtyping import Array, Float, PRNGKeyArray, Scalar

from aejax.autoencoders.spec import AutoencoderSpec, ExtraMetricsFn, ProblemSpec, Stage
from aejax.config.traced_hyperparameters import replace_unvalidated
from aejax.data.batching import Batch
from aejax.models.submodules import HYPERPARAMETERS, Variables
from aejax.objectives.objective import Aux, Objective


def make_traced_spec(make: Callable[[ProblemSpec], AutoencoderSpec], problem: ProblemSpec) -> AutoencoderSpec:
    """Returns `make(problem)` with the hyperparameters in `variables["hyper"]` in place of those of `problem`.

    The objective is built inside each trace, where these values are arguments of the program. They change neither the
    model nor the stages.
    """
    spec = make(problem)

    def at(variables: Variables) -> AutoencoderSpec:
        return make(
            dataclasses.replace(problem, objective=replace_unvalidated(problem.objective, variables[HYPERPARAMETERS]))
        )

    def objective_of(choose: Callable[[AutoencoderSpec], Objective]) -> Objective:
        def loss(variables: Variables, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
            return choose(at(variables)).loss(variables, batch, key)

        def evaluate(variables: Variables, batch: Batch) -> dict[str, Float[Array, " batch"]]:
            return choose(at(variables)).evaluate(variables, batch)

        return Objective(loss, evaluate)

    def stage_objective(index: int) -> Objective:
        return objective_of(lambda other: other.stages[index].objective)

    def extra_metrics(variables: Variables, inputs: Float[Array, "batch d"]) -> dict[str, Float[Array, " batch"]]:
        compute: ExtraMetricsFn | None = at(variables).extra_metrics
        assert compute is not None
        return compute(variables, inputs)

    return AutoencoderSpec(
        spec.model,
        objective_of(lambda other: other.objective),
        stages=tuple(Stage(stage_objective(index), stage.trainable_paths) for index, stage in enumerate(spec.stages)),
        extra_metrics=None if spec.extra_metrics is None else extra_metrics,
        reconstructs=spec.reconstructs,
    )
