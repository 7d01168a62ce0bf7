"""The order in which each pass visits the training rows: blocks of rows are shuffled, then the rows within windows.

Only row numbers are shuffled and nothing is read, so a window may hold any number of examples of any size.
"""

import functools
from typing import Any

import numpy as np
from jaxtyping import Int

from aejax.data.stream.source import Stream
from aejax.errors import InputError

ORDER_VERSION = 2  # stored in checkpoints; increase it whenever the order of rows changes
CACHED_WINDOWS = 3  # windows whose row numbers stay in memory


def import_grain() -> Any:
    """Returns the module `grain`. Raises InputError where it is not installed."""
    try:
        import grain
    except ImportError as error:
        raise InputError(f"--stream: needs Grain ({error}); pip install -e '.[stream]'") from error
    return grain


class WindowShuffle:
    """Maps positions of a pass to rows of the source; a function of the stream, its seed and the pass.

    Grain puts blocks of neighboring rows in random order, joins consecutive blocks to windows, and permutes the rows
    of each window. Every training row occurs once in a pass. Rows after the last full block belong to the last window.
    """

    def __init__(self, stream: Stream) -> None:
        block_size, n_blocks = stream.block_size, stream.n_train // stream.block_size
        blocks_per_window = max(1, stream.window_size // block_size)
        self._n_train = stream.n_train
        self._window_size = blocks_per_window * block_size
        self._n_windows = -(-n_blocks // blocks_per_window)

        def to_positions(window: int, blocks: Int[np.ndarray, " k"]) -> Int[np.ndarray, " size"]:
            positions = (blocks[:, None] * block_size + np.arange(block_size)).reshape(-1)
            is_last = (window + 1) % self._n_windows == 0
            return np.append(positions, np.arange(n_blocks * block_size, stream.n_train)) if is_last else positions

        def to_shuffled_rows(positions: Int[np.ndarray, " size"], rng: np.random.Generator) -> Int[np.ndarray, " size"]:
            return stream.source_rows(rng.permutation(positions))

        windows = (
            import_grain()
            .MapDataset.range(n_blocks)
            .shuffle(seed=2 * stream.seed)
            .batch(blocks_per_window, batch_fn=np.asarray)
            .map_with_index(to_positions)
            .random_map(to_shuffled_rows, seed=2 * stream.seed + 1)
        )
        self._window_rows = functools.lru_cache(maxsize=CACHED_WINDOWS)(windows.__getitem__)

    def rows(self, pass_index: int, positions: Int[np.ndarray, " k"]) -> Int[np.ndarray, " k"]:
        """Returns the source's rows at `positions` of a pass, which wrap around at its end."""
        within_pass = positions % self._n_train
        windows = np.minimum(within_pass // self._window_size, self._n_windows - 1)
        rows = np.empty(len(positions), np.int64)
        for window in np.unique(windows).tolist():
            chosen = windows == window
            shuffled = self._window_rows(pass_index * self._n_windows + window)
            rows[chosen] = shuffled[within_pass[chosen] - window * self._window_size]
        return rows
