"""Autoencoders whose code has a finite number of values."""

import dataclasses

import flax.linen as nn
import numpy as np

from aejax.autoencoders.spec import AutoencoderSpec, ProblemSpec, reconstruction_spec
from aejax.errors import require
from aejax.models.architectures import dense_autoencoder
from aejax.models.autoencoder import Autoencoder
from aejax.models.quantization import (
    MAX_DEFAULT_ENTRIES,
    MAX_DEFAULT_UNITS,
    FiniteScalarQuantizer,
    VectorQuantizer,
)
from aejax.objectives.penalties import commitment_loss


def vq(problem: ProblemSpec) -> AutoencoderSpec:
    """Vectors of the code are replaced by the nearest entry of a codebook (van den Oord et al. 2017, VQ-VAE)."""
    units = _vector_units(problem)
    entries = problem.model.codebook_size or min(FiniteScalarQuantizer(_levels(problem)).entries, MAX_DEFAULT_ENTRIES)
    model = _quantized_autoencoder(problem, VectorQuantizer(units, entries))
    penalty = commitment_loss(problem.penalty_weight(problem.objective.commitment), model)
    return reconstruction_spec(problem, model, penalties=[penalty])


def fsq(problem: ProblemSpec) -> AutoencoderSpec:
    """Units of the code are rounded to a few levels (Mentzer et al. 2023, FSQ)."""
    return reconstruction_spec(problem, _quantized_autoencoder(problem, FiniteScalarQuantizer(_levels(problem))))


def _quantized_autoencoder(problem: ProblemSpec, quantizer: nn.Module) -> Autoencoder:
    config = dataclasses.replace(problem.model, code_activation="linear")
    return dense_autoencoder(config, problem.n_features, quantizer)


def _levels(problem: ProblemSpec) -> tuple[int, ...]:
    """Returns the levels of the units of a vector: `--levels`, repeated as often as needed."""
    return tuple(np.resize(problem.model.levels, _vector_units(problem)).tolist())


def _vector_units(problem: ProblemSpec) -> int:
    """Returns `--vector-units`; by default the largest divisor of the width that is at most 4, or else the width."""
    width, units = problem.model.latent_dim, problem.model.vector_units
    assert width is not None
    if units is None:
        return next((units for units in range(MAX_DEFAULT_UNITS, 1, -1) if width % units == 0), width)
    require(width % units == 0, f"--vector-units {units}: expected a divisor of --latent-dim {width}")
    return units
