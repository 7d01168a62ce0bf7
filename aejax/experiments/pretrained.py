"""A finished pretraining run, opened: its model, its weights, and the data that it was trained on."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float

from aejax.autoencoders.registry import find_kind
from aejax.config import DataConfig, PretrainConfig, ProbeRunConfig, absent_values, from_dict, to_dict
from aejax.config.experiment import ExploreConfig
from aejax.data.dataset import Dataset
from aejax.data.input_encoding import InputEncoding, RawInputs
from aejax.data.registry import expand_path, resolve_data_dir
from aejax.data.scalers import Scaler, apply_scaler
from aejax.data.splits import Split, make_split
from aejax.data.table_schema import IMPUTING
from aejax.errors import InputError, require
from aejax.experiments.experiment import load_examples, make_problem_spec
from aejax.experiments.job import hash_data, hash_own_functions
from aejax.experiments.run_naming import is_path
from aejax.models.autoencoder import Autoencoder
from aejax.models.submodules import Variables
from aejax.storage.atomic_io import read_json
from aejax.storage.formats import arrays_sha256
from aejax.storage.pytree_io import load_variables, to_state_dict
from aejax.storage.results_file import read_results, results_kind
from aejax.storage.run_folder import RESULTS_FILE, RUN_STATE_FILE, read_run_state, read_state_record
from aejax.storage.run_identity import HASH_SUBJECTS, SHORT_HASH, RunIdentity, read_saved_hashes
from aejax.storage.runs import CONFIG_FILE

ENCODING_KEY = "encoding"  # in the results: how raw examples were read
WEIGHTS_KEY = "weights"  # in the identity of a run that analyses this one: their SHA-256
LAST_WEIGHTS, BEST_WEIGHTS = ("checkpoint", "best")  # folders: after the last epoch, and after each seed's best


@dataclasses.dataclass(frozen=True)
class PretrainedModel:
    """A finished pretraining run: encoder and decoder apart, for raw inputs of the dataset's shape."""

    config: PretrainConfig
    results: dict[str, Any]
    model: Autoencoder
    variables: Variables  # every leaf `(seeds, ...)`
    scaler: Scaler  # likewise
    hashes: Mapping[str, Any]  # of the data that it was trained on, by name
    encoding: InputEncoding  # of raw examples

    @property
    def weights_sha256(self) -> str:
        """SHA-256 of the variables and the scaler."""
        return arrays_sha256(to_state_dict({**self.variables, "scaler": self.scaler.as_variables()}))

    def identify_analysis(self, config: ProbeRunConfig | ExploreConfig) -> RunIdentity:
        """Returns the identity of a run that analyses this one."""
        return RunIdentity(
            {"run": self.results["config"], **to_dict(config)},
            # not its split, whose labelled rows an analysis may draw again; `load_pretraining_data` compares the others
            {
                **{name: digest for name, digest in self.hashes.items() if name in HASH_SUBJECTS and name != "split"},
                **hash_own_functions([self.config.method]),  # as they are now
                WEIGHTS_KEY: self.weights_sha256,
            },
            {"run": absent_values(PretrainConfig()), **absent_values(type(config)())},
        )

    def encode(self, inputs: RawInputs, seed: int = 0) -> Float[Array, "*batch latent"]:
        """Returns the codes of raw inputs, or of a single example, by one seed's encoder. Jittable and differentiable.

        Args:
            inputs: `(batch, *shape)`, or a DataFrame if the run is of a table.
            seed: of the run.
        """
        flat, batched = self.encoding.to_rows(inputs, tuple(self.results["dataset"]["shape"]))
        scaled = apply_scaler(jax.tree.map(lambda leaf: leaf[seed], self.scaler), flat)
        codes = self.model.encode(self.seed_variables(seed), scaled)
        return codes if batched else codes[0]

    def decode(self, latents: Float[Array, "batch latent"], seed: int = 0) -> Float[Array, "batch d"]:
        """Returns flat reconstructions in scaled input units, by one seed's decoder."""
        return self.model.decode(self.seed_variables(seed), latents)

    def seed_variables(self, seed: int) -> Variables:
        """Returns one seed's variables."""
        return jax.tree.map(lambda leaf: jax.numpy.asarray(leaf[seed]), self.variables)


def load_pretrained(run_dir: Path, weights: str = LAST_WEIGHTS) -> PretrainedModel:
    """Opens a run folder that `pretrain` finished, with the weights after the last epoch, or after the best.

    Raises:
        InputError: it is no such folder, the run is not finished, its kind is not registered, or its files do not
            belong together.
    """
    require(run_dir.is_dir(), f"{run_dir}: no such folder; give --run a folder that aejax pretrain made")
    results, hashes = _read_finished_run(run_dir)
    config = from_dict(PretrainConfig, read_json(run_dir / CONFIG_FILE), str(run_dir / CONFIG_FILE))
    features = int(np.prod(results["dataset"]["shape"]))
    problem = make_problem_spec(config, tuple(results["dataset"]["shape"]), results["dataset"]["classes"])
    model = find_kind(config.method)(problem).model
    shapes = jax.eval_shape(model.init, jax.random.key(0))
    stacked = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((config.seeds, *leaf.shape), leaf.dtype), shapes)
    variables = load_variables(run_dir / weights, {**stacked, "scaler": _scaler_shapes(config, features)})
    require(
        results["config"] == read_json(run_dir / CONFIG_FILE),
        f"{run_dir}: {RESULTS_FILE} and {CONFIG_FILE} are of different runs; run pretrain.py again with --overwrite",
    )
    encoding = from_dict(InputEncoding, results.get(ENCODING_KEY, {}), f"{run_dir / RESULTS_FILE}: {ENCODING_KEY}")
    return PretrainedModel(config, results, model, variables, Scaler(**variables.pop("scaler")), hashes, encoding)


def _scaler_shapes(config: PretrainConfig, features: int) -> dict[str, jax.ShapeDtypeStruct]:
    """Returns the shapes and dtypes of the scaler's arrays that a resolved config makes."""
    shared = config.data.scaler in ("range", "none")
    one = jax.ShapeDtypeStruct((config.seeds, 1 if shared else features), np.float32)
    fill = {"fill": jax.ShapeDtypeStruct((config.seeds, features), np.float32)}
    return {"shift": one, "scale": one} | (fill if config.data.missing in IMPUTING else {})


def _read_finished_run(run_dir: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns the results of a pretraining run, and the hashes of its data."""
    state = read_run_state(run_dir)
    unfinished = (run_dir / CONFIG_FILE).exists() and state != "finished"
    require(not unfinished, f"{run_dir}: the run is not finished ({state}); run the command that made it again")
    results = read_results(run_dir / RESULTS_FILE)
    require(
        results_kind(results) == "pretrain",
        f"{run_dir}: is not a pretraining run; give --run a folder that aejax pretrain made",
    )
    hashes = read_saved_hashes(run_dir, RESULTS_FILE, read_state_record(run_dir))
    require(
        hashes.get("data") == results["dataset"]["sha256"],
        f"{run_dir}: {RESULTS_FILE} and {RUN_STATE_FILE} are of different data; run pretrain.py again with --overwrite",
    )
    return results, hashes


def _find_data(config: DataConfig) -> DataConfig:
    """Returns the config with a path that does not exist looked up in `data_dir`, or else in AEJAX_DATA."""
    path, root = expand_path(config.dataset), resolve_data_dir(config)
    if not is_path(config.dataset) or path.exists():
        return config
    for candidate in () if root is None else (root / path, root / path.name):
        if candidate.exists():
            return dataclasses.replace(config, dataset=str(candidate))
    raise InputError(f"--run: was trained on {path}, which is not here; give --data-dir, the folder that has it")


def load_pretraining_data(pretrained: PretrainedModel, data_dir: Path | None) -> tuple[Dataset, Split]:
    """Returns the data and the split of a run, verified by their SHA-256.

    `data_dir` is a folder of downloads, or of data that have moved; default: the run's.

    Raises:
        InputError: the data cannot be loaded, or are not those that the run was trained on.
    """
    config = dataclasses.replace(pretrained.config.data, data_dir=data_dir or pretrained.config.data.data_dir)
    dataset = load_examples(_find_data(config))
    for name, digest in hash_data(dataset).items():
        trained_on = pretrained.hashes.get(name, digest)
        require(
            digest == trained_on,
            f"{dataset.name}: holds other {HASH_SUBJECTS[name]} than the run was trained on (SHA-256 "
            f"{digest[:SHORT_HASH]} here, {trained_on[:SHORT_HASH]} there); give the same data, or pretrain again",
        )
    split = make_split(dataset, pretrained.config.split, pretrained.config.seeds)
    require(
        split.sha256 == pretrained.results["dataset"]["split_sha256"],
        f"{dataset.name}: the rows the run was trained on cannot be distinguished from the test rows (the split "
        "differs); pretrain again with this version",
    )
    return dataset, split
