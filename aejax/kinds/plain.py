"""Deterministic kinds with a dense or convolutional code: plain, denoising, masked, contractive, stacked."""

import dataclasses

from aejax.errors import require
from aejax.kinds.kind import Kind, Setting, Stage
from aejax.models.architectures import conv_autoencoder, dense_autoencoder, one_layer
from aejax.models.autoencoder import Autoencoder
from aejax.models.dense import CONVENTIONS, activation_function
from aejax.objectives.autoencoding import Weigh, autoencoding, emphasis, only_hidden
from aejax.objectives.contraction import contraction
from aejax.objectives.corruption import hiding, make_corruption, masking, seeded
from aejax.objectives.layerwise import layer_objective, layer_paths
from aejax.objectives.objective import Objective
from aejax.objectives.reconstruction import reconstruction_term


def undercomplete(setting: Setting) -> Kind:
    """Reconstruction through a narrow code, nothing else."""
    return Kind(setting.autoencoder, autoencoding(setting.autoencoder, setting.reconstruction))


def overcomplete(setting: Setting) -> Kind:
    """Reconstruction through a code wider than the inputs, held back by nothing: what width alone gives."""
    width = setting.model.overcomplete_dim
    assert width is not None
    require(
        width > setting.features,
        f"--overcomplete-dim {width}: expected above the {setting.features} inputs, or leave overcomplete out",
    )
    config = one_layer(setting.model, width, code_activation=setting.model.activation)
    model = dense_autoencoder(config, setting.features)
    return Kind(model, autoencoding(model, setting.reconstruction))


def linear(setting: Setting) -> Kind:
    """One linear layer each way and squared error: at its best, the principal subspace (Baldi and Hornik 1989)."""
    config = dataclasses.replace(
        setting.model, hidden=(), decoder_hidden=None, code_activation="linear", output="linear", batch_norm=False
    )
    model = dense_autoencoder(config, setting.features)
    return Kind(model, autoencoding(model, reconstruction_term("mse", "linear")))


def denoising(setting: Setting) -> Kind:
    """Reconstruction of the clean input from a corrupted one (Vincent et al. 2008, 2010)."""
    return Kind(setting.autoencoder, _denoising_objective(setting, setting.autoencoder))


def _denoising_objective(setting: Setting, model: Autoencoder) -> Objective:
    weights = (setting.objective.corrupted_weight, setting.objective.clean_weight)
    alike = all(isinstance(weight, int | float) and weight == 1 for weight in weights)  # one that runs carry is neither
    weigh: Weigh | None = None if alike else emphasis(*weights)
    corrupt = make_corruption(setting.objective, setting.bounded)
    return autoencoding(model, setting.reconstruction, corrupt=corrupt, weigh=weigh)


def masked(setting: Setting) -> Kind:
    """Reconstruction of what was hidden from what was not: patches of images, features of tables (He et al. 2022)."""
    config = setting.objective
    patch = 1 if len(setting.shape) != 3 else config.patch
    assert patch is not None
    parts = -(-setting.shape[0] // patch) * (-(-setting.shape[1] // patch) if len(setting.shape) == 3 else 1)
    require(parts > 1, f"--patch {patch}: one patch is the whole of an example {setting.shape}; give a smaller one")
    corrupt = seeded(hiding(config.masked_share, setting.shape, patch), config.noise_seed)
    objective = autoencoding(
        setting.autoencoder, setting.reconstruction, corrupt=corrupt, weigh=only_hidden, judge_corrupted=True
    )
    return Kind(setting.autoencoder, objective)


def contractive(setting: Setting) -> Kind:
    """A code that small changes of the input hardly move (Rifai et al. 2011).

    Weights are tied, as there: otherwise a smaller code and a larger decoder would satisfy the penalty. No batch
    normalisation, which would make an example's code depend on others.
    """
    config = dataclasses.replace(
        setting.model, tied=True, decoder_hidden=None, code_activation="sigmoid", batch_norm=False
    )
    model = dense_autoencoder(config, setting.features)
    activation = activation_function(config.code_activation, CONVENTIONS[config.conventions])
    assert config.latent_dim is not None
    penalty = contraction(setting.objective, model, config.latent_dim, None if config.hidden else activation)
    return Kind(model, autoencoding(model, setting.reconstruction, penalties=[penalty]))


def conv(setting: Setting) -> Kind:
    """Strided convolutions into a dense code, and back."""
    model = conv_autoencoder(setting.model, setting.shape)
    return Kind(model, autoencoding(model, setting.reconstruction))


def conv_denoising(setting: Setting) -> Kind:
    """The same, from corrupted inputs."""
    model = conv_autoencoder(setting.model, setting.shape)
    return Kind(model, _denoising_objective(setting, model))


def stacked(setting: Setting) -> Kind:
    """Layer after layer as a denoising autoencoder, then all together.

    The recipe of Hinton and Salakhutdinov (2006), with the layers of Vincent et al. (2010). Each layer's input is
    corrupted by masking noise of `--noise-share`, which needs no scale. The decoder mirrors the encoder; there is no
    batch normalisation, as then.
    """
    config = dataclasses.replace(setting.model, decoder_hidden=None, batch_norm=False)
    model = dense_autoencoder(config, setting.features)
    corrupt = seeded(masking(setting.objective.noise_share), setting.objective.noise_seed)
    stages = tuple(
        Stage(
            layer_objective(model, config, setting.reconstruction, layer, corrupt),
            layer_paths(config, layer),
        )
        for layer in range(len(config.hidden) + 1)
    )
    return Kind(model, autoencoding(model, setting.reconstruction), stages=stages)
