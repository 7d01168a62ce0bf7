"""Windows of a stream in memory: the one that is being used, and the next, which is read meanwhile."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from jaxtyping import Int, Shaped

from aejax.data.stream.order import PassOrder
from aejax.data.stream.source import Stream

READ_BYTES = 8 << 20  # read at a time beside the window that they go to


class Window(NamedTuple):
    """What this process needs of one window."""

    inputs: Shaped[np.ndarray, "k d"]
    at: Int[np.ndarray, " size"]  # for each place in the window, its row in `inputs`; only for places that are needed


class Windows:
    """The examples at the places of each pass, asked for in turn.

    Args:
        stream: of what.
        batch: examples of a step, which a pass is cut into; what the last lacks is taken from the pass's beginning.
        share: which places of each batch are asked for; only their examples are read.
        passes: how many there will be.
    """

    def __init__(self, stream: Stream, batch: int, share: slice, passes: int) -> None:
        self._stream, self._batch, self._passes = stream, batch, passes
        self._share = range(batch)[share]
        self._lock = threading.Lock()
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="stream")
        self._read_or_reading: dict[int, Future[Window]] = {}
        self._orders: dict[int, PassOrder] = {}
        self._only: Shaped[np.ndarray, "n d"] | None = None  # what every pass has, where one window holds it all

    @property
    def dtype(self) -> np.dtype:
        """Of the inputs."""
        return self._stream.source.dtype

    def take(self, number: int, places: Int[np.ndarray, " k"], out: Shaped[np.ndarray, "k d"]) -> None:
        """Fill `out` with the examples at `places` of pass `number`.

        Args:
            number: of the pass.
            places: in the pass, ascending, each of them in the share; from n on they are counted from 0 again.
            out: one row for each.
        """
        order = self._order(number)
        again = int(np.searchsorted(places, order.n))
        bounds = np.searchsorted(places[:again], order.starts)
        for window in np.flatnonzero(bounds[1:] > bounds[:-1]).tolist():
            own = slice(int(bounds[window]), int(bounds[window + 1]))
            inputs, at = self._window(number, window)
            np.take(inputs, at[places[own] - order.starts[window]], axis=0, out=out[own], mode="clip")
        if again < len(places):
            out[again:] = self._of_first_window(order, places[again:] - order.n)

    def close(self) -> None:
        """Read no more."""
        self._reader.shutdown(wait=True, cancel_futures=True)
        self._read_or_reading.clear()

    def _order(self, number: int) -> PassOrder:
        with self._lock:
            if number not in self._orders:
                own = self._stream
                kept = {before: order for before, order in self._orders.items() if before >= number - 1}
                self._orders = {**kept, number: PassOrder(own.n, own.block, own.window, own.seed, number)}
            return self._orders[number]

    def _window(self, number: int, window: int) -> Window:
        """One that is there or on its way; the next is begun, and those are dropped that nobody asks for any more."""
        windows = self._order(number).windows
        index = number * windows + window
        with self._lock:
            for coming in range(index, min(index + 2, self._passes * windows)):
                if coming not in self._read_or_reading:
                    self._read_or_reading[coming] = self._reader.submit(self._read, *divmod(coming, windows))
            for past in [other for other in self._read_or_reading if other < index]:
                del self._read_or_reading[past]
            found = self._read_or_reading[index]
        return found.result()

    def _read(self, number: int, window: int) -> Window:
        order = self._order(number)
        shuffle, positions = order.shuffle(window), order.positions(window)
        everything = len(self._share) == self._batch
        if everything and order.windows == 1:
            if self._only is None:
                self._only = self._inputs(positions)
            return Window(self._only, shuffle)
        if everything:
            return Window(self._inputs(positions), shuffle)
        places = (np.arange(len(shuffle)) + order.starts[window]) % self._batch
        wanted = np.flatnonzero((places >= self._share.start) & (places < self._share.stop))
        needed, at = np.unique(shuffle[wanted], return_inverse=True)
        shuffle[wanted] = at
        return Window(self._inputs(positions[needed]), shuffle)

    def _inputs(self, positions: Int[np.ndarray, " k"]) -> Shaped[np.ndarray, "k d"]:
        """The examples at ascending positions, some megabytes at a time."""
        own = self._stream
        rows = own.rows_at(positions)
        inputs = np.empty((len(rows), own.features), own.source.dtype)
        step = max(1, READ_BYTES // own.row_bytes)
        for start in range(0, len(rows), step):
            part = rows[start : start + step]
            inputs[start : start + step] = own.source.read(part).reshape(len(part), -1)
        return inputs

    def _of_first_window(self, order: PassOrder, places: Int[np.ndarray, " k"]) -> Shaped[np.ndarray, "k d"]:
        """A few examples of a pass's beginning, which is long gone: read one by one."""
        bounds = np.searchsorted(places, order.starts)
        found = []
        for window in range(order.windows):
            own = places[bounds[window] : bounds[window + 1]] - order.starts[window]
            if len(own):
                positions, at = np.unique(order.positions(window)[order.shuffle(window)[own]], return_inverse=True)
                found.append(self._inputs(positions)[at])
        return np.concatenate(found)
