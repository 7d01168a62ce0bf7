"""Autoencoders with a wide code of which few units are active."""

import flax.linen as nn

from aejax.autoencoders.spec import AutoencoderSpec, ProblemSpec, reconstruction_spec
from aejax.config import Activation
from aejax.errors import require
from aejax.models.architectures import dense_autoencoder, gated_autoencoder, wide_code_config
from aejax.models.autoencoder import Autoencoder
from aejax.models.sparsity import BatchTopK, JumpReLU, LifetimeTopK, TopK
from aejax.objectives.penalties import (
    Penalty,
    dead_unit_loss,
    decoder_scaled_l1,
    gate_loss,
    kl_sparsity,
    l0_penalty,
    nested_reconstruction,
)


def _sparse_spec(problem: ProblemSpec, model: Autoencoder, *penalties: Penalty) -> AutoencoderSpec:
    revive = problem.objective.revive
    revival = [dead_unit_loss(problem.penalty_weight(revive), model)] if revive else []
    return reconstruction_spec(problem, model, penalties=penalties, batch_penalties=revival)


def _wide_autoencoder(
    problem: ProblemSpec, code_activation: Activation, sparsity: nn.Module | None = None
) -> Autoencoder:
    config = wide_code_config(problem.model, problem.model.sparse_dim, code_activation=code_activation)
    return dense_autoencoder(config, problem.n_features, sparsity)


def sparse_l1(problem: ProblemSpec) -> AutoencoderSpec:
    """A wide rectified code with an L1 penalty, scaled for each unit by the norm of its decoder weights."""
    model = _wide_autoencoder(problem, "relu")
    return _sparse_spec(problem, model, decoder_scaled_l1(problem.penalty_weight(problem.objective.l1), model))


def sparse_kl(problem: ProblemSpec) -> AutoencoderSpec:
    """A wide sigmoid code with a KL penalty on the mean activity of each unit (Ng 2011)."""
    config = problem.objective
    model = _wide_autoencoder(problem, "sigmoid")
    penalty = kl_sparsity(problem.penalty_weight(config.kl_weight), config.target_activity)
    return reconstruction_spec(problem, model, batch_penalties=[penalty])


def k_sparse(problem: ProblemSpec) -> AutoencoderSpec:
    """A wide linear code of which the k largest units are kept (Makhzani and Frey 2013)."""
    config = problem.objective
    k = _require_k(problem, config.k, "--k")
    k_encode = k if config.k_encode is None else _require_k(problem, config.k_encode, "--k-encode")
    sparsity = TopK(k, k_encode)
    if config.k_decay_steps:
        k_start = _require_k(problem, config.k_start, "--k-start")
        require(k_start >= k, f"--k-start {k_start}: expected at least --k {k}, to which it falls")
        sparsity = TopK(k, k_encode, k_start, config.k_decay_steps)
    return _sparse_spec(problem, _wide_autoencoder(problem, "linear", sparsity))


def batch_top_k(problem: ProblemSpec) -> AutoencoderSpec:
    """A wide rectified code of which a batch keeps k units for each example on average (Bussmann et al. 2024)."""
    return _sparse_spec(problem, _batch_top_k_autoencoder(problem))


def _batch_top_k_autoencoder(problem: ProblemSpec) -> Autoencoder:
    return _wide_autoencoder(problem, "relu", BatchTopK(_require_k(problem, problem.objective.k, "--k")))


def matryoshka(problem: ProblemSpec) -> AutoencoderSpec:
    """A `batch-top-k` code whose first units reconstruct the input by themselves, too (Bussmann et al. 2025)."""
    model, dim = _batch_top_k_autoencoder(problem), problem.model.sparse_dim
    assert dim is not None
    widths = sorted({max(1, round(share * dim)) for share in problem.objective.prefix_shares} - {dim})
    return _sparse_spec(problem, model, nested_reconstruction(widths, model, problem.reconstruction_loss))


def gated(problem: ProblemSpec) -> AutoencoderSpec:
    """A wide code with a gate that an L1 penalty keeps closed, and magnitudes without one (Rajamanoharan et al. 2024a).

    A penalty on the magnitudes would shrink them.
    """
    model = gated_autoencoder(wide_code_config(problem.model, problem.model.sparse_dim), problem.n_features)
    weight = problem.penalty_weight(problem.objective.gate_l1)
    return _sparse_spec(problem, model, gate_loss(weight, model, problem.reconstruction_loss))


def jump_relu(problem: ProblemSpec) -> AutoencoderSpec:
    """A wide code of units above learned thresholds; the number of active units costs (Rajamanoharan et al. 2024b)."""
    config = problem.objective
    model = _wide_autoencoder(problem, "linear", JumpReLU(config.bandwidth))
    penalty = l0_penalty(problem.penalty_weight(config.l0_weight), model, config.bandwidth)
    return _sparse_spec(problem, model, penalty)


def lifetime_sparse(problem: ProblemSpec) -> AutoencoderSpec:
    """A wide rectified code; each unit is kept where it is largest in the batch (Makhzani and Frey 2015)."""
    return _sparse_spec(problem, _wide_autoencoder(problem, "relu", LifetimeTopK(problem.objective.lifetime_share)))


def _require_k(problem: ProblemSpec, k: int | None, flag: str) -> int:
    assert k is not None
    assert problem.model.sparse_dim is not None
    require(k <= problem.model.sparse_dim, f"{flag} {k}: the code has only {problem.model.sparse_dim} units")
    return k
