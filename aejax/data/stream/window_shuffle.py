"""Windows of a stream in memory: the one that is being used, and the next, which is read meanwhile."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from jaxtyping import Int, Shaped

from aejax.data.stream.permutation import PassPermutation
from aejax.data.stream.source import Stream

MAX_READ_BYTES = 8 << 20  # read at a time beside the window that they go to


class Window(NamedTuple):
    """What this process needs of one window."""

    inputs: Shaped[np.ndarray, "k d"]
    row_indices: Int[
        np.ndarray, " size"
    ]  # for each place in the window, its row in `inputs`; only for places that are needed


class WindowReader:
    """The examples at the places of each pass, asked for in turn.

    Args:
        stream: of what.
        batch: examples of a step, which a pass is cut into; what the last lacks is taken from the pass's beginning.
        share: which places of each batch are asked for; only their examples are read.
        passes: how many there will be.
    """

    def __init__(self, stream: Stream, batch_size: int, local_slice: slice, passes: int) -> None:
        self._stream, self._batch, self._passes = stream, batch_size, passes
        self._share = range(batch_size)[local_slice]
        self._lock = threading.Lock()
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="stream")
        self._futures: dict[int, Future[Window]] = {}
        self._orders: dict[int, PassPermutation] = {}
        self._whole_pass: Shaped[np.ndarray, "n d"] | None = None  # what every pass has, where one window holds it all

    @property
    def dtype(self) -> np.dtype:
        """Of the inputs."""
        return self._stream.source.dtype

    def fill(self, pass_index: int, pass_positions: Int[np.ndarray, " k"], out: Shaped[np.ndarray, "k d"]) -> None:
        """Fill `out` with the examples at `places` of pass `number`.

        Args:
            number: of the pass.
            places: in the pass, ascending, each of them in the share; from n on they are counted from 0 again.
            out: one row for each.
        """
        order = self._permutation(pass_index)
        again = int(np.searchsorted(pass_positions, order.n))
        bounds = np.searchsorted(pass_positions[:again], order.window_starts)
        for window in np.flatnonzero(bounds[1:] > bounds[:-1]).tolist():
            own = slice(int(bounds[window]), int(bounds[window + 1]))
            inputs, at = self._get_window(pass_index, window)
            np.take(inputs, at[pass_positions[own] - order.window_starts[window]], axis=0, out=out[own], mode="clip")
        if again < len(pass_positions):
            out[again:] = self._read_individually(order, pass_positions[again:] - order.n)

    def close(self) -> None:
        """Read no more."""
        self._reader.shutdown(wait=True, cancel_futures=True)
        self._futures.clear()

    def _permutation(self, number: int) -> PassPermutation:
        with self._lock:
            if number not in self._orders:
                own = self._stream
                kept = {before: order for before, order in self._orders.items() if before >= number - 1}
                self._orders = {
                    **kept,
                    number: PassPermutation(own.n_train, own.block_size, own.window_size, own.seed, number),
                }
            return self._orders[number]

    def _get_window(self, number: int, window: int) -> Window:
        """One that is there or on its way; the next is begun, and those are dropped that nobody asks for any more."""
        windows = self._permutation(number).n_windows
        index = number * windows + window
        with self._lock:
            for coming in range(index, min(index + 2, self._passes * windows)):
                if coming not in self._futures:
                    self._futures[coming] = self._reader.submit(self._read_window, *divmod(coming, windows))
            for past in [other for other in self._futures if other < index]:
                del self._futures[past]
            found = self._futures[index]
        return found.result()

    def _read_window(self, number: int, window: int) -> Window:
        order = self._permutation(number)
        shuffle, positions = order.window_permutation(window), order.window_positions(window)
        everything = len(self._share) == self._batch
        if everything and order.n_windows == 1:
            if self._whole_pass is None:
                self._whole_pass = self._read_inputs(positions)
            return Window(self._whole_pass, shuffle)
        if everything:
            return Window(self._read_inputs(positions), shuffle)
        places = (np.arange(len(shuffle)) + order.window_starts[window]) % self._batch
        wanted = np.flatnonzero((places >= self._share.start) & (places < self._share.stop))
        needed, at = np.unique(shuffle[wanted], return_inverse=True)
        shuffle[wanted] = at
        return Window(self._read_inputs(positions[needed]), shuffle)

    def _read_inputs(self, positions: Int[np.ndarray, " k"]) -> Shaped[np.ndarray, "k d"]:
        """The examples at ascending positions, some megabytes at a time."""
        own = self._stream
        rows = own.source_rows(positions)
        inputs = np.empty((len(rows), own.n_features), own.source.dtype)
        step = max(1, MAX_READ_BYTES // own.row_bytes)
        for start in range(0, len(rows), step):
            part = rows[start : start + step]
            inputs[start : start + step] = own.source.read(part).reshape(len(part), -1)
        return inputs

    def _read_individually(self, order: PassPermutation, places: Int[np.ndarray, " k"]) -> Shaped[np.ndarray, "k d"]:
        """A few examples of a pass's beginning, which is long gone: read one by one."""
        bounds = np.searchsorted(places, order.window_starts)
        found = []
        for window in range(order.n_windows):
            own = places[bounds[window] : bounds[window + 1]] - order.window_starts[window]
            if len(own):
                positions, at = np.unique(
                    order.window_positions(window)[order.window_permutation(window)[own]], return_inverse=True
                )
                found.append(self._read_inputs(positions)[at])
        return np.concatenate(found)
