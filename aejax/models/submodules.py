"""Models as named parts: two modules, two parameter subtrees, and functions that run one part at a time.

Variables are plain nested dicts, `{"params": {"encoder": ..., "decoder": ...}, "batch_stats": {...}}`, so a part is
frozen, saved or replaced by its key. Where many settings are trained at once, `"hyper"` holds a run's own, by name.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from aejax.config import ComputeDtype

Variables = dict[str, dict[str, Any]]  # {"params": {part: tree}, "batch_stats": {part: tree}}
HYPERPARAMETERS = (
    "hyper"  # the collection of settings that a run carries: objectives and optimizers read it, modules do not
)


def init_submodules(key: PRNGKeyArray, modules: dict[str, nn.Module], example: Float[Array, "1 d"]) -> Variables:
    """Initialise a chain of modules, each fed with the one before. No batch statistics: an empty dict."""
    variables: Variables = {"params": {}, "batch_stats": {}}
    outputs = example
    for index, (part, module) in enumerate(modules.items()):
        outputs, own = module.init_with_output(jax.random.fold_in(key, index), outputs, train=False)
        variables["params"][part] = own["params"]
        variables["batch_stats"][part] = own.get("batch_stats", {})
    return variables


def submodule_variables(variables: Variables, name: str) -> dict[str, Any]:
    """What Flax expects for one part: `{"params": ..., "batch_stats": ...}` of that part alone."""
    return {collection: trees[name] for collection, trees in variables.items() if collection != HYPERPARAMETERS}


def apply_eval(
    module: nn.Module, variables: Variables, name: str, inputs: Float[Array, "batch ..."]
) -> Float[Array, "batch ..."]:
    """Run one part in evaluation mode: stored batch statistics, nothing changes."""
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
    """Run one part in training mode: statistics of this batch. Also returns the part's updated batch statistics.

    Layers work in the dtype `compute`. What comes in and what goes out is float32, and so are the parameters, their
    gradients and the batch statistics.
    """
    own = submodule_variables(variables, name)
    if compute_dtype != "float32":
        own, inputs = {**own, "params": _cast(own["params"], compute_dtype)}, inputs.astype(compute_dtype)
    outputs, changed = module.apply(own, inputs, train=True, mutable=["batch_stats"])
    return outputs.astype(jnp.float32), _cast(changed.get("batch_stats", {}), "float32")


def _cast(tree: Any, dtype: ComputeDtype) -> Any:
    return jax.tree.map(lambda leaf: leaf.astype(dtype), tree)
