"""Autoencoders as methods."""

import functools
from collections.abc import Callable

from aejax.autoencoders.registry import find_kind
from aejax.autoencoders.spec import AutoencoderSpec, ProblemSpec
from aejax.methods.method import Method, init_fn


@functools.lru_cache(maxsize=64)
def make_cached_spec(make: Callable[[ProblemSpec], AutoencoderSpec], problem: ProblemSpec) -> AutoencoderSpec:
    """Returns one object per kind and problem, so that methods with the same encoder share compiled programs."""
    return make(problem)


def autoencoder_method(kind: str, problem: ProblemSpec) -> Method:
    """Returns an autoencoder of a kind in `KINDS`, or a rival, trained on the training inputs without labels."""
    return method_from_spec(make_cached_spec(find_kind(kind), problem))


def method_from_spec(spec: AutoencoderSpec) -> Method:
    """Returns the method of an autoencoder, or a control that learns without reconstruction."""
    return Method(
        role="autoencoder" if spec.reconstructs else "control",
        init=init_fn(spec.model),
        encode=spec.model.encode,
        reconstruct=spec.model.reconstruct if spec.reconstructs else None,
        objective=spec.objective,
        stages=spec.stages,
        extra_metrics=spec.extra_metrics,
        model=spec.model,
    )
