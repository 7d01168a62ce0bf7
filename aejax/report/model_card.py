"""A published encoder's `README.md`: what it is, how to open it with what one has, and how to check it.

Its snippets run as they stand, in the folder that the encoder's folder lies in; `inputs` are raw examples.
"""

from collections.abc import Mapping

from aejax.report.comparison_table import format_markdown_table
from aejax.storage.encoder_metadata import EncoderMetadata

MISSING = "—"
FLATTEN_SNIPPET = '''
def flat(tree, path=()):
    """Nested dicts as one, names joined by dots."""
    if not isinstance(tree, dict):
        return {".".join(path): tree}
    return {name: leaf for key in tree for name, leaf in flat(tree[key], (*path, key)).items()}


arrays = flat(params)'''


def render_model_card(
    name: str,
    description: EncoderMetadata,
    arrays: Mapping[str, tuple[str, tuple[int, ...]]],
    numpy_source: str | None,
    checksums: Mapping[str, str],
) -> str:
    """The card.

    Args:
        name: of the encoder's folder.
        description: what its `encoder.json` says.
        arrays: type and shape of each, by name.
        numpy_source: source of `encode(arrays, inputs)` in NumPy, where there is one.
        checksums: SHA-256 by file.
    """
    sections = [
        f"# {name}",
        _introduction(description),
        _metrics_table(description),
        "## Open it",
        _inputs_paragraph(description),
    ]
    if "orbax" in description.formats:
        sections.append(_code_section("Orbax", "pip install jax orbax-checkpoint", _orbax_snippet(name)))
    if "safetensors" in description.formats:
        sections.append(_code_section("safetensors", "pip install safetensors numpy", _safetensors_snippet(name)))
    if {"orbax", "safetensors"} & set(description.formats):
        sections += [_numpy_section(description, numpy_source), _array_table(description, arrays)]
    if "stablehlo" in description.formats:
        sections.append(
            _code_section("jax.export", "pip install jax flatbuffers", _stablehlo_snippet(name), STABLEHLO_NOTE)
        )
    if {"orbax", "safetensors"} & set(description.formats):
        sections.append(_code_section("aejax", "pip install aejax", _aejax_snippet(name), AEJAX_NOTE))
    return "\n\n".join([*sections, _checksum_section(name, description, checksums)]) + "\n"


def _introduction(description: EncoderMetadata) -> str:
    origin = description.origin
    whose = f"seeds {', '.join(map(str, description.seeds))}, stacked" if description.stacked else "one seed"
    when = {"last": "the last epoch", "best": "each seed's epoch of lowest validation loss"}[description.weights]
    return (
        f"The encoder of a `{description.kind}` autoencoder, {whose}: {_format_shape(description)} in, "
        f"{description.code_width} float32 numbers out. Trained on {origin.n_train} examples of {origin.dataset}, "
        f"without labels, for {origin.epochs} epochs; the weights are those after {when}. `encoder.json`, of schema "
        f"{description.schema}, holds its configuration and preprocessing.\n\n"
        f"Trained by `{origin.trained_by}`, exported by `{origin.exported_by}`."
    )


def _metrics_table(description: EncoderMetadata) -> str:
    metrics = description.metrics
    columns = {
        "epoch": metrics.epoch,
        "training loss": metrics.train_loss,
        "validation loss": metrics.valid_loss,
        "test MSE": metrics.test_reconstruction_mse,
        "test variance explained": metrics.test_explained_variance,
    }
    cells = [[_format_number(value) for value in values] for values in columns.values()]
    rows = [[str(seed), *row] for seed, *row in zip(description.seeds, *cells, strict=True)]
    table = format_markdown_table(["seed", *columns], "r" * (1 + len(columns)), rows)
    diverged = [
        f"Seed {seed} diverged in epoch {epoch}: its weights are the last that were finite."
        for seed, epoch in zip(description.seeds, metrics.diverged_epoch, strict=True)
        if epoch is not None
    ]
    of_last = "Test numbers are of the autoencoder's reconstructions, in scaled units"
    of_last += "." if description.weights == "last" else ", and known of the last weights only, not of these."
    return "\n\n".join([table.strip(), " ".join([of_last, *diverged])])


def _inputs_paragraph(description: EncoderMetadata) -> str:
    return (
        f"`inputs` are raw examples, {_format_shape(description)}, as they were stored. "
        "Scaling is part of the encoder: "
        f"`(x - scaler.shift) * scaler.scale`, flat in C order (`{description.preprocessing.scaler}`). "
        "Run the snippets where this folder lies."
    )


def _code_section(heading: str, install: str, code: str, description: str = "") -> str:
    return "\n\n".join(
        part for part in (f"### {heading}", f"`{install}`", description, f"```python\n{code}\n```") if part
    )


def _orbax_snippet(name: str) -> str:
    return f'from orbax.checkpoint import v1 as ocp\n\nparams = ocp.load("{name}/orbax")\n\n{FLATTEN_SNIPPET}'


def _safetensors_snippet(name: str) -> str:
    return f'from safetensors.numpy import load_file\n\narrays = load_file("{name}/encoder.safetensors")'


STABLEHLO_NOTE = "The program holds the weights; it takes any batch, on CPU, CUDA and TPU."


def _stablehlo_snippet(name: str) -> str:
    return (
        "from pathlib import Path\n\nfrom jax import export\n\n"
        f'program = Path("{name}/encode.stablehlo").read_bytes()\n'
        "codes = export.deserialize(bytearray(program)).call(inputs)"
    )


AEJAX_NOTE = "A pure function for `jit`, `vmap` and `grad`; `encode.apply(variables, inputs)` for fine-tuning."


def _aejax_snippet(name: str) -> str:
    return f'import aejax\n\nencode = aejax.load_encoder("{name}")\ncodes = encode(inputs)'


def _numpy_section(description: EncoderMetadata, numpy_source: str | None) -> str:
    if numpy_source is None:
        others = "with aejax, or `jax.export`" if "stablehlo" in description.formats else "with aejax"
        why = "From these arrays to codes is no chain of dense layers, or draws at random"
        return f"### NumPy\n\n{why}: encode {others}, below."
    seed = description.seeds[0]
    of_first = f"arrays = {{name: leaf[0] for name, leaf in arrays.items()}}  # of seed {seed}\n"
    pick = of_first if description.stacked else ""
    says = "From those arrays to codes; with `import jax.numpy as np` it is a JAX function."
    return f"### NumPy\n\n{says}\n\n```python\n{numpy_source}\n\n\n{pick}codes = encode(arrays, inputs)\n```"


def _array_table(description: EncoderMetadata, arrays: Mapping[str, tuple[str, tuple[int, ...]]]) -> str:
    rows = [[f"`{name}`", kind, " x ".join(map(str, shape)) or "one number"] for name, (kind, shape) in arrays.items()]
    leading = " The first axis is that of the seeds." if description.stacked else ""
    table = format_markdown_table(["array", "type", "shape"], "lll", rows).strip()
    return f"The arrays, a dot for each level of nesting.{leading}\n\n{table}"


def _checksum_section(name: str, description: EncoderMetadata, checksums: Mapping[str, str]) -> str:
    rows = [[f"`{file}`", f"`{checksum}`"] for file, checksum in checksums.items()]
    table = format_markdown_table(["file", "SHA-256"], "ll", rows)
    versions = ", ".join(description.origin.versions)
    return f"""## Check it

`manifest.json` holds the size and SHA-256 of every other file; its own sum stands for them all, and who gave you this
folder can tell it.

```sh
sha256sum {name}/manifest.json
```

```python
import hashlib, json, pathlib

folder = pathlib.Path("{name}")
files = json.loads((folder / "manifest.json").read_text())["files"]
found = {{str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}} - {{"manifest.json"}}
assert found == set(files), found ^ set(files)
for file, saved in files.items():
    assert hashlib.sha256((folder / file).read_bytes()).hexdigest() == saved["sha256"], file
```

{table.strip()}

The arrays, in whatever format, have the sum `{description.arrays_sha256}`. The dataset's is
`{description.origin.dataset_sha256}`. Made with {versions}{_format_commit(description)}."""


def _format_commit(description: EncoderMetadata) -> str:
    return f", aejax commit {description.origin.commit}" if description.origin.commit else ""


def _format_shape(description: EncoderMetadata) -> str:
    return f"{description.dtype} `(batch, {', '.join(map(str, description.shape))})`"


def _format_number(value: float | None) -> str:
    if value is None:
        return MISSING
    return str(value) if isinstance(value, int) else f"{value:.4g}"
