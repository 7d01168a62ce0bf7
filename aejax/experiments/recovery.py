"""How well decoders recover the directions that synthetic examples are sums of, see `aejax.data.superposition`."""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Scalar

from aejax.evaluate.code_metrics import direction_recovery
from aejax.experiments.compilation import cached_jit
from aejax.experiments.experiment import Experiment
from aejax.methods.method import Method
from aejax.models.autoencoder import Autoencoder
from aejax.models.submodules import Variables
from aejax.train.plan import Plan


def evaluate_recovery(
    experiment: Experiment, method: Method, variables: Variables
) -> dict[str, Float[np.ndarray, " seeds"]]:
    """Returns `recovery` of each seed; nothing if the directions are unknown, or the method has no decoder.

    A unit's atom is the change of the output from a code of zeros when the unit is 1: the row of a linear decoder.
    Directions are compared in scaled input units, as the decoder's outputs are.
    """
    directions = experiment.dataset.directions
    decodes = method.objective is None or method.reconstruct is not None  # else the decoder is trained for a control
    if directions is None or method.model is None or method.features_of or method.supervised or not decodes:
        return {}
    scaled = directions[None] * experiment.scaler.scale[:, None, :]
    program = _recovery_program(experiment.plan, method.model)
    return {"recovery": experiment.plan.to_host(program(variables, experiment.plan.shard(scaled)))}


@cached_jit
def _recovery_program(plan: Plan, model: Autoencoder) -> Callable[..., Array]:
    def evaluate_seed(variables: Variables, directions: Float[Array, "g d"]) -> Scalar:
        width = model.encode(variables, jnp.zeros((1, model.n_features))).shape[1]
        codes = jnp.concatenate([jnp.eye(width), jnp.zeros((1, width))])
        outputs = model.decode_logits(variables, codes)
        return direction_recovery(outputs[:-1] - outputs[-1:], directions)

    return plan.map_seeds(evaluate_seed)
