"""Registry of the kinds of autoencoder. A kind is a function `(ProblemSpec) -> AutoencoderSpec`."""

from collections.abc import Callable

from aejax.autoencoders import deterministic, quantized, sparse, variational
from aejax.autoencoders.spec import AutoencoderSpec, ProblemSpec
from aejax.errors import require

KINDS: dict[str, Callable[[ProblemSpec], AutoencoderSpec]] = {
    "undercomplete": deterministic.undercomplete,
    "overcomplete": deterministic.overcomplete,
    "linear": deterministic.linear,
    "denoising": deterministic.denoising,
    "masked": deterministic.masked,
    "contractive": deterministic.contractive,
    "sparse-l1": sparse.sparse_l1,
    "sparse-kl": sparse.sparse_kl,
    "k-sparse": sparse.k_sparse,
    "batch-top-k": sparse.batch_top_k,
    "lifetime-sparse": sparse.lifetime_sparse,
    "vae": variational.vae,
    "beta-vae": variational.beta_vae,
    "conv": deterministic.conv,
    "conv-denoising": deterministic.conv_denoising,
    "conv-vae": variational.conv_variational,
    "stacked": deterministic.stacked,
    "gated": sparse.gated,
    "jump-relu": sparse.jump_relu,
    "matryoshka": sparse.matryoshka,
    "vq": quantized.vq,
    "fsq": quantized.fsq,
}
# Trained on the same inputs without labels, but not to reconstruct them: controls of every kind.
RIVALS: dict[str, Callable[[ProblemSpec], AutoencoderSpec]] = {"vicreg": deterministic.vicreg}

IMAGE_KINDS = ("conv", "conv-denoising", "conv-vae")  # these need examples `(height, width, channels)`


def find_kind(name: str) -> Callable[[ProblemSpec], AutoencoderSpec]:
    """Returns the function of a kind of autoencoder or a rival. Raises `InputError` if the name is not registered."""
    require(
        name in KINDS or name in RIVALS,
        f"{name}: no kind of this name is registered; register it first, by --plugin FILE or aejax.register",
    )
    return KINDS[name] if name in KINDS else RIVALS[name]
