"""Training of autoencoders: objective, length, optimizer, placement, and which of these one program serves."""

import copy
import dataclasses
from collections.abc import Mapping
from typing import Any, Literal, TypeVar

from aejax.config.validation import require_at_least, require_fields, require_positive
from aejax.errors import require

ConfigT = TypeVar("ConfigT")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ObjectiveConfig:
    """Reconstruction, corruption and penalties; which of them apply depends on the kind of autoencoder.

    The default strengths are those that scripts/choose_defaults.py chose, see results/defaults.
    """

    reconstruction: Literal["mse", "bce"] | None = None  # default: bce for a sigmoid and range-scaled data, else mse

    corruption: Literal["gaussian", "masking", "salt-and-pepper"] = "gaussian"  # denoising kinds, vicreg
    noise_std: float = 0.8  # gaussian: standard deviation of the added noise, in scaled input units
    noise_share: float = 0.3  # masking, salt-and-pepper: probability that an entry is replaced
    noise_seed: int = 0  # seed of the noise
    corrupted_weight: float = 1.0  # denoising kinds: weight of the loss on entries that were corrupted
    clean_weight: float = 1.0  # denoising kinds: weight of the loss on the other entries
    masked_share: float = 0.5  # masked: share of patches (images) or features (tables) that is masked
    patch: int | None = None  # masked: side of a patch in pixels; default: a seventh of the image, at least 2

    penalty_scale: Literal["sum", "mean"] = "sum"
    """Unit of the reconstruction that penalties (--l1, --kl-weight, --contraction, --gate-l1, --l0-weight,
    --commitment, --revive) are weighed against. sum: over the inputs, so that a weight means the same for few and many
    inputs. mean: over the inputs, as in version 0.1.0. The loss is per input in both: sum divides the weights by the
    number of inputs."""
    l1: float = 0.03  # sparse-l1: weight of the code's absolute activity, summed over units
    target_activity: float = 0.05  # sparse-kl: target mean activity of each unit
    kl_weight: float = 1.0  # sparse-kl: weight of the KL divergence from the target, summed over units
    k: int | None = None  # k-sparse, batch-top-k, matryoshka: units kept for each example; default: a tenth of the code
    k_encode: int | None = None  # k-sparse: units kept when encoding; default: 3 times k, with --k-decay-steps 0 k
    k_start: int | None = None  # k-sparse: units kept at the first step; default: 5 times k, at most the whole code
    k_decay_steps: int | None = None
    """k-sparse: steps over which the units kept fall linearly from --k-start to --k, so that few units die (Makhzani
    and Frey 2013, section 2.2); default: those of half the epochs; 0: --k from the first step."""
    lifetime_share: float = 0.05  # lifetime-sparse: share of a batch in which a unit is kept
    gate_l1: float = 0.3  # gated: weight of the gate's absolute activity, summed over units
    l0_weight: float = 0.3  # jump-relu: weight of the number of active units
    bandwidth: float = 0.5  # jump-relu: width of the kernel by which thresholds learn, in pre-activations
    prefix_shares: tuple[float, ...] = (0.0625, 0.125, 0.25, 0.5)
    """matryoshka: shares of the code, from the first unit, that also reconstruct the input by themselves."""
    revive: float = 0.0  # sparse kinds: weight of the loss that revives units inactive in the whole batch; 0: none

    contraction: float = 0.01  # contractive: weight of the encoder Jacobian's squared Frobenius norm
    jacobian: Literal["exact", "hutchinson"] | None = None  # contractive; default: exact for narrow codes
    jacobian_probes: int = 1  # contractive: random vectors of Hutchinson's estimator

    commitment: float = 1.0  # vq: weight of the squared distance of a code from its quantized one

    invariance_weight: float = 25.0  # vicreg: weight of the mean squared distance between two views
    variance_weight: float = 25.0  # vicreg: weight of each unit's shortfall from a standard deviation of 1
    covariance_weight: float = 1.0  # vicreg: weight of the squared covariances between units

    likelihood: Literal["bernoulli", "gaussian"] | None = None
    """Variational kinds: distribution of an input given its code; default: bernoulli with bce, else gaussian.
    bernoulli is a likelihood of inputs that are 0 or 1 only; of grey values it is a loss, and tables call its bound
    pseudo-ELBO."""
    decoder_std: float | None = None  # gaussian likelihood: its standard deviation, in scaled units; default: learned
    beta: float = 1.5
    """beta-vae: weight of the KL term. 1 is a vae. Above 1 the code keeps less of the input and is more disentangled
    (Higgins et al. 2017), or collapses: on digits, 4 leaves no information. Below 1 the code keeps more of the input
    (Alemi et al. 2018) and codes of examples are far from the prior, from which samples are drawn: the model
    reconstructs better than it generates, and the loss is no bound on the likelihood."""
    kl_warmup_steps: int = 1000  # beta-vae: steps over which beta rises from 0
    free_bits: float = 0.0  # variational kinds: nats of KL per code unit without cost (Kingma et al. 2016)
    importance_samples: int = 0  # variational kinds: samples of the importance-weighted bound on the test rows; 0: none

    layer_epochs: int | None = None
    """stacked: epochs of layer-wise pretraining per layer, before all layers train together for the rest of --epochs;
    default: half of --epochs divided by the number of layers, at least 1."""

    def __post_init__(self) -> None:
        weights = ("corrupted_weight", "clean_weight", "l1", "kl_weight", "revive", "contraction", "beta")
        require_at_least(0, self, *weights, "noise_std", "noise_seed", "gate_l1", "l0_weight", "commitment")
        require_at_least(0, self, "invariance_weight", "variance_weight", "covariance_weight")
        require_at_least(0, self, "kl_warmup_steps", "k_decay_steps", "free_bits", "importance_samples")
        require_at_least(1, self, "patch", "k", "k_encode", "k_start", "jacobian_probes", "layer_epochs")
        require_positive(self, "decoder_std", "bandwidth")
        require(
            all(0 < share < 1 for share in self.prefix_shares),
            f"--prefix-shares {self.prefix_shares}: expected numbers between 0 and 1",
        )
        shares = ("noise_share", "masked_share", "target_activity", "lifetime_share")
        require_fields(self, lambda value: 0 < value < 1, "between 0 and 1", *shares)
        require(
            self.corrupted_weight + self.clean_weight > 0,
            f"--clean-weight {self.clean_weight}: expected above 0 where --corrupted-weight is 0",
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Training length and batch size."""

    epochs: int = 100  # passes over the training rows
    batch_size: int = 64  # examples per step; at most the training rows

    def __post_init__(self) -> None:
        require_at_least(1, self, "epochs", "batch_size")


@dataclasses.dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """An optax optimizer and its schedule."""

    optimizer: Literal["adam", "adamw", "adadelta", "sgd"] = "adam"  # update rule
    learning_rate: float = 1e-3  # peak step size (adadelta: use 1.0)
    schedule: Literal["constant", "cosine"] = "constant"  # after the warm-up
    warmup_epochs: float = 0.0  # epochs of linear rise from 0 to the peak
    momentum: float = 0.9  # sgd only
    weight_decay: float = 1e-4  # adamw only, decoupled; supervised methods choose theirs by the labels
    clip_norm: float | None = None  # largest global gradient norm; default: no clipping

    def __post_init__(self) -> None:
        require_positive(self, "learning_rate", "clip_norm")
        require_at_least(0, self, "warmup_epochs", "weight_decay")
        require_fields(self, lambda value: 0 <= value < 1, "at least 0, below 1", "momentum")


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlanConfig:
    """Placement of seeds on devices."""

    within_device: Literal["vmap", "serial"] | None = None  # how seeds share a device; default: by backend
    devices: int | None = None  # number of JAX devices to use; default: all
    batch_devices: int = 1  # number of devices that share each batch, if model or batch do not fit on one

    def __post_init__(self) -> None:
        require_at_least(1, self, "devices", "batch_devices")


# By section of `ExperimentConfig`: fields that change neither shapes nor operations, so that one program serves every
# number. The value None needs another program.
TRACEABLE_FIELDS: dict[str, tuple[str, ...]] = {
    "objective": (
        "noise_std",
        "noise_share",
        "corrupted_weight",
        "clean_weight",
        "l1",
        "target_activity",
        "kl_weight",
        "gate_l1",
        "l0_weight",
        "contraction",
        "commitment",
        "invariance_weight",
        "variance_weight",
        "covariance_weight",
        "decoder_std",
        "beta",
        "free_bits",
    ),
    "optimizer": ("learning_rate", "momentum", "weight_decay", "clip_norm"),
}


def replace_unvalidated(config: ConfigT, values: Mapping[str, Any]) -> ConfigT:
    """Returns a copy with those of `values` that are fields of `config`.

    Nothing is validated, because traced values are unknown; the caller has validated the concrete values before.
    """
    copied = copy.copy(config)
    for field in dataclasses.fields(config):  # type: ignore[arg-type]
        if field.name in values:
            object.__setattr__(copied, field.name, values[field.name])
    return copied
