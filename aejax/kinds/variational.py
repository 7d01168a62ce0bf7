"""Kinds whose code is a distribution."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from aejax.kinds.kind import Kind, Setting
from aejax.models.architectures import conv_vae, dense_vae
from aejax.models.parts import Variables
from aejax.models.variational import VariationalAutoencoder
from aejax.objectives.objective import Weight
from aejax.objectives.variational import bounds, gaussian_kl, make_log_likelihood, variational


def vae(setting: Setting) -> Kind:
    """A Gaussian over codes, held to a standard normal (Kingma and Welling 2014; Rezende et al. 2014)."""
    return _variational(setting, dense_vae(setting.model, setting.features, _learned_std(setting)), 1.0, 0)


def beta_vae(setting: Setting) -> Kind:
    """A vae whose KL term has another weight, reached by and by (Higgins et al. 2017; Bowman et al. 2016)."""
    model = dense_vae(setting.model, setting.features, _learned_std(setting))
    return _variational(setting, model, setting.objective.beta, setting.objective.kl_warmup_steps)


def conv_variational(setting: Setting) -> Kind:
    """A vae of strided convolutions."""
    return _variational(setting, conv_vae(setting.model, setting.shape, _learned_std(setting)), 1.0, 0)


def _learned_std(setting: Setting) -> bool:
    return setting.objective.likelihood == "gaussian" and setting.objective.decoder_std is None


def _variational(setting: Setting, model: VariationalAutoencoder, beta: Weight, warmup_steps: int) -> Kind:
    config = setting.objective
    log_likelihood = make_log_likelihood(config, model)
    objective = variational(model, log_likelihood, beta=beta, warmup_steps=warmup_steps, free_bits=config.free_bits)

    def report(variables: Variables, inputs: Float[Array, "batch d"]) -> dict[str, Float[Array, " batch"]]:
        elbo, weighted = bounds(model, log_likelihood, variables, inputs, max(1, config.importance_samples))
        kl = jnp.sum(gaussian_kl(model.posterior(variables, inputs)), axis=1)
        return {"elbo": elbo, "kl": kl, **({"importance_weighted": weighted} if config.importance_samples else {})}

    return Kind(model, objective, report=report)
