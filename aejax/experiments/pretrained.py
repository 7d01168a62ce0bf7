"""A finished pretraining run, opened: its model, its weights, and the data that it was trained on."""

import dataclasses
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float, Shaped

from aejax.autoencoders.registry import KINDS
from aejax.config import PretrainConfig, from_dict
from aejax.data.dataset import Dataset
from aejax.data.registry import load_dataset
from aejax.data.scalers import Scaler, apply_scaler
from aejax.data.splits import Split, make_split
from aejax.errors import require
from aejax.experiments.experiment import make_problem_spec
from aejax.experiments.multihost import primary_first
from aejax.models.autoencoder import Autoencoder
from aejax.models.submodules import Variables
from aejax.storage.atomic_io import read_json
from aejax.storage.pytree_io import load_variables

LAST_WEIGHTS, BEST_WEIGHTS = ("checkpoint", "best")  # folders: after the last epoch, and after each seed's best


@dataclasses.dataclass(frozen=True)
class PretrainedModel:
    """A finished pretraining run: encoder and decoder apart, for raw inputs of the dataset's shape."""

    config: PretrainConfig
    results: dict[str, Any]
    model: Autoencoder
    variables: Variables  # every leaf `(seeds, ...)`
    scaler: Scaler  # likewise

    def encode(self, inputs: Shaped[Array | np.ndarray, "batch ..."], seed: int = 0) -> Float[Array, "batch latent"]:
        """Returns codes of raw inputs `(batch, *shape)`, by one seed's encoder. Jittable and differentiable."""
        flat = jax.numpy.reshape(inputs, (len(inputs), -1))
        scaled = apply_scaler(jax.tree.map(lambda leaf: leaf[seed], self.scaler), flat)
        return self.model.encode(self.seed_variables(seed), scaled)

    def decode(self, latents: Float[Array, "batch latent"], seed: int = 0) -> Float[Array, "batch d"]:
        """Returns flat reconstructions in scaled input units, by one seed's decoder."""
        return self.model.decode(self.seed_variables(seed), latents)

    def seed_variables(self, seed: int) -> Variables:
        """Returns one seed's variables."""
        return jax.tree.map(lambda leaf: jax.numpy.asarray(leaf[seed]), self.variables)


def load_pretrained(run_dir: Path, weights: str = LAST_WEIGHTS) -> PretrainedModel:
    """Opens a run folder that `pretrain` finished, with the weights after the last epoch, or after the best.

    Raises:
        InputError: it is no such folder, or its config and weights do not belong together.
    """
    require(run_dir.is_dir(), f"{run_dir}: no such folder; give --run a folder that scripts/pretrain.py made")
    results = read_json(run_dir / "results.json")
    require(
        isinstance(results, dict) and results.get("kind") == "pretrain",
        f"{run_dir}: is not a pretraining run; give --run a folder that scripts/pretrain.py made",
    )
    config = from_dict(PretrainConfig, read_json(run_dir / "config.json"), str(run_dir / "config.json"))
    features = int(np.prod(results["dataset"]["shape"]))
    problem = make_problem_spec(config, tuple(results["dataset"]["shape"]), results["dataset"]["classes"])
    model = KINDS[config.method](problem).model
    shapes = jax.eval_shape(model.init, jax.random.key(0))
    stacked = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((config.seeds, *leaf.shape), leaf.dtype), shapes)
    scaler_width = 1 if config.data.scaler in ("range", "none") else features
    scaler_part = jax.ShapeDtypeStruct((config.seeds, scaler_width), np.float32)
    like = {**stacked, "scaler": {"shift": scaler_part, "scale": scaler_part}}
    variables = load_variables(run_dir / weights, like)
    return PretrainedModel(config, results, model, variables, Scaler(**variables.pop("scaler")))


def load_pretraining_data(pretrained: PretrainedModel, data_dir: Path | None) -> tuple[Dataset, Split]:
    """Returns the data and the split of a run, verified by their SHA-256.

    Args:
        pretrained: the run.
        data_dir: folder of downloads; default: the run's.

    Raises:
        InputError: the data cannot be loaded, or are not those that the run was trained on.
    """
    config = dataclasses.replace(pretrained.config.data, data_dir=data_dir or pretrained.config.data.data_dir)
    dataset = primary_first(lambda: load_dataset(config))
    known = pretrained.results["dataset"]
    require(
        dataset.sha256 == known["sha256"],
        f"{dataset.name}: holds other examples than those the run was trained on (SHA-256 {dataset.sha256[:12]}, the "
        f"run has {known['sha256'][:12]}); give the same data, or pretrain again",
    )
    split = make_split(dataset, pretrained.config.split, pretrained.config.seeds)
    require(
        split.sha256 == known["split_sha256"],
        f"{dataset.name}: the rows the run was trained on cannot be distinguished from the test rows (the split "
        "differs); pretrain again with this version",
    )
    return dataset, split
