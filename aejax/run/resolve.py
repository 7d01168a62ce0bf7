"""What was left open in a config, decided from the data."""

import dataclasses
import difflib
import math
from typing import TypeVar

from aejax.config import ExperimentConfig
from aejax.data.dataset import Dataset
from aejax.errors import require
from aejax.methods import METHODS

Config = TypeVar("Config", bound=ExperimentConfig)


def resolve(config: Config, dataset: Dataset) -> Config:
    """The config with every None that stands for "decided from the data" decided.

    Raises:
        InputError: choices that do not go together.
    """
    scaler = config.data.scaler or ("range" if dataset.value_range else "standard")
    output = config.model.output or ("sigmoid" if scaler == "range" else "linear")
    reconstruction = config.objective.reconstruction or ("bce" if output == "sigmoid" and scaler == "range" else "mse")
    require(
        reconstruction == "mse" or (output == "sigmoid" and scaler == "range"),
        f"--reconstruction bce: needs --output sigmoid and inputs that cannot leave [0, 1], which is --scaler range; "
        f"here the output is {output} and the scaler {scaler}; use --reconstruction mse",
    )
    latent_dim = config.model.latent_dim or max(2, min(32, math.prod(dataset.shape) // 4))
    return dataclasses.replace(
        config,
        data=dataclasses.replace(config.data, scaler=scaler),
        model=dataclasses.replace(config.model, output=output, latent_dim=latent_dim),
        objective=dataclasses.replace(config.objective, reconstruction=reconstruction),
    )


def check_methods(names: tuple[str, ...]) -> None:
    """Refuse unknown, repeated or no method names, before anything is loaded.

    Raises:
        InputError: with the near names.
    """
    require(names, f"--methods: name at least one of {', '.join(METHODS)}")
    for name in names:
        near = difflib.get_close_matches(name, METHODS, n=3)
        hint = f"did you mean {' or '.join(near)}" if near else f"there are {', '.join(METHODS)}"
        require(name in METHODS, f"--methods {name}: no such method; {hint}")
    require(len(set(names)) == len(names), f"--methods {' '.join(names)}: each method once")
