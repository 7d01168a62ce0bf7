"""Registry of the kinds of autoencoder. A kind is a function `(ProblemSpec) -> AutoencoderSpec`."""

from collections.abc import Callable

from aejax.autoencoders import deterministic as plain
from aejax.autoencoders import sparse
from aejax.autoencoders import variational as latent
from aejax.autoencoders.spec import AutoencoderSpec, ProblemSpec

KINDS: dict[str, Callable[[ProblemSpec], AutoencoderSpec]] = {
    "undercomplete": plain.undercomplete,
    "overcomplete": plain.overcomplete,
    "linear": plain.linear,
    "denoising": plain.denoising,
    "masked": plain.masked,
    "contractive": plain.contractive,
    "sparse-l1": sparse.sparse_l1,
    "sparse-kl": sparse.sparse_kl,
    "k-sparse": sparse.k_sparse,
    "batch-top-k": sparse.batch_top_k,
    "lifetime-sparse": sparse.lifetime_sparse,
    "vae": latent.vae,
    "beta-vae": latent.beta_vae,
    "conv": plain.conv,
    "conv-denoising": plain.conv_denoising,
    "conv-vae": latent.conv_variational,
    "stacked": plain.stacked,
}

IMAGE_KINDS = ("conv", "conv-denoising", "conv-vae")  # these need examples `(height, width, channels)`
