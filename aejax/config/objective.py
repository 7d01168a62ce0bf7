"""What an autoencoder is trained for."""

import dataclasses
from typing import Literal

from aejax.errors import require


@dataclasses.dataclass(frozen=True, kw_only=True)
class ObjectiveConfig:
    """Reconstruction, corruption and penalties; which of them apply depends on the kind of autoencoder."""

    reconstruction: Literal["mse", "bce"] | None = None  # default: bce for a sigmoid and range-scaled data, else mse

    corruption: Literal["gaussian", "masking", "salt-and-pepper"] = "gaussian"  # denoising kinds
    noise_std: float = 0.3  # gaussian: standard deviation of the added noise, in scaled input units
    noise_share: float = 0.3  # masking, salt-and-pepper: probability that an entry is replaced
    noise_seed: int = 0  # another draw of the same noise
    corrupted_weight: float = 1.0  # denoising kinds: weight of the loss on entries that were corrupted
    clean_weight: float = 1.0  # denoising kinds: and on those that were not
    masked_share: float = 0.5  # masked: share of the patches (images) or features (tables) that is hidden
    patch: int | None = None  # masked: side of a hidden patch in pixels; default: a seventh of the image, at least 2

    l1: float = 1e-3  # sparse-l1: weight of the code's absolute activity, summed over units
    target_activity: float = 0.05  # sparse-kl: the mean activity that each unit is held to
    kl_weight: float = 1e-2  # sparse-kl: weight of the divergence from it, summed over units
    k: int | None = None  # k-sparse, batch-top-k: units kept for each example; default: a tenth of the code
    k_encode: int | None = None  # k-sparse: units kept when encoding; default: as in training
    lifetime_share: float = 0.05  # lifetime-sparse: share of a batch in which a unit is kept
    revive: float = 0.0  # sparse kinds: weight of the pull on units that no example of a batch activates; 0: none

    contraction: float = 1e-3  # contractive: weight of the encoder Jacobian's squared Frobenius norm
    jacobian: Literal["exact", "hutchinson"] | None = None  # contractive; default: exact where that is cheap
    jacobian_probes: int = 1  # contractive: random vectors of Hutchinson's estimator

    likelihood: Literal["bernoulli", "gaussian"] | None = None  # variational kinds; default: bernoulli where bce is
    decoder_std: float | None = None  # gaussian likelihood: its standard deviation, in scaled units; default: learned
    beta: float = 0.25
    """beta-vae: weight of the KL term. 1 is a vae; below, the code keeps more of the input (Alemi et al. 2018); above,
    it keeps less and its units come apart (Higgins et al. 2017), or it dies: on digits, 4 leaves nothing."""
    kl_warmup_steps: int = 1000  # beta-vae: steps in which that weight rises from 0
    free_bits: float = 0.0  # variational kinds: nats of KL per code unit that cost nothing (Kingma et al. 2016)
    importance_samples: int = 0  # variational kinds: samples of the importance-weighted bound on the test rows; 0: none

    layer_epochs: int | None = None
    """stacked: epochs for each layer alone, before all are trained together in what is left of --epochs; default: half
    of --epochs shared among the layers, at least 1."""

    def __post_init__(self) -> None:
        for name in (
            "noise_std",
            "corrupted_weight",
            "clean_weight",
            "l1",
            "kl_weight",
            "revive",
            "contraction",
            "beta",
        ):
            self._require_field(name, getattr(self, name) >= 0, "at least 0")
        for name in ("kl_warmup_steps", "free_bits", "importance_samples", "noise_seed"):
            self._require_field(name, getattr(self, name) >= 0, "at least 0")
        for name in ("noise_share", "masked_share", "target_activity", "lifetime_share"):
            self._require_field(name, 0 < getattr(self, name) < 1, "between 0 and 1")
        for name in ("patch", "k", "k_encode", "jacobian_probes", "layer_epochs"):
            self._require_field(name, getattr(self, name) is None or getattr(self, name) >= 1, "at least 1")
        self._require_field("decoder_std", self.decoder_std is None or self.decoder_std > 0, "above 0")
        self._require_field(
            "clean_weight", self.corrupted_weight + self.clean_weight > 0, "above 0 where --corrupted-weight is 0"
        )

    def _require_field(self, name: str, holds: bool, expected: str) -> None:
        require(holds, f"--{name.replace('_', '-')} {getattr(self, name)}: expected {expected}")
