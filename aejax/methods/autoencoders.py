"""Autoencoders as methods, and frozen controls: an autoencoder of which only one half learns."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Literal

from aejax.autoencoders.registry import KINDS, find_kind
from aejax.autoencoders.spec import AutoencoderSpec, ProblemSpec
from aejax.errors import InputError, require
from aejax.methods.method import Method, init_fn
from aejax.models.autoencoder import TiedAutoencoder


@functools.lru_cache(maxsize=64)
def make_cached_spec(make: Callable[[ProblemSpec], AutoencoderSpec], problem: ProblemSpec) -> AutoencoderSpec:
    """Returns one object per kind and problem, so that methods with the same encoder share compiled programs.

    Raises:
        InputError: a module cannot be hashed, as JAX needs to find a program that it has compiled.
    """
    spec = make(problem)
    try:
        hash(spec.model)
    except TypeError:
        name = getattr(make, "__qualname__", make)
        raise InputError(
            f"the kind that {name} makes: a module of its model has an attribute that cannot be hashed, such as an "
            "array; give it a tuple, and make the array in __call__"
        ) from None
    return spec


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


def frozen(part: Literal["encoder", "decoder"], kind: str, problem: ProblemSpec) -> Method:
    """Returns the control `frozen-PART-KIND`: a kind of autoencoder whose `part` keeps its initial weights.

    If codes of a half-trained model classify as well as those of the whole, the classifier does not need what was
    learned (sanity checks for sparse autoencoders, arXiv 2602.14111). Batch statistics are no weights: those of the
    frozen part follow the data.

    Raises:
        InputError: the encoder and the decoder share their weights.
    """
    spec = make_cached_spec(KINDS[kind], problem)
    require(
        not isinstance(spec.model, TiedAutoencoder),
        f"--methods frozen-{part}-{kind}: encoder and decoder share their weights (tied), so that none of them can be "
        "frozen alone; leave it out",
    )
    stages = tuple(
        stage._replace(trainable_paths=tuple(path for path in stage.trainable_paths if path[0] != part))
        for stage in spec.stages
    )
    method = method_from_spec(spec._replace(stages=stages))
    return dataclasses.replace(method, role="control", frozen_part=part, architecture_of=kind)
