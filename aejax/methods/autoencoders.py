"""Autoencoders as methods."""

import functools
from collections.abc import Callable

from aejax.autoencoders.registry import KINDS
from aejax.autoencoders.spec import AutoencoderSpec, ProblemSpec
from aejax.methods.method import Method, init_fn


@functools.lru_cache(maxsize=64)
def make_cached_spec(make: Callable[[ProblemSpec], AutoencoderSpec], problem: ProblemSpec) -> AutoencoderSpec:
    """Returns one object per kind and problem, so that methods with the same encoder share compiled programs."""
    return make(problem)


def autoencoder_method(kind: str, problem: ProblemSpec) -> Method:
    """Returns an autoencoder of a kind in `KINDS`, trained on the training inputs without labels."""
    return method_from_spec(make_cached_spec(KINDS[kind], problem))


def method_from_spec(spec: AutoencoderSpec) -> Method:
    """Returns the method of an autoencoder."""
    return Method(
        role="autoencoder",
        init=init_fn(spec.model),
        encode=spec.model.encode,
        reconstruct=spec.model.reconstruct,
        objective=spec.objective,
        stages=spec.stages,
        extra_metrics=spec.extra_metrics,
        model=spec.model,
    )
