"""The order of a pass over what no permutation of all rows could be held of: a function of (seed, pass, window).

Blocks of neighbouring rows are put in a new order by each pass; so many of them in a row as fill a window are joined,
and the rows of the window are shuffled. A million blocks of a thousand rows make a billion.
"""

import dataclasses
import functools

import numpy as np
from jaxtyping import Int

from aejax.data.shuffling import make_generator


@dataclasses.dataclass(frozen=True)
class PassPermutation:
    """One pass over positions `0..n-1`, every one of them once."""

    n: int
    block_size: int  # positions that lie together in the source
    window_size: int  # positions that are shuffled together, at most
    seed: int
    pass_index: int  # of the pass, from 0

    @property
    def n_windows(self) -> int:
        """Windows in the pass."""
        return len(self.window_starts) - 1

    @functools.cached_property
    def window_starts(self) -> Int[np.ndarray, " windows_and_one"]:
        """Where in the pass each window begins, and where the last ends."""
        blocks = -(-self.n // self.block_size)
        ends = np.append(np.arange(self._blocks_per_window, blocks, self._blocks_per_window), blocks)
        short = blocks * self.block_size - self.n  # positions that the source's last block lacks
        after_short = ends > np.flatnonzero(self._block_permutation == blocks - 1)[0]
        return np.concatenate([[0], ends * self.block_size - short * after_short])

    def window_positions(self, window_index: int) -> Int[np.ndarray, " size"]:
        """Those of one window, ascending, as they are read."""
        blocks = np.sort(
            self._block_permutation[
                window_index * self._blocks_per_window : (window_index + 1) * self._blocks_per_window
            ]
        )
        found = (blocks[:, None] * self.block_size + np.arange(self.block_size)).reshape(-1)
        return found[found < self.n]

    def window_permutation(self, window_index: int) -> Int[np.ndarray, " size"]:
        """For each place in the window, which of its `positions` comes there."""
        size = int(self.window_starts[window_index + 1] - self.window_starts[window_index])
        return make_generator(self.seed, f"stream pass {self.pass_index}", window_index).permutation(size)

    @property
    def _blocks_per_window(self) -> int:
        return max(1, self.window_size // self.block_size)

    @functools.cached_property
    def _block_permutation(self) -> Int[np.ndarray, " blocks"]:
        return make_generator(self.seed, "stream blocks", self.pass_index).permutation(-(-self.n // self.block_size))
