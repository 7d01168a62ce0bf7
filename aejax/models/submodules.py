"""Models as named submodules, each with its own parameter subtree, and functions that apply one of them.

Variables are plain nested dicts, `{"params": {"encoder": ..., "decoder": ...}, "batch_stats": {...}}`, so a
submodule is frozen, saved or replaced by its key. If hyperparameters are traced, `"hyper"` has them by name.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from aejax.config import ComputeDtype

Variables = dict[str, dict[str, Any]]  # {"params": {name: tree}, "batch_stats": {name: tree}}
HYPERPARAMETERS = "hyper"  # collection of traced hyperparameters; objectives and optimizers read it, modules do not


def init_submodules(key: PRNGKeyArray, modules: dict[str, nn.Module], example: Float[Array, "1 d"]) -> Variables:
    """Initialises a chain of modules, each applied to the output of the one before."""
    variables: Variables = {"params": {}, "batch_stats": {}}
    outputs = example
    for index, (name, module) in enumerate(modules.items()):
        outputs, initial = module.init_with_output(jax.random.fold_in(key, index), outputs, train=False)
        variables["params"][name] = initial["params"]
        variables["batch_stats"][name] = initial.get("batch_stats", {})
    return variables


def submodule_variables(variables: Variables, name: str) -> dict[str, Any]:
    """Returns `{"params": ..., "batch_stats": ...}` of one submodule, as Flax expects."""
    return {collection: trees[name] for collection, trees in variables.items() if collection != HYPERPARAMETERS}


def apply_eval(
    module: nn.Module, variables: Variables, name: str, inputs: Float[Array, "batch ..."]
) -> Float[Array, "batch ..."]:
    """Applies a submodule in evaluation mode, with stored batch statistics."""
    outputs = module.apply(submodule_variables(variables, name), inputs, train=False)
    assert not isinstance(outputs, tuple)  # Flax adds a second result only for mutable collections
    return outputs


def apply_train(
    module: nn.Module,
    variables: Variables,
    name: str,
    inputs: Float[Array, "batch ..."],
    compute_dtype: ComputeDtype = "float32",
) -> tuple[Float[Array, "batch ..."], dict[str, Any]]:
    """Applies a submodule in training mode, and returns its updated batch statistics too.

    Layers compute in `compute_dtype`. Inputs, outputs, parameters, gradients and batch statistics are float32.
    """
    selected = submodule_variables(variables, name)
    if compute_dtype != "float32":
        selected = {**selected, "params": _cast(selected["params"], compute_dtype)}
        inputs = inputs.astype(compute_dtype)
    outputs, changed = module.apply(selected, inputs, train=True, mutable=["batch_stats"])
    return outputs.astype(jnp.float32), _cast(changed.get("batch_stats", {}), "float32")


def _cast(tree: Any, dtype: ComputeDtype) -> Any:
    return jax.tree.map(lambda leaf: leaf.astype(dtype), tree)
