"""The layers of the dense kinds that are timed, as every library builds them; without JAX, as peers are."""

from typing import NamedTuple

from aejax.config import PretrainConfig

LOG_VARIANCE_LIMIT = 10.0  # as in `aejax.models.encoders`
TRUNCATED_STD = 0.87962566103423978  # standard deviation of a unit normal cut at -2 and 2
BATCH_NORM_EPSILON = {"flax": 1e-5, "keras": 1e-3}
LEAKY_SLOPE = {"flax": 0.01, "keras": 0.3}
DENSE_KINDS = ("undercomplete", "k-sparse", "vae")


class DenseArchitecture(NamedTuple):
    """Widths from the inputs inwards, and outwards again."""

    hidden: tuple[int, ...]
    latent_dim: int
    decoder_hidden: tuple[int, ...]
    code_activation: str
    n_heads: int  # layers from the last hidden one: a code, or means and log-variances
    top_k: int | None  # units of the code that each example keeps; None: all


def dense_architecture(config: PretrainConfig) -> DenseArchitecture:
    """The dense autoencoder of a resolved config."""
    assert config.method in DENSE_KINDS
    model = config.model
    hidden, code, outwards = model.hidden, model.latent_dim, model.decoder_hidden
    if config.method == "k-sparse":
        hidden, code, outwards = model.sparse_hidden, model.sparse_dim, None
    assert code is not None
    decoder_hidden = hidden[::-1] if outwards is None else outwards
    activation = model.code_activation if config.method == "undercomplete" else "linear"
    kept = config.objective.k if config.method == "k-sparse" else None
    return DenseArchitecture(hidden, code, decoder_hidden, activation, 2 if config.method == "vae" else 1, kept)
