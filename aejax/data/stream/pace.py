"""How passes over a stream are divided: into rounds, after which the host looks up, of chunks for a device."""

from typing import NamedTuple

from aejax.data.order import steps_per_epoch
from aejax.data.stream.source import Stream
from aejax.errors import require

EXAMPLES_PER_ROUND, ROUND_BYTES = 200_000, 4 << 30
CHUNK_BYTES = 16 << 20


class Part(NamedTuple):
    """Some steps in a row."""

    number: int  # of the pass they are in, from 0
    first: int  # of them, in the pass
    steps: int


class Pace(NamedTuple):
    """Steps of each pass, round and chunk; a pass's last round and a round's last chunk may have fewer."""

    steps: int
    per_round: int
    per_chunk: int

    @property
    def rounds(self) -> int:
        """In a pass."""
        return -(-self.steps // self.per_round)

    @property
    def chunks(self) -> int:
        """In a pass."""
        return (self.rounds - 1) * self._chunks_of_round + -(-self._last // self.per_chunk)

    def round(self, number: int) -> Part:
        """A round, counted through all passes."""
        in_pass, within = divmod(number, self.rounds)
        first = within * self.per_round
        return Part(in_pass, first, min(self.per_round, self.steps - first))

    def chunk(self, number: int) -> Part:
        """A chunk, counted through all passes."""
        in_pass, within = divmod(number, self.chunks)
        in_round, chunk = divmod(within, self._chunks_of_round)
        first = chunk * self.per_chunk
        own_round = self.round(in_round)
        return Part(in_pass, own_round.first + first, min(self.per_chunk, own_round.steps - first))

    def chunks_before(self, rounds: int) -> int:
        """Chunks of the first so many rounds."""
        in_pass, within = divmod(rounds, self.rounds)
        return in_pass * self.chunks + within * self._chunks_of_round

    @property
    def _chunks_of_round(self) -> int:
        return -(-self.per_round // self.per_chunk)

    @property
    def _last(self) -> int:
        """Steps of a pass's last round."""
        return self.steps - (self.rounds - 1) * self.per_round


def pace_of(stream: Stream, batch_size: int) -> Pace:
    """Rounds of about `EXAMPLES_PER_ROUND` or `ROUND_BYTES`, or a pass if that is less; chunks of up to `CHUNK_BYTES`.

    Rounds are all of one length where some number near the wished one divides the pass's steps; chunks are as equal as
    they can be.

    Raises:
        InputError: a batch is larger than the training rows, or than the window they are shuffled in.
    """
    require(
        batch_size <= stream.n,
        f"--batch-size {batch_size}: {stream.source.name} has {stream.n} rows that train; take smaller batches",
    )
    require(
        batch_size <= stream.window,
        f"--shuffle-window {stream.window}: holds no batch of --batch-size {batch_size}; take a larger window",
    )
    steps, batch_bytes = steps_per_epoch(stream.n, batch_size), batch_size * stream.row_bytes
    wanted = min(steps, max(1, min(EXAMPLES_PER_ROUND // batch_size, ROUND_BYTES // batch_bytes)))
    divisors = [count for count in range(wanted, wanted // 2, -1) if steps % count == 0]
    per_round = divisors[0] if divisors else _equal(steps, wanted)
    return Pace(steps, per_round, _equal(per_round, max(1, CHUNK_BYTES // batch_bytes)))


def _equal(steps: int, at_most: int) -> int:
    """The length of parts of at most so many steps that differ as little as they can."""
    return -(-steps // -(-steps // at_most))
