"""Training of autoencoders as a function: many seeds in one call, and a model that encodes, decodes and samples."""

import dataclasses
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Array, Float, Key
from rich.console import Console

from aejax.api.arguments import argument_errors
from aejax.api.comparison import make_checkpoint, own_name
from aejax.api.data import as_dataset
from aejax.config.experiment import ExportConfig
from aejax.config.settings import replace_settings
from aejax.data.input_encoding import RawInputs, encoding_of
from aejax.data.label_budget import with_some_class
from aejax.data.scalers import Scaler, apply_scaler
from aejax.errors import require
from aejax.experiments.export import publish
from aejax.experiments.job import hash_data
from aejax.experiments.pretrain import design_pretraining, prepare_pretraining, run_pretraining, train_model
from aejax.experiments.pretrained import PretrainedModel, load_pretrained
from aejax.experiments.progress import open_reporter
from aejax.experiments.results import metric_rows
from aejax.methods.registry import register_kind
from aejax.models.variational import VariationalAutoencoder
from aejax.recipes import recipe_for_kind
from aejax.report.run_page import render_run_page
from aejax.storage.atomic_io import to_jsonable, write_atomically
from aejax.storage.hub import push_to_hub
from aejax.storage.results_file import read_metrics


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class TrainedAutoencoder:
    """A trained autoencoder, for every seed.

    Inputs are raw examples as the data had them, `(n, *shape)` or flat, or a DataFrame; images of one channel may lack
    that axis. Results have a leading axis of seeds. The methods are pure and work under `jit` and `vmap`, DataFrames
    aside.

    Attributes:
        history: losses, a row for each seed, epoch and metric.
        results: metrics of the test rows, settings and environment, as in `results.json`.
        folder: of the run, if it has one.
    """

    history: pd.DataFrame
    _pretrained: PretrainedModel
    folder: Path | None = None

    @property
    def results(self) -> dict[str, Any]:
        """The content of `results.json`."""
        return self._pretrained.results

    @property
    def seeds(self) -> int:
        """Number of seeds."""
        return self._pretrained.config.seeds

    def to_html(self, file: str | Path) -> Path:
        """Writes one self-contained page and returns its path; curves and pictures are those of the run's folder."""
        path = Path(file).expanduser()
        write_atomically(path, render_run_page(self.results, self.folder).encode())
        return path

    def encode(self, inputs: RawInputs) -> Float[Array, "seeds *n width"]:
        """Returns the codes of raw inputs; of a single example `(*shape)`, a single code of each seed."""
        rows, batched = self._pretrained.encoding.to_rows(inputs, tuple(self.results["dataset"]["shape"]))

        def encode(variables: Any, scaler: Scaler) -> Float[Array, "n width"]:
            return self._pretrained.model.encode(variables, apply_scaler(scaler, rows))

        codes = jax.vmap(encode)(*self._arrays)
        return codes if batched else codes[:, 0]

    def decode(self, codes: Float[Array | np.ndarray, "..."]) -> Float[Array, "seeds ..."]:
        """Returns the examples `(seeds, n, *shape)` that codes stand for, in the inputs' units.

        Args:
            codes: `(seeds, n, width)`, of each seed; or `(n, width)` or a single code `(width,)`, which every seed
                decodes; of the latter the result is `(seeds, *shape)`.
        """
        values = jnp.asarray(codes, jnp.float32)
        if values.ndim == 1:
            return self.decode(values[None])[:, 0]
        axis = 0 if values.ndim == 3 else None
        shape = tuple(self.results["dataset"]["shape"])

        def decode(variables: Any, scaler: Scaler, of_seed: Float[Array, "n width"]) -> Float[Array, "n *shape"]:
            scaled = self._pretrained.model.decode(variables, of_seed)
            scale = jnp.where(scaler.scale == 0, jnp.inf, scaler.scale)  # constant features are their shift
            raw = scaled / scale[None] + scaler.shift[None]
            offsets = self._pretrained.encoding.offsets
            raw = raw if offsets is None else raw + jnp.asarray(offsets, jnp.float32)[None]
            return raw.reshape(len(of_seed), *shape)

        return jax.vmap(decode, in_axes=(0, 0, axis))(*self._arrays, values)

    def reconstruct(self, inputs: RawInputs) -> Float[Array, "seeds ..."]:
        """Returns the reconstructions of raw inputs, in their units; of a single example, one of each seed."""
        codes = self.encode(inputs)
        return self.decode(codes) if codes.ndim == 3 else self.decode(codes[:, None])[:, 0]

    def sample(self, key: Key[Array, ""], n: int) -> Float[Array, "seeds n *shape"]:
        """Returns `n` examples drawn from the prior of a variational kind; every seed decodes the same codes.

        Raises:
            aejax.InputError: the kind has no prior.
        """
        model, method = self._pretrained.model, self._pretrained.config.method
        has_prior = isinstance(model, VariationalAutoencoder)
        require(has_prior, f"sample: {method} has no prior; vae, beta-vae and conv-vae have one")
        width = self._pretrained.config.model.latent_dim
        assert width is not None
        return self.decode(jax.random.normal(key, (n, width)))

    def encoder(self, seed: int = 0) -> "SavedEncoder":
        """Returns the encoder of one seed, which `save` publishes. Raises `InputError` if there is no such seed."""
        require(0 <= seed < self.seeds, f"seed={seed}: there are seeds 0 to {self.seeds - 1}")
        return SavedEncoder(self, seed)

    def __repr__(self) -> str:
        method, dataset = self._pretrained.config.method, self.results["dataset"]
        error = self.results["reconstruction_mse"]["mean"]
        sizes = f"{self.seeds} seeds, {self.results['parameters']:,} parameters"
        return f"TrainedAutoencoder({method} on {dataset['name']}: {sizes}, test MSE {error:.4g})"

    @property
    def _arrays(self) -> tuple[Any, Scaler]:
        return self._pretrained.variables, self._pretrained.scaler


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class SavedEncoder:
    """The encoder of one seed of a trained autoencoder."""

    model: TrainedAutoencoder
    seed: int

    def __call__(self, inputs: RawInputs) -> Float[Array, "*n width"]:
        """Returns the codes of raw inputs, or of a single example. Pure; works under `jit` and `vmap`."""
        return self.model._pretrained.encode(inputs, self.seed)

    def __repr__(self) -> str:
        return f"SavedEncoder(seed {self.seed} of {self.model!r})"

    def save(self, folder: str | Path, *, overwrite: bool = False, probe: Any = None) -> str:
        """Publishes the encoder: arrays, metadata and a model card, which `aejax.load_encoder` opens.

        Args:
            folder: appears when it is complete.
            overwrite: replace an encoder that is there.
            probe: what `aejax.probe` found on the codes; the model card shows its accuracy.

        Returns:
            The SHA-256 of the manifest, which identifies the whole content.
        """
        with argument_errors():
            pretrained, history = self.model._pretrained, self.model.history
            losses = {
                str(name): rows.pivot(index="seed", columns="epoch", values="value").to_numpy()
                for name, rows in history.groupby("metric")
            }
            config = ExportConfig(seed=str(self.seed), formats=("orbax",))
            path, results = Path(folder).expanduser(), None if probe is None else getattr(probe, "results", {})
            names = ["raw"] if results is None else [method["name"] for method in results.get("methods", ())]
            require(names == ["raw"], "probe: expected what aejax.probe returned for the codes")
            return publish(pretrained, losses, path, config, overwrite=overwrite, probe=results).manifest_sha256

    def push_to_hub(
        self, repo_id: str, *, probe: Any = None, private: bool | None = None, token: str | None = None
    ) -> str:
        """Publishes the encoder on the Hugging Face Hub, where `aejax.load_encoder("hf:OWNER/NAME")` opens it.

        Args:
            repo_id: `OWNER/NAME` of a model repository, which is made if there is none.
            probe: see `save`.
            private: whether a new repository is private; None: as the owner's settings are.
            token: of the owner; None: the one of `hf auth login`, or `HF_TOKEN`.

        Returns:
            The address of the commit.
        """
        with tempfile.TemporaryDirectory(prefix="aejax-") as temporary:
            folder = Path(temporary, repo_id.rpartition("/")[2])
            self.save(folder, probe=probe)
            return push_to_hub(folder, repo_id, private=private, token=token)


def _history_frame(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Returns a row for each seed, epoch (from 1) and metric, with its value, of the rows of `metrics.jsonl`."""
    table = pd.DataFrame(rows).drop(columns="method")
    return table.melt(["seed", "epoch"], var_name="metric", value_name="value").astype({"value": float})


def load_trained(folder: Path) -> TrainedAutoencoder:
    """Returns the autoencoder of a finished pretraining run. Raises `InputError` if the folder is none."""
    pretrained = load_pretrained(folder)
    rows = (row for row in read_metrics(folder) if row["method"] == pretrained.config.method)
    return TrainedAutoencoder(_history_frame(rows), pretrained, folder)


def pretrain(
    data: Any,
    kind: str | Callable[..., Any] = "undercomplete",
    *,
    out: str | Path | None = None,
    progress: bool = False,
    overwrite: bool = False,
    track: str | Sequence[str] = (),
    **settings: Any,
) -> TrainedAutoencoder:
    """Trains an autoencoder without labels, for several seeds at once.

    Args:
        data: a `Dataset`, the name of one, or examples `(n, ...)` without labels.
        kind: of autoencoder, or a kind of one's own: a function of a `ProblemSpec`.
        out: folder for everything that `pretrain.py` leaves; None: no files.
        progress: show a bar.
        overwrite: replace a run in `out`.
        track: tools that get losses and figures of the run in `out`, as for `compare`.
        settings: by the names of the flags: `seeds=4`, `epochs=15`, `latent_dim=16`, `batch_size=64`, ...; those
            of the data as for `compare`.

    Raises:
        aejax.InputError: the data or a setting cannot be used; nothing has been trained.

    Example:
        >>> model = pretrain("wine", "vae", seeds=2, epochs=2, latent_dim=3)
        >>> model.encode(load_dataset("wine").inputs).shape
        (2, 178, 3)
    """
    start = time.perf_counter()
    with argument_errors():
        dataset = with_some_class(as_dataset(data, None, settings))
        name = own_name(kind, "kind: the function has no name; give aejax.register('mine', ...), then kind='mine'")
        if not isinstance(kind, str):
            register_kind(name, kind)
        config = replace_settings(recipe_for_kind(name, dataset.name, is_named=dataset.is_named), settings)
        console, checkpoint = Console(quiet=not progress), make_checkpoint(out, overwrite, track)
        design = design_pretraining(config, dataset)
        if out is not None:
            folder = Path(out).expanduser()
            run_pretraining(design, folder, console, checkpoint, start)
            return load_trained(folder)
        with open_reporter(console) as reporter:
            experiment = prepare_pretraining(design, reporter)
            trained, results = train_model(experiment, design.method, lambda: time.perf_counter() - start)
    plan, model = experiment.plan, design.method.model
    assert model is not None
    variables = plan.to_host(trained.progress.state.variables)
    pretrained = PretrainedModel(
        config=design.config,
        results=to_jsonable(results),
        model=model,
        variables=variables,
        scaler=experiment.scaler,
        hashes=hash_data(dataset),
        encoding=encoding_of(dataset),
    )
    return TrainedAutoencoder(_history_frame(metric_rows(name, trained.history)), pretrained)
