"""Export of a pretraining run's encoder: its weights, metadata and model card, in several formats."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

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

EpochRow = dict[str, Any]  # of a seed: the epoch's number and losses, None or NaN if not finite
EpochRows = list[EpochRow]
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
    return publish(pretrained, _read_epochs(run_dir, pretrained), out, config, overwrite=overwrite, probe=results)


def publish(
    pretrained: PretrainedModel,
    epochs: list[EpochRows],
    out: Path,
    config: ExportConfig,
    *,
    overwrite: bool = False,
    probe: Results | None = None,
) -> ExportedEncoder:
    """Publishes the encoder of a model; `epochs` are those of every seed, in order. See `export`."""
    diverged = pretrained.results["diverged_epoch"]
    selected = select_epochs(pretrained, epochs, config.weights)
    seeds = select_seeds(config.seed, selected, diverged)
    tree = _encoder_arrays(pretrained, seeds, stacked=config.seed == "all")
    description = _build_metadata(pretrained, config, seeds, selected, tree)

    def card(encoder: PretrainedEncoder, checksums: Mapping[str, str]) -> str:
        arrays = {name: (str(leaf.dtype), leaf.shape) for name, leaf in named_leaves(encoder.variables).items()}
        source = numpy_forward(encoder.model, fills_missing=description.preprocessing.fill is not None)
        entry = None if probe is None else probe["methods"][0]
        return render_model_card(out.absolute().name, description, arrays, source, checksums, entry)

    digest = write_encoder(out, description, tree, card, overwrite=overwrite)
    notes = tuple(
        f"seed {seed} diverged in epoch {diverged[seed]}; its weights are the last that were finite"
        for seed in seeds
        if diverged[seed] is not None
    )
    return ExportedEncoder(digest, description, notes)


def select_seeds(selection: str, selected_epochs: EpochRows, diverged_epoch: list[int | None]) -> tuple[int, ...]:
    """Returns the seeds that `--seed` selects.

    Args:
        selection: best, all or a number.
        selected_epochs: of each seed, the epoch of its weights.
        diverged_epoch: of each seed, or None.

    Raises:
        InputError: there is no such seed, or the best is selected and all seeds diverged.
    """
    if selection == "all":
        return tuple(range(len(selected_epochs)))
    if selection != "best":
        there = f"the run has seeds 0 to {len(selected_epochs) - 1}; give one of them, best or all"
        require(int(selection) < len(selected_epochs), f"--seed {selection}: {there}")
        return (int(selection),)
    losses = {
        seed: finite_or_none(row.get("valid_loss", row["train_loss"])) for seed, row in enumerate(selected_epochs)
    }
    finite = {seed: loss for seed, loss in losses.items() if diverged_epoch[seed] is None and loss is not None}
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


def _read_epochs(run_dir: Path, pretrained: PretrainedModel) -> list[EpochRows]:
    """Returns every seed's epochs, in order."""
    epochs: list[EpochRows] = [[] for _ in range(pretrained.config.seeds)]
    for row in read_metrics(run_dir):
        if row["method"] == pretrained.config.method and row["seed"] < len(epochs):
            losses = {name: finite_or_none(row[name]) for name in ("train_loss", "valid_loss") if name in row}
            epochs[row["seed"]].append({"epoch": row["epoch"], **losses})
    require(
        all(rows and all("train_loss" in row for row in rows) for rows in epochs),
        f"{run_dir / METRICS_FILE}: is damaged, a seed or its losses are missing; run pretrain.py again with "
        "--overwrite",
    )
    return epochs


def select_epochs(pretrained: PretrainedModel, epochs: list[EpochRows], weights: WeightsChoice) -> EpochRows:
    """Returns the epoch of each seed's published weights.

    Raises:
        InputError: the best are those of the lowest loss of test rows.
    """
    config, diverged = pretrained.config, pretrained.results["diverged_epoch"]
    if config.monitor == "test":
        require(
            weights == "last",
            "--weights best: the run has --monitor test, by whose losses nothing is chosen; leave it out",
        )
        epochs = [[{"epoch": row["epoch"], "train_loss": row["train_loss"]} for row in rows] for rows in epochs]
    dataset = pretrained.results["dataset"]
    problem = make_problem_spec(config, tuple(dataset["shape"]), dataset["classes"])
    method = autoencoder_method(config.method, problem)
    stage_epochs = len(method.stages) * epoch_budget(config, method).per_stage
    return [select_epoch(rows, weights, last, stage_epochs) for rows, last in zip(epochs, diverged, strict=True)]


def select_epoch(rows: EpochRows, weights: WeightsChoice, diverged_epoch: int | None, stage_epochs: int) -> EpochRow:
    """Returns the epoch of a seed's weights: without validation rows the best is the last; 0 is before the training.

    Args:
        rows: the seed's epochs, from the first.
        weights: last or best.
        diverged_epoch: from which on the weights are those before it; None: the seed did not diverge.
        stage_epochs: epochs of layer-wise stages, which come first and of which none is the best.
    """
    trained = [row for row in rows if diverged_epoch is None or row["epoch"] < diverged_epoch]
    end_to_end = [row for row in trained[stage_epochs:] if finite_or_none(row.get("valid_loss")) is not None]
    if weights == "best" and end_to_end:
        return min(end_to_end, key=lambda row: row["valid_loss"])
    return trained[-1] if trained else {"epoch": 0, "train_loss": None}


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
    selected_epochs: EpochRows,
    tree: ArrayTree,
) -> EncoderMetadata:
    run, data = pretrained.config, pretrained.results["dataset"]
    assert run.data.scaler is not None
    scaler = {name: np.asarray(leaf)[list(seeds)] for name, leaf in pretrained.scaler.as_variables().items()}
    fitted: dict[str, Any] = {name: tuple(map(tuple, rows.tolist())) for name, rows in scaler.items()}
    features = jax.ShapeDtypeStruct((1, pretrained.model.n_features), np.float32)
    one = jax.eval_shape(lambda: pretrained.model.init(jax.random.key(0)))
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
        metrics=_encoder_metrics(pretrained, config, seeds, selected_epochs),
        origin=_build_provenance(pretrained),
    )


def _encoder_metrics(
    pretrained: PretrainedModel, config: ExportConfig, seeds: tuple[int, ...], selected_epochs: EpochRows
) -> EncoderMetrics:
    results = pretrained.results
    tested = {
        "test_reconstruction_mse": results["reconstruction_mse"],
        "test_explained_variance": results["measures"].get("explained_variance"),
    }

    def of_last(metric: dict[str, Any] | None) -> tuple[float | None, ...]:
        if metric is None or config.weights != "last":
            return (None,) * len(seeds)
        return tuple(finite_or_none(metric["per_seed"][seed]) for seed in seeds)

    return EncoderMetrics(
        epoch=tuple(selected_epochs[seed]["epoch"] for seed in seeds),
        train_loss=tuple(finite_or_none(selected_epochs[seed]["train_loss"]) for seed in seeds),
        valid_loss=tuple(finite_or_none(selected_epochs[seed].get("valid_loss")) for seed in seeds),
        diverged_epoch=tuple(results["diverged_epoch"][seed] for seed in seeds),
        **{name: of_last(metric) for name, metric in tested.items()},
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
