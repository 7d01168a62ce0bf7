"""Does a representation learned by an autoencoder help a classifier, by how much, and compared with what?"""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import aejax.storage.pretrained_encoder

__version__ = "0.2.0.dev0"


def load_encoder(
    folder: str | os.PathLike[str], sha256: str | None = None
) -> "aejax.storage.pretrained_encoder.PretrainedEncoder":
    """Loads a published encoder: a pure function from raw inputs to codes.

    Example::

        encode = aejax.load_encoder("ENCODER")
        codes = jax.jit(encode)(images)  # raw uint8 images (batch, 28, 28, 1) to float32 codes (batch, width)

    An encoder that was trained on a table takes a DataFrame with the table's columns, in any order:
    `encode(pandas.read_csv("table.csv"))`.

    It works under `jit`, `vmap` and differentiation. `encode.apply(variables, inputs)` is the same function of the
    arrays in `encode.variables`, `{"params", "scaler", "batch_stats"}`, for fine-tuning and for use in other modules.
    The encoders of several seeds are one stacked tree: `encode(images)` is `(seeds, batch, width)`, and
    `encode.select_seed(3)` is the encoder of seed 3.

    Loading is safe with files from others: only arrays and JSON of a fixed schema are read, sizes are checked before
    memory is allocated, and nothing is unpickled, executed, imported by name, or read from outside the folder.

    Args:
        folder: made by `scripts/export.py`.
        sha256: expected SHA-256 of its `manifest.json`, as announced by the publisher; it covers every file.

    Returns:
        An `aejax.storage.pretrained_encoder.PretrainedEncoder`.

    Raises:
        aejax.storage.manifest.CorruptedFileError: a file is not what was published.
        aejax.errors.InputError: there is no encoder, this version cannot build it, or it does not fit into memory.
    """
    from aejax.storage.pretrained_encoder import load_encoder as load

    return load(folder, sha256)
