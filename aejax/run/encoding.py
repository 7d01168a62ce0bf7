"""From variables to features: of some rows for every seed, or of every row for the seeds of one turn."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Shaped

from aejax.classify.reading import Features
from aejax.data.examples import Examples, map_rows
from aejax.data.scalers import Scaler, scale
from aejax.evaluate.codes import code_measures
from aejax.methods import Method
from aejax.models.parts import Variables
from aejax.run.compiler import program_maker
from aejax.run.experiment import Experiment
from aejax.train.plan import Plan, Turn

Run = Callable[[Variables, Float[Array, "batch d"]], Float[Array, "batch ..."]]


@program_maker
def rows_program(plan: Plan, run: Callable[..., Any]) -> Callable[..., Any]:
    """`run` of the scaled examples at given rows, for every seed."""

    def of_seed(variables: Variables, scaler: Scaler, rows: Array, examples: Examples) -> Any:
        return map_rows(lambda batch: run(variables, batch.inputs), examples, scaler, rows)

    return plan.over(of_seed, shared=(2, 3))


def at_rows(
    experiment: Experiment, run: Run, variables: Variables, rows: Int[np.ndarray, " m"]
) -> Float[np.ndarray, "seeds m ..."]:
    """`run` of `rows` on the host, for every seed: features, or what a model's own classifier says."""
    program = rows_program(experiment.plan, run)
    placed = experiment.plan.put_shared(rows.astype(np.int32))
    return experiment.plan.fetch(
        experiment.compiler(program, variables, experiment.seed_scaler, placed, experiment.examples)
    )


class Encoded(NamedTuple):
    """A turn's features of every row, on the devices; or the inputs as they are stored, and what scales them."""

    values: Shaped[Array, "..."]  # (seeds, n, d); inputs: (n, d)
    scaler: Scaler | None  # of each seed; codes have none

    @property
    def shared(self) -> bool:
        """All seeds have the same values."""
        return self.scaler is not None

    @property
    def width(self) -> int:
        """Numbers in one example's features."""
        return self.values.shape[-1]


def encoded(experiment: Experiment, turn: Turn, method: Method, variables: Variables) -> Encoded:
    """What a method makes of every row.

    Args:
        experiment: whose rows.
        turn: for which seeds.
        method: whose features.
        variables: of every seed, on the host.
    """
    scaler = turn.put(experiment.scaler)
    if method.untouched:
        return Encoded(experiment.examples.inputs, scaler)
    program = rows_program(turn.plan, method.encode)
    every_row = turn.plan.put_shared(np.arange(len(experiment.dataset.labels), dtype=np.int32))
    return Encoded(experiment.compiler(program, turn.put(variables), scaler, every_row, experiment.examples), None)


@jax.jit
def _scaled(scaler: Scaler, inputs: Shaped[Array, "m d"]) -> Float[Array, "m d"]:
    return scale(scaler, inputs)


def scaled_inputs(experiment: Experiment, seed: int, rows: Int[np.ndarray, " m"]) -> Float[np.ndarray, "m d"]:
    """Inputs as a seed's scaler leaves them, on the host."""
    scaler = jax.tree.map(lambda leaf: leaf[seed], experiment.scaler)
    inputs = experiment.dataset.inputs[rows].reshape(len(rows), -1)
    return np.asarray(experiment.compiler(_scaled, scaler, inputs))


def features_at(
    experiment: Experiment, turn: Turn, features: Encoded, place: int, rows: Int[np.ndarray, " m"]
) -> Float[np.ndarray, "m d"]:
    """The features of `rows` for the seed at a place of the turn, on the host."""
    if features.shared:
        return scaled_inputs(experiment, int(turn.seeds[place]), rows)
    return turn.plan.fetch_seed(features.values, place)[rows]


@program_maker
def _taking(plan: Plan) -> Callable[..., Any]:
    return plan.over(lambda values, rows: Features(values).at(rows), shared=(1,))


def taken(
    experiment: Experiment, turn: Turn, features: Encoded, rows: Int[np.ndarray, " m"]
) -> Float[np.ndarray, "seeds m d"]:
    """The features of the same few `rows` for every seed of the turn, on the host."""
    if features.shared:
        return np.stack([scaled_inputs(experiment, int(seed), rows) for seed in turn.seeds])
    placed = turn.plan.put_shared(rows.astype(np.int32))
    return turn.plan.fetch(experiment.compiler(_taking(turn.plan), features.values, placed))


@program_maker
def _measuring(plan: Plan) -> Callable[..., Any]:
    def of_seed(values: Array, train: Array, test: Array) -> dict[str, Array]:
        return code_measures(jnp.take(values, train, axis=0), jnp.take(values, test, axis=0))

    return plan.over(of_seed, shared=(2,))


def measured(experiment: Experiment, turn: Turn, features: Encoded) -> dict[str, Float[np.ndarray, " seeds"]]:
    """`code_measures` of a turn's codes."""
    rows = turn.put(experiment.split.train.astype(np.int32))
    program = _measuring(turn.plan)
    return turn.plan.fetch(experiment.compiler(program, features.values, rows, experiment.test))


def codes_measured(
    experiment: Experiment, method: Method, variables: Variables
) -> dict[str, Float[np.ndarray, " seeds"]]:
    """`code_measures` of a method's codes, where nothing else is asked of them; its variables are on the host."""
    plan = experiment.plan
    return plan.joined(
        [measured(experiment, turn, encoded(experiment, turn, method, variables)) for turn in plan.turns()]
    )
