"""Kinds with a wide code of which few units are active."""

import flax.linen as nn

from aejax.config import Activation
from aejax.errors import require
from aejax.kinds.kind import Kind, Setting
from aejax.models.architectures import dense_autoencoder, one_layer
from aejax.models.autoencoder import Autoencoder
from aejax.models.sparsity import BatchTopK, LifetimeTopK, TopK
from aejax.objectives.autoencoding import autoencoding
from aejax.objectives.penalties import BatchPenalty, Penalty, l1_contribution, reviving, target_activity


def _sparse(
    setting: Setting,
    model: Autoencoder,
    penalties: tuple[Penalty, ...] = (),
    batch_penalties: tuple[BatchPenalty, ...] = (),
) -> Kind:
    if setting.objective.revive:
        batch_penalties = (*batch_penalties, reviving(setting.objective.revive, model))
    objective = autoencoding(model, setting.reconstruction, penalties=penalties, batch_penalties=batch_penalties)
    return Kind(model, objective)


def _wide(setting: Setting, code_activation: Activation, sparsity: nn.Module | None = None) -> Autoencoder:
    config = one_layer(setting.model, setting.model.sparse_dim, code_activation=code_activation)
    return dense_autoencoder(config, setting.features, sparsity)


def sparse_l1(setting: Setting) -> Kind:
    """A wide rectified code whose activity costs, each unit by the size of its decoder weights."""
    model = _wide(setting, "relu")
    return _sparse(setting, model, penalties=(l1_contribution(setting.objective.l1, model),))


def sparse_kl(setting: Setting) -> Kind:
    """A wide sigmoid code whose mean activity is held to a target (Ng 2011)."""
    config = setting.objective
    model = _wide(setting, "sigmoid")
    penalty = target_activity(config.kl_weight, config.target_activity)
    return Kind(model, autoencoding(model, setting.reconstruction, batch_penalties=[penalty]))


def k_sparse(setting: Setting) -> Kind:
    """A wide linear code of which the k largest units are kept (Makhzani and Frey 2013)."""
    k = _kept(setting, setting.objective.k, "--k")
    k_encode = k if setting.objective.k_encode is None else _kept(setting, setting.objective.k_encode, "--k-encode")
    return _sparse(setting, _wide(setting, "linear", TopK(k, k_encode)))


def batch_top_k(setting: Setting) -> Kind:
    """A wide rectified code of which a batch keeps k units for each example on average (Bussmann et al. 2024)."""
    return _sparse(setting, _wide(setting, "relu", BatchTopK(_kept(setting, setting.objective.k, "--k"))))


def lifetime_sparse(setting: Setting) -> Kind:
    """A wide rectified code whose every unit is kept where it is strongest in the batch (Makhzani and Frey 2015)."""
    return _sparse(setting, _wide(setting, "relu", LifetimeTopK(setting.objective.lifetime_share)))


def _kept(setting: Setting, k: int | None, flag: str) -> int:
    assert k is not None
    assert setting.model.sparse_dim is not None
    require(k <= setting.model.sparse_dim, f"{flag} {k}: the code has only {setting.model.sparse_dim} units")
    return k
