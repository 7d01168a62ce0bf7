"""Frozen controls: an autoencoder of which only one half learns (sanity checks for sparse autoencoders, 2026).

If codes of a half-trained model classify as well as those of the whole, the classifier does not need what was learned
(arXiv 2602.14111).
"""

import dataclasses
from typing import Literal

from aejax.autoencoders.registry import KINDS
from aejax.autoencoders.spec import ProblemSpec
from aejax.errors import require
from aejax.methods.autoencoders import make_cached_spec, method_from_spec
from aejax.methods.method import Method
from aejax.models.autoencoder import TiedAutoencoder


def frozen(part: Literal["encoder", "decoder"], kind: str, problem: ProblemSpec) -> Method:
    """Returns the control `frozen-PART-KIND`: a kind of autoencoder whose `part` keeps its initial weights.

    Batch statistics are no weights: those of the frozen part follow the data.

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
