"""The model card of a published encoder, its `README.md`: what it is, how to open it, and how to check it.

Its snippets run in the folder that contains the encoder's folder; `inputs` are raw examples.
"""

import json
import shlex
from collections.abc import Mapping

from aejax.report.data_line import escape_markdown
from aejax.report.formatting import format_number
from aejax.report.rendering import render_template
from aejax.report.results import Results
from aejax.report.tables import format_markdown_table
from aejax.storage.encoder_metadata import EncoderMetadata


def render_model_card(
    name: str,
    description: EncoderMetadata,
    arrays: Mapping[str, tuple[str, tuple[int, ...]]],
    numpy_source: str | None,
    checksums: Mapping[str, str],
    probe: Results | None = None,
) -> str:
    """Returns the model card.

    Args:
        name: of the encoder's folder.
        description: the contents of its `encoder.json`.
        arrays: type and shape of each array, by name.
        numpy_source: source of `encode(arrays, inputs)` in NumPy; None if the encoder cannot be written so.
        checksums: SHA-256 by file.
        probe: the entry of `methods` in the results of a probe of the codes.
    """
    epochs = zip(description.seeds, description.metrics.diverged_epoch, strict=True)
    return render_template(
        "model_card.md.j2",
        name=name,
        python=lambda text: json.dumps(text, ensure_ascii=False),
        shell=shlex.quote,
        markdown=escape_markdown,
        encoder=description,
        origin=description.origin,
        shape=f"{description.dtype} `(batch, {', '.join(map(str, description.shape))})`",
        has_arrays=bool({"orbax", "safetensors"} & set(description.formats)),
        numpy_source=numpy_source,
        probe=probe,
        card_metrics=_card_metrics(description, probe),
        metrics_table=_metrics_table(description),
        diverged={seed: epoch for seed, epoch in epochs if epoch is not None},
        array_table=_array_table(arrays),
        checksum_table=format_markdown_table(
            ("file", "SHA-256"), "ll", [(f"`{file}`", f"`{checksum}`") for file, checksum in checksums.items()]
        ),
    )


def _card_metrics(description: EncoderMetadata, probe: Results | None) -> list[tuple[str, str, str]]:
    """Returns type, name and value of each metric of the front matter, where it is known, as the mean over seeds."""
    errors = [error for error in description.metrics.test_reconstruction_mse if error is not None]
    metrics = [] if probe is None else [("accuracy", "test accuracy of a linear probe", probe["test_accuracy"]["mean"])]
    if errors:
        metrics.append(("mse", "test reconstruction error, in scaled units", sum(errors) / len(errors)))
    return [(kind, name, f"{value:.6g}") for kind, name, value in metrics]


def _metrics_table(description: EncoderMetadata) -> str:
    metrics = description.metrics
    columns = {
        "epoch": metrics.epoch,
        "training loss": metrics.train_loss,
        "validation loss": metrics.valid_loss,
        "test MSE": metrics.test_reconstruction_mse,
        "test variance explained": metrics.test_explained_variance,
    }
    cells = [[format_number(value) for value in values] for values in columns.values()]
    rows = [[str(seed), *row] for seed, *row in zip(description.seeds, *cells, strict=True)]
    return format_markdown_table(["seed", *columns], "r" * (1 + len(columns)), rows)


def _array_table(arrays: Mapping[str, tuple[str, tuple[int, ...]]]) -> str:
    rows = [(f"`{name}`", kind, " x ".join(map(str, shape)) or "one number") for name, (kind, shape) in arrays.items()]
    return format_markdown_table(("array", "type", "shape"), "lll", rows)
