"""Defaults of a config that depend on the data."""

import dataclasses
import math
import re
from collections.abc import Collection
from typing import TypeVar

from aejax.autoencoders.registry import IMAGE_KINDS, KINDS
from aejax.config import CompareConfig, DataConfig, ExperimentConfig, ModelConfig, ObjectiveConfig, SweepConfig
from aejax.data.dataset import Dataset
from aejax.data.shuffling import steps_per_epoch
from aejax.errors import require, suggest_names
from aejax.evaluate.estimates import DesignName
from aejax.methods.registry import ALL_METHODS, CONTROLS, METHODS, TABLE_CONTROLS

K_ENCODE_RATIO = 3.0  # k-sparse: units kept when encoding, by k; chosen by scripts/choose_defaults.py
OWN_NAME = re.compile(r"[^./\\][^/\\]*")  # of the user's representations: results are saved in folders of these names
MAX_OWN_NAME_BYTES = 200

Config = TypeVar("Config", bound=ExperimentConfig)


def resolve_config(config: Config, dataset: Dataset) -> Config:
    """Returns the config with every None that means "decided from the data" replaced.

    Raises:
        InputError: settings contradict each other.
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
        split=dataclasses.replace(config.split, design=resolve_design(config, dataset)),
        data=_resolve_data(dataclasses.replace(config.data, scaler=scaler), dataset),
        model=_resolve_model(dataclasses.replace(config.model, output=output), dataset.example_shape),
        objective=_resolve_objective(
            dataclasses.replace(config.objective, reconstruction=reconstruction), config, dataset
        ),
    )


def resolve_design(config: ExperimentConfig, dataset: Dataset) -> DesignName:
    """Returns the design of the test: cross-validation of a comparison or a sweep, where the data have no test set.

    Raises:
        InputError: cross-validation is asked for elsewhere.
    """
    reasons = {
        "pretrain.py, probe.py and explore.py have one test set": not isinstance(config, CompareConfig | SweepConfig),
        "streamed data have one test set": dataset.stream is not None,
        "the data have an official test set": dataset.test_rows is not None,
        "--split tutorial has one test set": config.split.split == "tutorial",
    }
    reason = next((reason for reason, holds in reasons.items() if holds), None)
    require(
        reason is None or config.split.design != "cross-validation",
        f"--design cross-validation: {reason}; leave it out, or give --design holdout",
    )
    return config.split.design or ("cross-validation" if reason is None else "holdout")


def _resolve_data(config: DataConfig, dataset: Dataset) -> DataConfig:
    stream = dataset.stream
    if dataset.table is not None:  # a data set that was passed, or a named one, has a policy of its own
        config = dataclasses.replace(config, missing=dataset.table.missing)
    if stream is None:
        return config
    return dataclasses.replace(
        config, stream=True, stream_sample=len(stream.held_out_rows), shuffle_window=stream.window_size
    )


def _resolve_model(config: ModelConfig, shape: tuple[int, ...]) -> ModelConfig:
    features = math.prod(shape)
    return dataclasses.replace(
        config,
        latent_dim=config.latent_dim or max(2, min(32, features // 4)),
        overcomplete_dim=config.overcomplete_dim or features + math.ceil(features / 4),
        sparse_dim=resolve_sparse_dim(config, features),
    )


def resolve_sparse_dim(config: ModelConfig, features: int) -> int:
    """Returns the width of the sparse kinds' code, by default twice the inputs and at most 256."""
    return config.sparse_dim or min(2 * features, 256)


def _resolve_objective(config: ObjectiveConfig, experiment: ExperimentConfig, dataset: Dataset) -> ObjectiveConfig:
    shape = dataset.example_shape
    likelihood = config.likelihood or ("bernoulli" if config.reconstruction == "bce" else "gaussian")
    require(
        likelihood == "gaussian" or config.reconstruction == "bce",
        "--likelihood bernoulli: needs inputs and outputs in [0, 1], which is --reconstruction bce; use gaussian",
    )
    patch = config.patch or (max(2, min(shape[:2]) // 7) if len(shape) == 3 else None)
    width = resolve_sparse_dim(experiment.model, math.prod(shape))
    k = config.k or max(1, width // 10)
    decay_steps = config.k_decay_steps
    if decay_steps is None:
        decay_steps = experiment.train.epochs * _steps_per_epoch(experiment, dataset) // 2
    k_start = config.k_start or (min(5 * k, width) if decay_steps else None)
    k_encode = config.k_encode or (min(round(K_ENCODE_RATIO * k), width) if decay_steps else None)
    return dataclasses.replace(
        config,
        likelihood=likelihood,
        patch=patch,
        k=k,
        k_encode=k_encode,
        k_start=k_start,
        k_decay_steps=decay_steps,
    )


def _steps_per_epoch(config: ExperimentConfig, dataset: Dataset) -> int:
    """Returns about how many steps an epoch has; splits are drawn later, and may leave rows out."""
    if dataset.stream is not None:
        rows = dataset.stream.n_train
    elif dataset.test_rows is not None:
        rows = dataset.n_examples - len(dataset.test_rows)
    else:
        rows = round(dataset.n_examples * (1 - config.split.test_fraction))
    return steps_per_epoch(max(1, round(rows * (1 - config.split.valid_fraction))), config.train.batch_size)


def expand_methods(names: tuple[str, ...], dataset: Dataset) -> tuple[str, ...]:
    """Returns the names with `all` replaced by every control and every kind that suits the examples."""
    image = len(dataset.example_shape) == 3
    unsuitable = TABLE_CONTROLS if image else IMAGE_KINDS
    suitable = [name for name in (*CONTROLS, *KINDS) if name not in unsuitable]
    expanded = [method for name in names for method in (suitable if name == ALL_METHODS else [name])]
    return tuple(dict.fromkeys(expanded)) if ALL_METHODS in names else names


def check_kind(name: str) -> None:
    """Raises InputError for an unknown method, or one that is no kind of autoencoder."""
    check_methods((name,))
    require(name in KINDS, f"--method {name}: is not an autoencoder; there are {', '.join(KINDS)}")


def check_methods(names: tuple[str, ...], flag: str = "--methods", own: Collection[str] = ()) -> None:
    """Raises InputError if a flag names no method, an unknown one or one twice, and suggests similar names.

    `own` are the names of the user's representations, which are valid, too. None of them may be the name of a method,
    or one that no file in a folder can have.
    """
    _check_own_names(own)
    prefixed = "random-, supervised-, frozen-encoder-, frozen-decoder-, knn- and permuted-KIND"
    known = f"{', '.join([*CONTROLS, *KINDS])}, {prefixed}, and all"
    require(names, f"{flag}: name at least one of {known}")
    for name in names:
        hint = suggest_names(name, METHODS, f"there are {known}; register a kind of your own first (--plugin)")
        require(name in METHODS or name in own or name == ALL_METHODS, f"{flag} {name}: no such method; {hint}")
    require(len(set(names)) == len(names), f"{flag} {' '.join(names)}: each method once")


def _check_own_names(names: Collection[str]) -> None:
    for name in names:
        require(
            name not in METHODS and name != ALL_METHODS, f"{name!r} is a method of aejax; give the row another name"
        )
        is_file_name = OWN_NAME.fullmatch(name) and name.isprintable() and len(name.encode()) <= MAX_OWN_NAME_BYTES
        require(
            is_file_name,
            f"{name!r} cannot be the name of a row; give it one without / and \\ that does not begin with a dot, is "
            f"printable, and has at most {MAX_OWN_NAME_BYTES} bytes",
        )


def check_versus(versus: tuple[str, ...], methods: tuple[str, ...], own: Collection[str] = ()) -> None:
    """Raises InputError for names in `--versus` that are unknown, repeated, or not among the expanded `--methods`."""
    if versus:
        check_methods(versus, "--versus", own)
    for name in versus:
        require(name in methods, f"--versus {name}: is not among --methods; add it there, or leave it out here")
