"""Autoencoders whose objective reads hyperparameters from the variables, so that one program serves all values."""

import dataclasses
from collections.abc import Callable
from typing import Any

from aejax.autoencoders.spec import AutoencoderSpec, ProblemSpec, Stage
from aejax.config.traced_hyperparameters import replace_unvalidated
from aejax.models.submodules import HYPERPARAMETERS, Variables
from aejax.objectives.objective import Objective


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
