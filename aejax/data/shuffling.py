"""Random orders made on the host, each a function of a seed and a named use.

NumPy shuffles 60,000 rows five times faster than XLA sorts random keys, and without blocking a device.
"""

import hashlib

import numpy as np
from jaxtyping import Int


def make_generator(seed: int, use: str, index: int = 0) -> np.random.Generator:
    """Returns a Philox generator that is independent of those for other seeds, uses and indices."""
    key = int.from_bytes(hashlib.sha256(use.encode()).digest()[:8], "little")
    return np.random.Generator(np.random.Philox(key=[seed, key], counter=[0, 0, 0, index]))


def steps_per_epoch(rows: int, batch_size: int) -> int:
    """Number of batches that cover all rows."""
    return -(-rows // min(batch_size, rows))


def shuffle_epoch(
    rows: Int[np.ndarray, " n"], seed: int, epoch: int, batch_size: int
) -> Int[np.ndarray, "steps batch"]:
    """Shuffles the rows of one epoch and cuts them into full batches of distinct rows.

    Every row occurs at least once; the last batch is completed with the first rows of the same shuffle.
    """
    batch = min(batch_size, len(rows))
    shuffled = make_generator(seed, "order", epoch).permutation(rows)
    missing = steps_per_epoch(len(rows), batch) * batch - len(rows)
    return np.concatenate([shuffled, shuffled[:missing]]).reshape(-1, batch).astype(np.int32)


def shuffle_epochs(
    rows: Int[np.ndarray, "seeds n"], first_epoch: int, epochs: int, batch_size: int, seeds: int | None = None
) -> Int[np.ndarray, "seeds epochs steps batch"]:
    """Applies `shuffle_epoch` to the rows of every seed, for `epochs` epochs from `first_epoch`.

    With `seeds`, entry i of `rows` belongs to seed i % seeds.
    """
    span, n_seeds = range(first_epoch, first_epoch + epochs), seeds or len(rows)
    return np.stack(
        [
            [shuffle_epoch(entry, index % n_seeds, epoch, batch_size) for epoch in span]
            for index, entry in enumerate(rows)
        ]
    )


def stratified_permutation(
    labels: Int[np.ndarray, " n"], rng: np.random.Generator, *, every_class_first: bool = False
) -> Int[np.ndarray, " n"]:
    """Returns a random order of `0..n-1` in which every prefix holds the classes in proportion, within one example.

    The i-th example of a class of m gets position (i + 1/2) / m, and ties are broken at random. Prefixes of one order
    are nested, so label subsets of growing size contain each other. `every_class_first` puts one example of each class
    first, so that no prefix with as many examples as there are classes lacks a class.
    """
    position = np.empty(len(labels))
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        position[rng.permutation(rows)] = (np.arange(len(rows)) + 0.5) / len(rows)
        if every_class_first:
            position[rows[np.argmin(position[rows])]] -= 1.0
    return np.lexsort((rng.random(len(labels)), position))
