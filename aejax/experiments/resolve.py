"""What was left open in a config, decided from the data."""

import dataclasses
import difflib
import math
from typing import TypeVar

from aejax.autoencoders.registry import IMAGE_KINDS, KINDS
from aejax.config import DataConfig, ExperimentConfig, ModelConfig, ObjectiveConfig
from aejax.data.dataset import Dataset
from aejax.errors import require
from aejax.methods import CONTROLS, METHODS

ALL_METHODS = "all"  # stands for every control and every kind that suits the data

Config = TypeVar("Config", bound=ExperimentConfig)


def resolve_config(config: Config, dataset: Dataset) -> Config:
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
    return dataclasses.replace(
        config,
        data=_resolve_data(dataclasses.replace(config.data, scaler=scaler), dataset),
        model=_resolve_model(dataclasses.replace(config.model, output=output), dataset.example_shape),
        objective=_resolve_objective(
            dataclasses.replace(config.objective, reconstruction=reconstruction), config.model, dataset.example_shape
        ),
    )


def _resolve_data(config: DataConfig, dataset: Dataset) -> DataConfig:
    stream = dataset.stream
    if stream is None:
        return config
    return dataclasses.replace(config, stream_sample=len(stream.held_out_rows), shuffle_window=stream.window_size)


def _resolve_model(config: ModelConfig, shape: tuple[int, ...]) -> ModelConfig:
    features = math.prod(shape)
    return dataclasses.replace(
        config,
        latent_dim=config.latent_dim or max(2, min(32, features // 4)),
        overcomplete_dim=config.overcomplete_dim or features + math.ceil(features / 4),
        sparse_dim=resolve_sparse_dim(config, features),
    )


def resolve_sparse_dim(config: ModelConfig, features: int) -> int:
    """Width of the sparse kinds' code: as asked, or twice the inputs, at most 256."""
    return config.sparse_dim or min(2 * features, 256)


def _resolve_objective(config: ObjectiveConfig, model: ModelConfig, shape: tuple[int, ...]) -> ObjectiveConfig:
    likelihood = config.likelihood or ("bernoulli" if config.reconstruction == "bce" else "gaussian")
    require(
        likelihood == "gaussian" or config.reconstruction == "bce",
        "--likelihood bernoulli: needs inputs and outputs in [0, 1], which is --reconstruction bce; use gaussian",
    )
    patch = config.patch or (max(2, min(shape[:2]) // 7) if len(shape) == 3 else None)
    k = config.k or max(1, resolve_sparse_dim(model, math.prod(shape)) // 10)
    return dataclasses.replace(config, likelihood=likelihood, patch=patch, k=k)


def expand_methods(names: tuple[str, ...], dataset: Dataset) -> tuple[str, ...]:
    """Names with `all` replaced by every control and every kind that can be built for such examples."""
    image = len(dataset.example_shape) == 3
    every = [*CONTROLS, *(kind for kind in KINDS if image or kind not in IMAGE_KINDS)]
    expanded = [own for name in names for own in (every if name == ALL_METHODS else [name])]
    return tuple(dict.fromkeys(expanded)) if ALL_METHODS in names else names


def check_methods(names: tuple[str, ...]) -> None:
    """Refuse unknown, repeated or no method names, before anything is loaded. `all` is a name too.

    Raises:
        InputError: with the near names.
    """
    known = f"{', '.join([*CONTROLS, *KINDS])}, random-, supervised-, knn- and permuted-KIND, and all"
    require(names, f"--methods: name at least one of {known}")
    for name in names:
        near = difflib.get_close_matches(name, METHODS, n=3)
        hint = f"did you mean {' or '.join(near)}" if near else f"there are {known}"
        require(name in METHODS or name == ALL_METHODS, f"--methods {name}: no such method; {hint}")
    require(len(set(names)) == len(names), f"--methods {' '.join(names)}: each method once")
