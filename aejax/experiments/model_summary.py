"""Layers of an autoencoder: output shapes, parameters, FLOPs."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.traverse_util import flatten_dict

from aejax.models.autoencoder import Autoencoder
from aejax.models.submodules import Variables
from aejax.report.tables import Column, Table


class Layer(NamedTuple):
    """A layer, or the total of a part."""

    name: str
    output_shape: tuple[int, ...]  # axes of size 1 are not shown: layers may have that of the one example anywhere
    parameters: int
    flops: float | None = None  # for one example; of a part


def summarize_model(model: Autoencoder) -> list[Layer]:
    """Returns the layers with parameters of encoder and decoder, after the total of each, for one example."""
    variables = jax.eval_shape(model.init, jax.eval_shape(lambda: jax.random.key(0)))
    inputs = jax.ShapeDtypeStruct((1, model.n_features), jnp.float32)
    code = jax.eval_shape(model.encode, variables, inputs)
    return [
        *_summarize_part("encoder", model.encode, variables, inputs),
        *_summarize_part("decoder", model.decode_logits, variables, code),
    ]


def _summarize_part(part: str, apply: Callable[..., Any], variables: Variables, inputs: Any) -> Iterator[Layer]:
    """Yields the total and the layers of a part, in the order of their calls."""
    outputs: dict[tuple[str, ...], Any] = {}

    def record(call: Callable[..., Any], args: Any, kwargs: Any, context: Any) -> Any:
        output = call(*args, **kwargs)
        if context.method_name == "__call__":
            outputs[context.module.path] = output
        return output

    with nn.intercept_methods(record):
        result = jax.eval_shape(lambda tree, x: apply(tree, x), variables, inputs)  # a function without a cached trace
    leaves = flatten_dict(variables["params"][part])
    sizes = Counter(dict.fromkeys(outputs, 0))
    for path, leaf in leaves.items():
        sizes[path[:-1]] += leaf.size
    yield Layer(part, result.shape[1:], sizes.total(), count_flops(apply, variables, inputs))
    for path, output in outputs.items():
        if sizes[path]:
            yield Layer("  " + "/".join(path), output.shape, sizes[path])


def count_flops(function: Callable[..., Any], *shapes: Any) -> float:
    """Returns the FLOPs of a function of arguments of these shapes, as XLA counts them; 0 if it cannot."""
    cost = jax.jit(function).lower(*shapes).cost_analysis()
    return float(cost.get("flops", 0.0)) if isinstance(cost, Mapping) else 0.0


def model_table(model: Autoencoder) -> Table:
    """Returns a row for each layer and each part; a layer that other ones share its weights with counts them."""
    columns = [
        Column("layer", lambda layer: layer.name, "left"),
        Column("output", lambda layer: " x ".join(str(size) for size in layer.output_shape if size > 1) or "1", "left"),
        Column("parameters", lambda layer: f"{layer.parameters:,}"),
        Column("FLOPs", lambda layer: "" if layer.flops is None else f"{layer.flops:,.0f}"),
    ]
    return Table(columns, summarize_model(model))
