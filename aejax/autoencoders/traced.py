"""A kind whose objective reads settings from the variables, so that one program trains with any of them."""

import dataclasses
from collections.abc import Callable

from jaxtyping import Array, Float, PRNGKeyArray, Scalar

from aejax.autoencoders.spec import AutoencoderSpec, ExtraMetricsFn, ProblemSpec, Stage
from aejax.config.traced_hyperparameters import replace_unvalidated
from aejax.data.batching import Batch
from aejax.models.submodules import HYPERPARAMETERS, Variables
from aejax.objectives.objective import Aux, Objective


def make_traced_spec(make: Callable[[ProblemSpec], AutoencoderSpec], problem: ProblemSpec) -> AutoencoderSpec:
    """`make(setting)`, with what `variables["hyper"]` holds in place of the setting's own numbers.

    The objective is made anew within each trace, where these values are arguments of the program. The model and the
    order of the stages are those of `setting`: no carried value changes them.
    """
    made = make(problem)

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
        return objective_of(lambda kind: kind.stages[index].objective)

    def report(variables: Variables, inputs: Float[Array, "batch d"]) -> dict[str, Float[Array, " batch"]]:
        own: ExtraMetricsFn | None = at(variables).extra_metrics
        assert own is not None
        return own(variables, inputs)

    return AutoencoderSpec(
        made.model,
        objective_of(lambda kind: kind.objective),
        stages=tuple(Stage(stage_objective(index), stage.trainable_paths) for index, stage in enumerate(made.stages)),
        extra_metrics=None if made.extra_metrics is None else report,
    )
