"""Hyperparameters that can be arguments of a compiled program instead of constants in it."""

import copy
import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

ConfigT = TypeVar("ConfigT")

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
