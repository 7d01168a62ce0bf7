"""Orders the training rows of a stream, and loads their batches onto the devices in chunks that Grain reads ahead.

In each pass, blocks of rows are shuffled, then the rows within windows, and a loader can resume exactly. Only row
numbers are shuffled and nothing is read, so a window may hold any number of examples of any size.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Array, Int, Shaped

from aejax.data.stream.schedule import StreamSchedule
from aejax.data.stream.source import ORDER_SEED, Stream
from aejax.errors import InputError, require

ORDER_VERSION = 2  # stored in checkpoints; increase it whenever the order of rows changes
CACHED_WINDOWS = 3  # windows whose row numbers stay in memory
PREFETCHED_CHUNKS = 2  # chunks that wait in host memory


def import_grain() -> Any:
    """Returns the module `grain`. Raises InputError where it is not installed."""
    try:
        import grain
    except ImportError as error:
        raise InputError(f"--stream: needs Grain ({error}); pip install -e '.[stream]'") from error
    return grain


class WindowShuffle:
    """Maps positions of a pass to rows of the source; a function of the stream and the pass.

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
            .shuffle(seed=2 * ORDER_SEED)
            .batch(blocks_per_window, batch_fn=np.asarray)
            .map_with_index(to_positions)
            .random_map(to_shuffled_rows, seed=2 * ORDER_SEED + 1)
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


class Chunk(NamedTuple):
    """The batches of consecutive steps."""

    inputs: Shaped[np.ndarray, "steps batch d"] | Shaped[Array, "steps batch d"]  # in storage dtype
    n_steps: int  # filled steps; the inputs of the others are zero


class StreamLoader:
    """Yields the chunks of a training on the devices.

    All seeds share the order of examples. Every pass contains each training row once; its last batch is filled up with
    the first rows of the pass.

    Args:
        stream: the source, and its training rows.
        schedule: the division of passes into rounds and chunks.
        batch_size: examples per step.
        passes: passes over the training rows.
        put: copies a chunk `(steps, local batch, d)` from the host to the devices.
        local_slice: the part of each batch that this process reads and puts.
    """

    def __init__(
        self,
        stream: Stream,
        schedule: StreamSchedule,
        batch_size: int,
        passes: int,
        put: Callable[[np.ndarray], Array],
        local_slice: slice = slice(None),
    ) -> None:
        grain = import_grain()
        shuffle, read_examples, chunks = WindowShuffle(stream), _example_reader(stream), schedule.chunks

        def read_chunk(index: int) -> Chunk:
            pass_index, place = divmod(index, len(chunks))
            steps = chunks[place]
            positions = np.arange(steps.start * batch_size, steps.stop * batch_size)
            rows = shuffle.rows(pass_index, positions).reshape(len(steps), batch_size)[:, local_slice]
            inputs = read_examples(rows.reshape(-1)).reshape(*rows.shape, stream.n_features)
            empty = np.zeros((schedule.steps_per_chunk - len(rows), *inputs.shape[1:]), inputs.dtype)
            return Chunk(np.concatenate([inputs, empty]) if len(empty) else inputs, len(rows))

        dataset = grain.MapDataset.range(passes * len(chunks)).map(read_chunk)
        options = grain.ReadOptions(num_threads=1, prefetch_buffer_size=PREFETCHED_CHUNKS)
        self._iterator = iter(dataset.to_iter_dataset(options))
        self._put = put
        self._identity = {"pace": list(schedule), "fingerprint": stream.fingerprint, "order": ORDER_VERSION}

    def next_chunk(self) -> Chunk:
        """Returns the next chunk and starts copying it to the devices. Raises what reading raises."""
        chunk = next(self._iterator)
        return Chunk(self._put(chunk.inputs), chunk.n_steps)

    def get_state(self) -> dict[str, Any]:
        """Returns the position of the loader as JSON values."""
        return {"grain": self._iterator.get_state(), **self._identity}

    def set_state(self, state: Any, location: str) -> None:
        """Continues from a saved position.

        Raises:
            InputError: the state belongs to other data, another schedule, or a version with another order of rows.
        """
        saved = state if isinstance(state, dict) else {}
        changed = [name for name, value in self._identity.items() if saved.get(name) != value]
        require(
            "grain" in saved and not changed,
            f"{location}: its checkpoint is from other data, another division into rounds, or a version with another "
            "order of rows; use the same data, or start again with --overwrite",
        )
        self._iterator.set_state(saved["grain"])

    def close(self) -> None:
        """Stops reading."""
        self._iterator.close()


def _example_reader(stream: Stream) -> Callable[[Int[np.ndarray, " k"]], Shaped[np.ndarray, "k ..."]]:
    """Returns the source's `read`; encoded examples that fit one window are decoded once and kept in memory."""
    if not stream.keeps_decoded:
        return stream.source.read
    read_all = functools.cache(lambda: stream.source.read(np.arange(stream.source.n_examples)))
    return lambda rows: read_all()[rows]
