"""Variational autoencoders."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from aejax.autoencoders.spec import AutoencoderSpec, ProblemSpec
from aejax.models.architectures import conv_vae, dense_vae
from aejax.models.submodules import Variables
from aejax.models.variational import VariationalAutoencoder
from aejax.objectives.objective import ScalarLike
from aejax.objectives.variational import elbo_and_iwae, gaussian_kl, make_log_likelihood, variational_objective


def vae(problem: ProblemSpec) -> AutoencoderSpec:
    """A variational autoencoder with a Gaussian posterior (Kingma and Welling 2014; Rezende et al. 2014)."""
    return _variational_spec(problem, dense_vae(problem.model, problem.n_features, _learns_std(problem)), 1.0, 0)


def beta_vae(problem: ProblemSpec) -> AutoencoderSpec:
    """A VAE whose KL term is weighted by beta, with a warm-up (Higgins et al. 2017; Bowman et al. 2016)."""
    model = dense_vae(problem.model, problem.n_features, _learns_std(problem))
    return _variational_spec(problem, model, problem.objective.beta, problem.objective.kl_warmup_steps)


def conv_variational(problem: ProblemSpec) -> AutoencoderSpec:
    """A VAE with strided convolutions."""
    return _variational_spec(problem, conv_vae(problem.model, problem.example_shape, _learns_std(problem)), 1.0, 0)


def _learns_std(problem: ProblemSpec) -> bool:
    return problem.objective.likelihood == "gaussian" and problem.objective.decoder_std is None


def _variational_spec(
    problem: ProblemSpec, model: VariationalAutoencoder, beta: ScalarLike, warmup_steps: int
) -> AutoencoderSpec:
    config = problem.objective
    log_likelihood = make_log_likelihood(config, model)
    objective = variational_objective(
        model, log_likelihood, beta=beta, warmup_steps=warmup_steps, free_bits=config.free_bits
    )

    def extra_metrics(variables: Variables, inputs: Float[Array, "batch d"]) -> dict[str, Float[Array, " batch"]]:
        elbo, iwae = elbo_and_iwae(model, log_likelihood, variables, inputs, max(1, config.importance_samples))
        kl = jnp.sum(gaussian_kl(model.posterior(variables, inputs)), axis=1)
        return {"elbo": elbo, "kl": kl, **({"importance_weighted": iwae} if config.importance_samples else {})}

    return AutoencoderSpec(model, objective, extra_metrics=extra_metrics)
