"""Representations that are learned without labels and without reconstruction."""

import dataclasses

from aejax.autoencoders.spec import AutoencoderSpec, ProblemSpec
from aejax.models.architectures import dense_autoencoder
from aejax.models.dense import DenseDecoder
from aejax.objectives.corruption import make_corruption
from aejax.objectives.vicreg import VicregWeights, vicreg_objective


def vicreg(problem: ProblemSpec) -> AutoencoderSpec:
    """The encoder of `undercomplete`, trained so that two corrupted views have equal codes (Bardes et al. 2022).

    An expander, batch-normalised hidden layers of `--expander` and a linear one, is between the code and the loss, in
    the place of the decoder. The corruption is that of `denoising`, with other noise in each view.
    """
    *hidden, width = problem.model.expander
    expander = DenseDecoder(tuple(hidden), width, "relu", batch_norm=True, conventions=problem.model.conventions)
    encoder = dense_autoencoder(dataclasses.replace(problem.model, tied=False), problem.n_features)
    model = dataclasses.replace(encoder, decoder=expander, output_activation="linear")
    config = problem.objective
    weights = VicregWeights(config.invariance_weight, config.variance_weight, config.covariance_weight)
    objective = vicreg_objective(model, make_corruption(config, problem.is_bounded), weights)
    return AutoencoderSpec(model, objective, reconstructs=False)
