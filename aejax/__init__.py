"""Does a representation learned by an autoencoder help a classifier, by how much, and compared with what?"""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import aejax.storage.pretrained_encoder


def load_encoder(
    folder: str | os.PathLike[str], sha256: str | None = None
) -> "aejax.storage.pretrained_encoder.PretrainedEncoder":
    """Open a published encoder: a pure function from raw inputs to codes.

    Example::

        encode = aejax.load_encoder("ENCODER")
        codes = jax.jit(encode)(images)  # raw uint8 images (batch, 28, 28, 1) to float32 codes (batch, width)

    It works under `jit`, `vmap` and differentiation; `encode.apply(variables, inputs)` is the same function of the
    arrays in `encode.variables`, `{"params", "scaler", "batch_stats"}`, for fine-tuning and for one's own modules.
    Encoders of several seeds are one stacked tree: `encode(images)` is `(seeds, batch, width)`, `encode.of_seed(3)` one
    of them.

    Opening is closed: arrays and JSON of a fixed schema, the architecture by its name in the registry of kinds, never a
    pickle, never an import by name, nothing outside the folder, and sizes are held to limits before anything is
    allocated.

    Args:
        folder: what `scripts/export.py` made.
        sha256: of its `manifest.json`, as it was told by who published it; it stands for every file.

    Returns:
        An `aejax.storage.pretrained_encoder.Encoder`.

    Raises:
        aejax.storage.manifest.DamagedError: a file is not what was published.
        aejax.errors.InputError: there is no encoder, or it is not one that this version can build, or it takes more
            memory than there is.
    """
    from aejax.storage.pretrained_encoder import load_encoder as load

    return load(folder, sha256)
