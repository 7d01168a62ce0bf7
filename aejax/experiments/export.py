"""Export of a pretraining run's encoder: its weights, metadata and model card, in several formats."""

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from aejax.config.experiment import ExportConfig, WeightsChoice
from aejax.errors import require
from aejax.experiments.environment import provenance
from aejax.experiments.experiment import make_problem_spec
from aejax.experiments.pretrained import BEST_WEIGHTS, LAST_WEIGHTS, WEIGHTS_KEY, PretrainedModel, load_pretrained
from aejax.experiments.schedule import epoch_budget
from aejax.methods.autoencoders import autoencoder_method
from aejax.report.model_card import render_model_card
from aejax.report.results import Results, finite_or_none
from aejax.storage.encoder_metadata import SCHEMA_VERSION, EncoderMetadata, EncoderMetrics, Preprocessing, Provenance
from aejax.storage.export import require_available, write_encoder
from aejax.storage.formats import arrays_sha256, require_format_packages
from aejax.storage.numpy_forward import numpy_forward
from aejax.storage.pretrained_encoder import PretrainedEncoder
from aejax.storage.pytree_io import ArrayTree, named_leaves, to_state_dict
from aejax.storage.results_file import METRICS_FILE, read_metrics, read_results
from aejax.storage.run_folder import RESULTS_FILE, read_state_record
from aejax.storage.run_identity import read_saved_hashes

Losses = Mapping[str, Float[np.ndarray, "seeds epochs"]]  # `train_loss`, and `valid_loss` if there are such rows
WEIGHTS_DIRS: dict[WeightsChoice, str] = {"last": LAST_WEIGHTS, "best": BEST_WEIGHTS}


class ExportedEncoder(NamedTuple):
    """A published encoder."""

    manifest_sha256: str  # of the manifest, which has the SHA-256 of every file
    metadata: EncoderMetadata
    notes: tuple[str, ...]  # for the user


def export(
    run_dir: Path, out: Path, config: ExportConfig, *, overwrite: bool = False, probe: Path | None = None
) -> ExportedEncoder:
    """Publishes the encoder of a finished pretraining run.

    Args:
        run_dir: the run folder.
        out: the encoder's folder, which appears when it is complete.
        config: seeds, weights and formats.
        overwrite: replace an existing encoder.
        probe: folder of a probe of the run, for the model card.

    Raises:
        InputError: the run, the settings or the folder cannot be used, or the best weights are those of the lowest
            loss of test rows; nothing has been written.
    """
    require_format_packages(config.formats)
    require_available(out, overwrite=True)  # whether it has another encoder is known once this one is described
    pretrained = load_pretrained(run_dir, WEIGHTS_DIRS[config.weights])
    results = None if probe is None else _read_probe(probe, pretrained, f"the {config.weights} weights of {run_dir}")
    return publish(pretrained, _read_losses(run_dir, pretrained), out, config, overwrite=overwrite, probe=results)


def publish(
    pretrained: PretrainedModel,
    losses: Losses,
    out: Path,
    config: ExportConfig,
    *,
    overwrite: bool = False,
    probe: Results | None = None,
) -> ExportedEncoder:
    """Publishes the encoder of a model that was trained with these losses. See `export`."""
    metrics = describe_seeds(pretrained, losses, config.weights)
    seeds = select_seeds(config.seed, metrics)
    tree = _encoder_arrays(pretrained, seeds, stacked=config.seed == "all")
    description = _build_metadata(pretrained, config, seeds, metrics, tree)

    def card(encoder: PretrainedEncoder, checksums: Mapping[str, str]) -> str:
        arrays = {name: (str(leaf.dtype), leaf.shape) for name, leaf in named_leaves(encoder.variables).items()}
        source = numpy_forward(encoder.model, fills_missing=description.preprocessing.fill is not None)
        entry = None if probe is None else probe["methods"][0]
        return render_model_card(out.absolute().name, description, arrays, source, checksums, entry)

    digest = write_encoder(out, description, tree, card, overwrite=overwrite)
    notes = tuple(
        f"seed {seed} diverged in epoch {metrics.diverged_epoch[seed]}; its weights are the last that were finite"
        for seed in seeds
        if metrics.diverged_epoch[seed] is not None
    )
    return ExportedEncoder(digest, description, notes)


def select_seeds(selection: str, metrics: EncoderMetrics) -> tuple[int, ...]:
    """Returns the seeds that `--seed` selects, best, all or a number, by the metrics of all.

    Raises:
        InputError: there is no such seed, or the best is selected and all seeds diverged.
    """
    count = len(metrics.epoch)
    if selection == "all":
        return tuple(range(count))
    if selection != "best":
        there = f"the run has seeds 0 to {count - 1}; give one of them, best or all"
        require(int(selection) < count, f"--seed {selection}: {there}")
        return (int(selection),)
    has_validation = any(loss is not None for loss in metrics.valid_loss)
    losses = metrics.valid_loss if has_validation else metrics.train_loss
    finite = {
        seed: loss
        for seed, (loss, diverged) in enumerate(zip(losses, metrics.diverged_epoch, strict=True))
        if loss is not None and diverged is None
    }
    require(finite, "--seed best: every seed of the run diverged; give a seed's number to publish it all the same")
    return (min(finite, key=finite.__getitem__),)


def _read_probe(folder: Path, pretrained: PretrainedModel, weights: str) -> Results:
    """Returns the results of a probe of a model. Raises `InputError` if the folder has none; `weights` describes it."""
    results = read_results(folder / RESULTS_FILE)
    hashes = read_saved_hashes(folder, RESULTS_FILE, read_state_record(folder))
    own = pretrained.weights_sha256
    require(
        "prediction" in results
        and results["methods"][0]["name"] == pretrained.config.method
        and results["dataset"].get("sha256") == pretrained.results["dataset"]["sha256"]
        and hashes.get(WEIGHTS_KEY, own) == own,  # probes of older versions have none
        f"--probe {folder}: is not a probe of {weights}; give a folder that aejax probe made, which is of the last, "
        "or leave it out",
    )
    return results


def _read_losses(run_dir: Path, pretrained: PretrainedModel) -> Losses:
    rows = [row for row in read_metrics(run_dir) if row["method"] == pretrained.config.method]
    rows.sort(key=lambda row: (row["seed"], row["epoch"]))
    seeds, epochs = range(pretrained.config.seeds), range(1, 1 + len(rows) // pretrained.config.seeds)
    names = [name for name in ("train_loss", "valid_loss") if all(name in row for row in rows)]
    require(
        "train_loss" in names
        and [(row["seed"], row["epoch"]) for row in rows] == list(itertools.product(seeds, epochs)),
        f"{run_dir / METRICS_FILE}: is damaged, a seed or its losses are missing; run pretrain.py again with "
        "--overwrite",
    )
    return {name: np.array([row[name] for row in rows], float).reshape(len(seeds), -1) for name in names}


def describe_seeds(pretrained: PretrainedModel, losses: Losses, weights: WeightsChoice) -> EncoderMetrics:
    """Returns the metrics of every seed with its last or best weights.

    Raises:
        InputError: the best are those of the lowest loss of test rows.
    """
    config, results = pretrained.config, pretrained.results
    if config.monitor == "test":
        require(
            weights == "last",
            "--weights best: the run has --monitor test, by whose losses nothing is chosen; leave it out",
        )
        losses = {"train_loss": losses["train_loss"]}
    problem = make_problem_spec(config, tuple(results["dataset"]["shape"]), results["dataset"]["classes"])
    method = autoencoder_method(config.method, problem)
    first = len(method.stages) * epoch_budget(config, method).per_stage if weights == "best" else None
    train, diverged = losses["train_loss"], results["diverged_epoch"]
    valid = losses.get("valid_loss", np.full_like(train, np.nan))
    epochs = [select_epoch(of_seed, end, first) for of_seed, end in zip(valid, diverged, strict=True)]

    def at_epoch(values: Float[np.ndarray, "seeds epochs"]) -> tuple[float | None, ...]:
        of_seeds = zip(values.tolist(), epochs, strict=True)
        return tuple(finite_or_none(of_seed[epoch - 1]) if epoch else None for of_seed, epoch in of_seeds)

    def of_last(metric: dict[str, Any] | None) -> tuple[float | None, ...]:
        if metric is None or weights != "last":
            return (None,) * len(epochs)
        return tuple(map(finite_or_none, metric["per_seed"]))

    return EncoderMetrics(
        epoch=tuple(epochs),
        train_loss=at_epoch(train),
        valid_loss=at_epoch(valid),
        diverged_epoch=tuple(diverged),
        test_reconstruction_mse=of_last(results["reconstruction_mse"]),
        test_explained_variance=of_last(results["measures"].get("explained_variance")),
    )


def select_epoch(valid_loss: Float[np.ndarray, " epochs"], diverged_epoch: int | None, first: int | None) -> int:
    """Returns the epoch of a seed's weights, the last before it diverged or the best; 0 is before the training.

    Args:
        valid_loss: of every epoch; where none is finite the best epoch is the last.
        diverged_epoch: from which on the weights are those before it; None: the seed did not diverge.
        first: epochs of layer-wise stages, which come first and of which none is the best; None: the last epoch.
    """
    last = len(valid_loss) if diverged_epoch is None else diverged_epoch - 1
    if first is None or not np.isfinite(valid_loss[first:last]).any():
        return last
    return first + 1 + int(np.nanargmin(valid_loss[first:last]))


def _encoder_arrays(pretrained: PretrainedModel, seeds: tuple[int, ...], *, stacked: bool) -> ArrayTree:
    """Returns the encoder's variables and the scaler, on the host."""
    encoder = {collection: parts["encoder"] for collection, parts in pretrained.variables.items()}
    index = np.asarray(seeds) if stacked else seeds[0]
    selected = jax.tree.map(
        lambda leaf: np.asarray(leaf)[index], {**encoder, "scaler": pretrained.scaler.as_variables()}
    )
    return to_state_dict(selected)


def _build_metadata(
    pretrained: PretrainedModel,
    config: ExportConfig,
    seeds: tuple[int, ...],
    metrics: EncoderMetrics,
    tree: ArrayTree,
) -> EncoderMetadata:
    run, data = pretrained.config, pretrained.results["dataset"]
    assert run.data.scaler is not None
    scaler = {name: np.asarray(leaf)[list(seeds)] for name, leaf in pretrained.scaler.as_variables().items()}
    fitted: dict[str, Any] = {name: tuple(map(tuple, rows.tolist())) for name, rows in scaler.items()}
    features = jax.ShapeDtypeStruct((1, pretrained.model.n_features), np.float32)
    one = jax.eval_shape(lambda: pretrained.model.init(jax.random.key(0)))
    of_seeds: dict[str, Any] = {name: tuple(of_all[seed] for seed in seeds) for name, of_all in vars(metrics).items()}
    return EncoderMetadata(
        schema=SCHEMA_VERSION,
        kind=run.method,
        model=run.model,
        objective=run.objective,
        shape=tuple(data["shape"]),
        dtype=data.get("dtype", "float32"),  # runs made before it was written down: any dtype converts to that one
        classes=data["classes"],
        preprocessing=Preprocessing(
            scaler=run.data.scaler,
            offsets=pretrained.encoding.offsets,
            table=pretrained.encoding.table,
            **fitted,
        ),
        code_width=jax.eval_shape(pretrained.model.encode, one, features).shape[1],
        seeds=seeds,
        stacked=config.seed == "all",
        weights=config.weights,
        formats=config.formats,
        arrays_sha256=arrays_sha256(tree),
        metrics=EncoderMetrics(**of_seeds),
        origin=_build_provenance(pretrained),
    )


def _build_provenance(pretrained: PretrainedModel) -> Provenance:
    results, exported = pretrained.results, provenance()
    stream = results["dataset"].get("stream", {})
    trained = len(results["history"]["train_loss"])
    return Provenance(
        dataset=results["dataset"]["name"],
        dataset_sha256=results["dataset"]["sha256"],
        n_train=stream.get("n_train", results["dataset"]["n_train"]),
        recipe=pretrained.config.recipe,
        epochs=-(-trained // stream.get("rounds_per_pass", 1)),
        trained_by=results["environment"]["command"],
        exported_by=exported["command"],
        commit=exported["commit"],
        versions=tuple(f"{name} {version}" for name, version in exported["versions"].items()),
    )
