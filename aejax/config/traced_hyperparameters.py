"""Settings that a training can carry with it as a number, instead of having it compiled in."""

import copy
import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

ConfigT = TypeVar("ConfigT")

# By group of `ExperimentConfig`: fields that change neither shapes nor which operations there are, so that one program
# serves every value. None in place of a number is another program.
TRACEABLE_FIELDS: dict[str, tuple[str, ...]] = {
    "objective": (
        "noise_std",
        "noise_share",
        "corrupted_weight",
        "clean_weight",
        "l1",
        "target_activity",
        "kl_weight",
        "contraction",
        "decoder_std",
        "beta",
        "free_bits",
    ),
    "optimizer": ("learning_rate", "momentum", "weight_decay", "clip_norm"),
}


def replace_unvalidated(config: ConfigT, values: Mapping[str, Any]) -> ConfigT:
    """A copy with those of `values` that are its fields; the others belong to other configs.

    Nothing is validated: inside a trace the values are not known yet. Whoever gives them has made a real config of
    each.
    """
    copied = copy.copy(config)
    for field in dataclasses.fields(config):  # type: ignore[arg-type]
        if field.name in values:
            object.__setattr__(copied, field.name, values[field.name])
    return copied
