"""How passes over a stream are divided: into rounds, after which the host looks up, of chunks for a device."""

from typing import NamedTuple

from aejax.data.shuffling import steps_per_epoch
from aejax.data.stream.source import Stream
from aejax.errors import require

MAX_EXAMPLES_PER_ROUND, MAX_ROUND_BYTES = 200_000, 4 << 30
MAX_CHUNK_BYTES = 16 << 20


class StepRange(NamedTuple):
    """Some steps in a row."""

    pass_index: int  # of the pass they are in, from 0
    first_step: int  # of them, in the pass
    n_steps: int


class StreamSchedule(NamedTuple):
    """Steps of each pass, round and chunk; a pass's last round and a round's last chunk may have fewer."""

    steps_per_pass: int
    steps_per_round: int
    steps_per_chunk: int

    @property
    def rounds_per_pass(self) -> int:
        """In a pass."""
        return -(-self.steps_per_pass // self.steps_per_round)

    @property
    def chunks_per_pass(self) -> int:
        """In a pass."""
        return (self.rounds_per_pass - 1) * self._chunks_per_round + -(-self._last_round_steps // self.steps_per_chunk)

    def round_steps(self, round_index: int) -> StepRange:
        """A round, counted through all passes."""
        in_pass, within = divmod(round_index, self.rounds_per_pass)
        first = within * self.steps_per_round
        return StepRange(in_pass, first, min(self.steps_per_round, self.steps_per_pass - first))

    def chunk_steps(self, chunk_index: int) -> StepRange:
        """A chunk, counted through all passes."""
        in_pass, within = divmod(chunk_index, self.chunks_per_pass)
        in_round, chunk = divmod(within, self._chunks_per_round)
        first = chunk * self.steps_per_chunk
        own_round = self.round_steps(in_round)
        return StepRange(in_pass, own_round.first_step + first, min(self.steps_per_chunk, own_round.n_steps - first))

    def count_chunks_before(self, rounds: int) -> int:
        """Chunks of the first so many rounds."""
        in_pass, within = divmod(rounds, self.rounds_per_pass)
        return in_pass * self.chunks_per_pass + within * self._chunks_per_round

    @property
    def _chunks_per_round(self) -> int:
        return -(-self.steps_per_round // self.steps_per_chunk)

    @property
    def _last_round_steps(self) -> int:
        """Steps of a pass's last round."""
        return self.steps_per_pass - (self.rounds_per_pass - 1) * self.steps_per_round


def make_stream_schedule(stream: Stream, batch_size: int) -> StreamSchedule:
    """Rounds of about `EXAMPLES_PER_ROUND` or `ROUND_BYTES`, or a pass if that is less; chunks of up to `CHUNK_BYTES`.

    Rounds are all of one length where some number near the wished one divides the pass's steps; chunks are as equal as
    they can be.

    Raises:
        InputError: a batch is larger than the training rows, or than the window they are shuffled in.
    """
    require(
        batch_size <= stream.n_train,
        f"--batch-size {batch_size}: {stream.source.name} has {stream.n_train} rows that train; take smaller batches",
    )
    require(
        batch_size <= stream.window_size,
        f"--shuffle-window {stream.window_size}: holds no batch of --batch-size {batch_size}; take a larger window",
    )
    steps, batch_bytes = steps_per_epoch(stream.n_train, batch_size), batch_size * stream.row_bytes
    wanted = min(steps, max(1, min(MAX_EXAMPLES_PER_ROUND // batch_size, MAX_ROUND_BYTES // batch_bytes)))
    divisors = [count for count in range(wanted, wanted // 2, -1) if steps % count == 0]
    per_round = divisors[0] if divisors else _balanced_length(steps, wanted)
    return StreamSchedule(steps, per_round, _balanced_length(per_round, max(1, MAX_CHUNK_BYTES // batch_bytes)))


def _balanced_length(steps: int, at_most: int) -> int:
    """The length of parts of at most so many steps that differ as little as they can."""
    return -(-steps // -(-steps // at_most))
