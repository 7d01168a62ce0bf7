"""A kind whose objective reads settings from the variables, so that one program trains with any of them."""

import dataclasses
from collections.abc import Callable

from jaxtyping import Array, Float, PRNGKeyArray, Scalar

from aejax.config.carried import carrying
from aejax.data.examples import Batch
from aejax.kinds.kind import Kind, Report, Setting, Stage
from aejax.models.parts import HYPER, Variables
from aejax.objectives.objective import Aux, Objective


def carried_kind(make: Callable[[Setting], Kind], setting: Setting) -> Kind:
    """`make(setting)`, with what `variables["hyper"]` holds in place of the setting's own numbers.

    The objective is made anew within each trace, where these values are arguments of the program. The model and the
    order of the stages are those of `setting`: no carried value changes them.
    """
    made = make(setting)

    def at(variables: Variables) -> Kind:
        return make(dataclasses.replace(setting, objective=carrying(setting.objective, variables[HYPER])))

    def objective_of(choose: Callable[[Kind], Objective]) -> Objective:
        def loss(variables: Variables, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
            return choose(at(variables)).loss(variables, batch, key)

        def evaluate(variables: Variables, batch: Batch) -> dict[str, Float[Array, " batch"]]:
            return choose(at(variables)).evaluate(variables, batch)

        return Objective(loss, evaluate)

    def stage_objective(index: int) -> Objective:
        return objective_of(lambda kind: kind.stages[index].objective)

    def report(variables: Variables, inputs: Float[Array, "batch d"]) -> dict[str, Float[Array, " batch"]]:
        own: Report | None = at(variables).report
        assert own is not None
        return own(variables, inputs)

    return Kind(
        made.model,
        objective_of(lambda kind: kind.objective),
        stages=tuple(Stage(stage_objective(index), stage.trained) for index, stage in enumerate(made.stages)),
        report=None if made.report is None else report,
    )
