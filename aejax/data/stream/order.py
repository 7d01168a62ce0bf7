"""The order of a pass over what no permutation of all rows could be held of: a function of (seed, pass, window).

Blocks of neighbouring rows are put in a new order by each pass; so many of them in a row as fill a window are joined,
and the rows of the window are shuffled. A million blocks of a thousand rows make a billion.
"""

import dataclasses
import functools

import numpy as np
from jaxtyping import Int

from aejax.data.order import generator


@dataclasses.dataclass(frozen=True)
class PassOrder:
    """One pass over positions `0..n-1`, every one of them once."""

    n: int
    block: int  # positions that lie together in the source
    window: int  # positions that are shuffled together, at most
    seed: int
    number: int  # of the pass, from 0

    @property
    def windows(self) -> int:
        """Windows in the pass."""
        return len(self.starts) - 1

    @functools.cached_property
    def starts(self) -> Int[np.ndarray, " windows_and_one"]:
        """Where in the pass each window begins, and where the last ends."""
        blocks = -(-self.n // self.block)
        ends = np.append(np.arange(self._per_window, blocks, self._per_window), blocks)
        short = blocks * self.block - self.n  # positions that the source's last block lacks
        after_short = ends > np.flatnonzero(self._blocks == blocks - 1)[0]
        return np.concatenate([[0], ends * self.block - short * after_short])

    def positions(self, window: int) -> Int[np.ndarray, " size"]:
        """Those of one window, ascending, as they are read."""
        blocks = np.sort(self._blocks[window * self._per_window : (window + 1) * self._per_window])
        found = (blocks[:, None] * self.block + np.arange(self.block)).reshape(-1)
        return found[found < self.n]

    def shuffle(self, window: int) -> Int[np.ndarray, " size"]:
        """For each place in the window, which of its `positions` comes there."""
        size = int(self.starts[window + 1] - self.starts[window])
        return generator(self.seed, f"stream pass {self.number}", window).permutation(size)

    @property
    def _per_window(self) -> int:
        return max(1, self.window // self.block)

    @functools.cached_property
    def _blocks(self) -> Int[np.ndarray, " blocks"]:
        return generator(self.seed, "stream blocks", self.number).permutation(-(-self.n // self.block))
