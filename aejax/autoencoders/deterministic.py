"""Deterministic codes: undercomplete, denoising, masked, contractive, stacked, convolutional, and the rival VICReg."""

import dataclasses
import math

from aejax.autoencoders.spec import AutoencoderSpec, ProblemSpec, Stage, reconstruction_spec
from aejax.errors import require
from aejax.models.architectures import conv_autoencoder, dense_autoencoder, wide_code_config
from aejax.models.autoencoder import Autoencoder
from aejax.models.dense import FRAMEWORK_DEFAULTS, DenseDecoder, activation_function
from aejax.objectives.contractive import contractive_penalty
from aejax.objectives.corruption import make_corruption, masking_noise, patch_grid, patch_mask, with_noise_seed
from aejax.objectives.deterministic import ReduceFn, autoencoder_objective, masked_mean, weighted_mean
from aejax.objectives.layerwise import layer_objective, layer_param_paths
from aejax.objectives.objective import make_reconstruction_loss
from aejax.objectives.vicreg import VicregWeights, vicreg_objective


def undercomplete(problem: ProblemSpec) -> AutoencoderSpec:
    """Plain reconstruction through a narrow code."""
    return reconstruction_spec(problem, problem.autoencoder)


def overcomplete(problem: ProblemSpec) -> AutoencoderSpec:
    """Plain reconstruction through a code wider than the inputs, without a regulariser."""
    width = problem.model.overcomplete_dim
    assert width is not None
    require(
        width > problem.n_features,
        f"--overcomplete-dim {width}: expected above the {problem.n_features} inputs, or leave overcomplete out",
    )
    config = wide_code_config(problem.model, width, code_activation=problem.model.activation)
    return reconstruction_spec(problem, dense_autoencoder(config, problem.n_features))


def linear(problem: ProblemSpec) -> AutoencoderSpec:
    """Linear encoder and decoder with squared error; the optimum is the PCA subspace (Baldi and Hornik 1989)."""
    config = dataclasses.replace(
        problem.model, hidden=(), decoder_hidden=None, code_activation="linear", output="linear", batch_norm=False
    )
    model = dense_autoencoder(config, problem.n_features)
    return AutoencoderSpec(model, autoencoder_objective(model, make_reconstruction_loss("mse", "linear")))


def denoising(problem: ProblemSpec) -> AutoencoderSpec:
    """Reconstruction of the clean input from a corrupted one (Vincent et al. 2008, 2010)."""
    return _denoising(problem, problem.autoencoder)


def _denoising(problem: ProblemSpec, model: Autoencoder) -> AutoencoderSpec:
    weights = (problem.objective.corrupted_weight, problem.objective.clean_weight)
    unweighted = all(isinstance(weight, int | float) and weight == 1 for weight in weights)  # a traced one is neither
    reduce: ReduceFn | None = None if unweighted else weighted_mean(*weights)
    corrupt = make_corruption(problem.objective, problem.is_bounded)
    return reconstruction_spec(problem, model, corrupt=corrupt, reduce=reduce)


def masked(problem: ProblemSpec) -> AutoencoderSpec:
    """Reconstruction of masked patches (images) or features (tables) from the others (He et al. 2022)."""
    config = problem.objective
    patch = 1 if len(problem.example_shape) != 3 else config.patch
    assert patch is not None
    n_patches = math.prod(patch_grid(problem.example_shape, patch))
    require(n_patches > 1, f"--patch {patch}: one patch covers an example {problem.example_shape}; give a smaller one")
    corrupt = with_noise_seed(patch_mask(config.masked_share, problem.example_shape, patch), config.noise_seed)
    return reconstruction_spec(
        problem, problem.autoencoder, corrupt=corrupt, reduce=masked_mean, evaluate_corrupted=True
    )


def contractive(problem: ProblemSpec) -> AutoencoderSpec:
    """A code that is insensitive to small changes of the input (Rifai et al. 2011).

    One wide sigmoid layer by default, as in the paper, whose Jacobian has a closed form. Weights are tied, as in the
    paper; otherwise a smaller code and a larger decoder would satisfy the penalty. There is no batch normalisation,
    because it makes an example's code depend on others.
    """
    layers = problem.model
    if layers.contractive_code == "wide":
        layers = wide_code_config(layers, layers.sparse_dim)
    config = dataclasses.replace(layers, tied=True, decoder_hidden=None, code_activation="sigmoid", batch_norm=False)
    model = dense_autoencoder(config, problem.n_features)
    activation = activation_function(config.code_activation, FRAMEWORK_DEFAULTS[config.conventions])
    assert config.latent_dim is not None
    weight = problem.penalty_weight(problem.objective.contraction)
    closed_form = None if config.hidden else activation
    penalty = contractive_penalty(weight, problem.objective, model, config.latent_dim, closed_form)
    return reconstruction_spec(problem, model, penalties=[penalty])


def conv(problem: ProblemSpec) -> AutoencoderSpec:
    """Strided convolutions to a dense code, and transposed convolutions back."""
    return reconstruction_spec(problem, conv_autoencoder(problem.model, problem.example_shape))


def conv_denoising(problem: ProblemSpec) -> AutoencoderSpec:
    """A denoising autoencoder with convolutions."""
    return _denoising(problem, conv_autoencoder(problem.model, problem.example_shape))


def stacked(problem: ProblemSpec) -> AutoencoderSpec:
    """Layer-wise pretraining as denoising autoencoders, then training of all layers.

    The recipe of Hinton and Salakhutdinov (2006) with the layers of Vincent et al. (2010). Each layer's input is
    corrupted by masking noise of `--noise-share`, which does not depend on the scale. The decoder mirrors the encoder;
    there is no batch normalisation.
    """
    config = dataclasses.replace(problem.model, decoder_hidden=None, batch_norm=False)
    model = dense_autoencoder(config, problem.n_features)
    corrupt = with_noise_seed(masking_noise(problem.objective.noise_share), problem.objective.noise_seed)
    stages = tuple(
        Stage(
            layer_objective(model, config, problem.reconstruction_loss, layer, corrupt),
            layer_param_paths(config, layer),
        )
        for layer in range(len(config.hidden) + 1)
    )
    return reconstruction_spec(problem, model)._replace(stages=stages)


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
