"""Chunks of a stream on the device, through Grain: read ahead by its threads, resumed by its iterator's state."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Array, Shaped

from aejax.data.stream.schedule import StreamSchedule
from aejax.data.stream.source import Stream
from aejax.data.stream.window_shuffle import WindowReader
from aejax.errors import InputError, require

PREFETCH_CHUNKS = 2  # chunks that wait in memory, beside the one that is being trained on
READ_THREADS = 1  # that puts chunks together, one after the other, so that windows are asked for in turn
INSTALL_HINT = "pip install -e '.[stream]'"

PutFn = Callable[[np.ndarray], Array]


class Chunk(NamedTuple):
    """The batches of some steps."""

    inputs: Shaped[np.ndarray, "steps batch d"] | Shaped[Array, "steps batch d"]  # in storage dtype
    n_steps: int  # that are filled; the rest is zero


def import_grain(flag: str = "--stream") -> Any:
    """The library. Raises InputError where it is not installed."""
    try:
        import grain
    except ImportError as error:
        raise InputError(f"{flag}: needs Grain ({error}); {INSTALL_HINT}") from error
    return grain


class ChunkSource:
    """What Grain sees: item i is chunk i of all passes, and a function of i alone."""

    def __init__(
        self,
        windows: WindowReader,
        schedule: StreamSchedule,
        passes: int,
        batch: int,
        local_slice: slice,
        features: int,
    ) -> None:
        self._windows, self._pace, self._length = windows, schedule, passes * schedule.chunks_per_pass
        self._batch, self._share, self._features = batch, np.arange(batch)[local_slice], features
        self._dtype = windows.dtype

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> Chunk:
        part = self._pace.chunk_steps(int(index))
        inputs = np.zeros((self._pace.steps_per_chunk, len(self._share), self._features), self._dtype)
        steps = np.arange(part.first_step, part.first_step + part.n_steps)
        places = (steps[:, None] * self._batch + self._share).reshape(-1)
        filled = inputs[: part.n_steps].reshape(len(places), self._features)
        self._windows.fill(part.pass_index, places, filled)
        return Chunk(inputs, part.n_steps)


class StreamLoader:
    """Every chunk of the training, in turn, on the device.

    The order is shared by all seeds: they differ in what they start from and in their noise. A pass shows every
    training row once; its last batch is filled up with the pass's first rows.

    Args:
        stream: of what.
        pace: how passes are divided.
        batch_size: examples of a step.
        passes: how many.
        put: from a host's chunk `(steps, batch, d)` to the device's, or devices'.
        share: which places of each batch this process needs; only their examples are read and put.
    """

    def __init__(
        self,
        stream: Stream,
        schedule: StreamSchedule,
        batch_size: int,
        passes: int,
        put: PutFn,
        local_slice: slice = slice(None),
    ) -> None:
        library = import_grain()
        self._windows = WindowReader(stream, batch_size, local_slice, passes)
        chunks = ChunkSource(self._windows, schedule, passes, batch_size, local_slice, stream.n_features)
        options = library.ReadOptions(num_threads=READ_THREADS, prefetch_buffer_size=PREFETCH_CHUNKS)
        self._iterator = iter(library.MapDataset.source(chunks).to_iter_dataset(options))
        self._put, self._pace, self._fingerprint = put, schedule, stream.fingerprint

    def next_chunk(self) -> Chunk:
        """The next chunk, on its way to the device. Raises what reading raises."""
        chunk = next(self._iterator)
        return Chunk(self._put(chunk.inputs), chunk.n_steps)

    def get_state(self) -> dict[str, Any]:
        """Where it stands, for a checkpoint's JSON."""
        return {"grain": self._iterator.get_state(), "pace": list(self._pace), "fingerprint": self._fingerprint}

    def set_state(self, state: Any, location: str) -> None:
        """Go on from a `state`.

        Raises:
            InputError: it is of another set, or of passes that were divided otherwise.
        """
        whole = isinstance(state, dict) and {"grain", "pace", "fingerprint"} <= state.keys()
        require(whole, f"{location}: its checkpoint does not say where the stream stood; --overwrite starts anew")
        require(
            state["fingerprint"] == self._fingerprint and state["pace"] == list(self._pace),
            f"{location}: was begun on other data, or with another version's rounds; give the same data, or --overwrite",
        )
        self._iterator.set_state(state["grain"])

    def close(self) -> None:
        """Stop reading."""
        self._iterator.close()
        self._windows.close()
