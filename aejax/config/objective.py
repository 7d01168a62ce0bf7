"""Training objectives of autoencoders."""

import dataclasses
from typing import Literal

from aejax.config.validation import require_at_least, require_fields, require_positive
from aejax.errors import require


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
