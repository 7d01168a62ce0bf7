"""A published encoder's `README.md`: what it is, how to open it with what one has, and how to check it.

Its snippets run as they stand, in the folder that the encoder's folder lies in; `inputs` are raw examples.
"""

from collections.abc import Mapping

from aejax.report.table import markdown_rows
from aejax.store.description import Description

MISSING = "—"
FLAT = '''
def flat(tree, path=()):
    """Nested dicts as one, names joined by dots."""
    if not isinstance(tree, dict):
        return {".".join(path): tree}
    return {name: leaf for key in tree for name, leaf in flat(tree[key], (*path, key)).items()}


arrays = flat(params)'''


def encoder_card(
    name: str,
    description: Description,
    arrays: Mapping[str, tuple[str, tuple[int, ...]]],
    forward: str | None,
    sums: Mapping[str, str],
) -> str:
    """The card.

    Args:
        name: of the encoder's folder.
        description: what its `encoder.json` says.
        arrays: type and shape of each, by name.
        forward: source of `encode(arrays, inputs)` in NumPy, where there is one.
        sums: SHA-256 by file.
    """
    sections = [f"# {name}", _introduction(description), _metrics(description), "## Open it", _inputs(description)]
    if "orbax" in description.formats:
        sections.append(_section("Orbax", "pip install jax orbax-checkpoint", _orbax(name)))
    if "safetensors" in description.formats:
        sections.append(_section("safetensors", "pip install safetensors numpy", _safetensors(name)))
    if {"orbax", "safetensors"} & set(description.formats):
        sections += [_by_hand(description, forward), _array_table(description, arrays)]
    if "stablehlo" in description.formats:
        sections.append(_section("jax.export", "pip install jax flatbuffers", _stablehlo(name), PROGRAM))
    if {"orbax", "safetensors"} & set(description.formats):
        sections.append(_section("aejax", "pip install aejax", _aejax(name), OURS))
    return "\n\n".join([*sections, _check(name, description, sums)]) + "\n"


def _introduction(description: Description) -> str:
    origin = description.origin
    whose = f"seeds {', '.join(map(str, description.seeds))}, stacked" if description.stacked else "one seed"
    when = {"last": "the last epoch", "best": "each seed's epoch of lowest validation loss"}[description.weights]
    return (
        f"The encoder of a `{description.kind}` autoencoder, {whose}: {_shape(description)} in, "
        f"{description.code_width} float32 numbers out. Trained on {origin.n_train} examples of {origin.dataset}, "
        f"without labels, for {origin.epochs} epochs; the weights are those after {when}. `encoder.json`, of schema "
        f"{description.schema}, holds its configuration and preprocessing.\n\n"
        f"Trained by `{origin.trained_by}`, exported by `{origin.exported_by}`."
    )


def _metrics(description: Description) -> str:
    metrics = description.metrics
    columns = {
        "epoch": metrics.epoch,
        "training loss": metrics.train_loss,
        "validation loss": metrics.valid_loss,
        "test MSE": metrics.test_reconstruction_mse,
        "test variance explained": metrics.test_explained_variance,
    }
    cells = [[_number(value) for value in values] for values in columns.values()]
    rows = [[str(seed), *row] for seed, *row in zip(description.seeds, *cells, strict=True)]
    table = markdown_rows(["seed", *columns], "r" * (1 + len(columns)), rows)
    diverged = [
        f"Seed {seed} diverged in epoch {epoch}: its weights are the last that were finite."
        for seed, epoch in zip(description.seeds, metrics.diverged_epoch, strict=True)
        if epoch is not None
    ]
    of_last = "Test numbers are of the autoencoder's reconstructions, in scaled units"
    of_last += "." if description.weights == "last" else ", and known of the last weights only, not of these."
    return "\n\n".join([table.strip(), " ".join([of_last, *diverged])])


def _inputs(description: Description) -> str:
    return (
        f"`inputs` are raw examples, {_shape(description)}, as they were stored. Scaling is part of the encoder: "
        f"`(x - scaler.shift) * scaler.scale`, flat in C order (`{description.preprocessing.scaler}`). "
        "Run the snippets where this folder lies."
    )


def _section(heading: str, install: str, code: str, says: str = "") -> str:
    return "\n\n".join(part for part in (f"### {heading}", f"`{install}`", says, f"```python\n{code}\n```") if part)


def _orbax(name: str) -> str:
    return f'from orbax.checkpoint import v1 as ocp\n\nparams = ocp.load("{name}/orbax")\n\n{FLAT}'


def _safetensors(name: str) -> str:
    return f'from safetensors.numpy import load_file\n\narrays = load_file("{name}/encoder.safetensors")'


PROGRAM = "The program holds the weights; it takes any batch, on CPU, CUDA and TPU."


def _stablehlo(name: str) -> str:
    return (
        "from pathlib import Path\n\nfrom jax import export\n\n"
        f'program = Path("{name}/encode.stablehlo").read_bytes()\n'
        "codes = export.deserialize(bytearray(program)).call(inputs)"
    )


OURS = "A pure function for `jit`, `vmap` and `grad`; `encode.apply(variables, inputs)` for fine-tuning."


def _aejax(name: str) -> str:
    return f'import aejax\n\nencode = aejax.load_encoder("{name}")\ncodes = encode(inputs)'


def _by_hand(description: Description, forward: str | None) -> str:
    if forward is None:
        others = "with aejax, or `jax.export`" if "stablehlo" in description.formats else "with aejax"
        why = "From these arrays to codes is no chain of dense layers, or draws at random"
        return f"### NumPy\n\n{why}: encode {others}, below."
    seed = description.seeds[0]
    of_first = f"arrays = {{name: leaf[0] for name, leaf in arrays.items()}}  # of seed {seed}\n"
    pick = of_first if description.stacked else ""
    says = "From those arrays to codes; with `import jax.numpy as np` it is a JAX function."
    return f"### NumPy\n\n{says}\n\n```python\n{forward}\n\n\n{pick}codes = encode(arrays, inputs)\n```"


def _array_table(description: Description, arrays: Mapping[str, tuple[str, tuple[int, ...]]]) -> str:
    rows = [[f"`{name}`", kind, " x ".join(map(str, shape)) or "one number"] for name, (kind, shape) in arrays.items()]
    leading = " The first axis is that of the seeds." if description.stacked else ""
    table = markdown_rows(["array", "type", "shape"], "lll", rows).strip()
    return f"The arrays, a dot for each level of nesting.{leading}\n\n{table}"


def _check(name: str, description: Description, sums: Mapping[str, str]) -> str:
    table = markdown_rows(["file", "SHA-256"], "ll", [[f"`{file}`", f"`{own}`"] for file, own in sums.items()])
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
`{description.origin.dataset_sha256}`. Made with {", ".join(description.origin.versions)}{_commit(description)}."""


def _commit(description: Description) -> str:
    return f", aejax commit {description.origin.commit}" if description.origin.commit else ""


def _shape(description: Description) -> str:
    return f"{description.dtype} `(batch, {', '.join(map(str, description.shape))})`"


def _number(value: float | None) -> str:
    if value is None:
        return MISSING
    return str(value) if isinstance(value, int) else f"{value:.4g}"
