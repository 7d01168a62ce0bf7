"""The division of passes over a stream into rounds, after which metrics are reported, and of rounds into chunks."""

from typing import NamedTuple

from aejax.data.shuffling import steps_per_epoch
from aejax.data.stream.source import Stream
from aejax.errors import require

MAX_EXAMPLES_PER_ROUND, MAX_ROUND_BYTES = 200_000, 4 << 30
MAX_CHUNK_BYTES = 16 << 20


class StreamSchedule(NamedTuple):
    """Steps per pass, round and chunk; the last round of a pass and the last chunk of a round may be shorter.

    Checkpoints store it as a list, so the order of the fields must not change.
    """

    steps_per_pass: int
    steps_per_round: int
    steps_per_chunk: int

    @property
    def rounds(self) -> list[range]:
        """The steps of each round of a pass."""
        return _divide(range(self.steps_per_pass), self.steps_per_round)

    @property
    def chunks(self) -> list[range]:
        """The steps of each chunk of a pass."""
        return [chunk for steps in self.rounds for chunk in _divide(steps, self.steps_per_chunk)]

    @property
    def rounds_per_pass(self) -> int:
        """Rounds in a pass."""
        return len(self.rounds)


def _divide(steps: range, length: int) -> list[range]:
    return [steps[start : start + length] for start in range(0, len(steps), length)]


def make_stream_schedule(stream: Stream, batch_size: int) -> StreamSchedule:
    """Divides a pass into rounds of about 200,000 examples or 4 GiB, and rounds into chunks of at most 16 MiB.

    Rounds have equal length where a number of steps near the intended one divides the pass; chunks differ as little as
    possible.

    Raises:
        InputError: a batch is larger than the training rows, or than the window in which they are shuffled.
    """
    require(
        batch_size <= stream.n_train,
        f"--batch-size {batch_size}: {stream.source.name} has {stream.n_train} training rows; use smaller batches",
    )
    require(
        batch_size <= stream.window_size,
        f"--shuffle-window {stream.window_size}: smaller than --batch-size {batch_size}; use a larger window",
    )
    steps, batch_bytes = steps_per_epoch(stream.n_train, batch_size), batch_size * stream.row_bytes
    max_steps = min(steps, max(1, min(MAX_EXAMPLES_PER_ROUND // batch_size, MAX_ROUND_BYTES // batch_bytes)))
    divisors = [count for count in range(max_steps, max_steps // 2, -1) if steps % count == 0]
    per_round = divisors[0] if divisors else _balanced_length(steps, max_steps)
    return StreamSchedule(steps, per_round, _balanced_length(per_round, max(1, MAX_CHUNK_BYTES // batch_bytes)))


def _balanced_length(steps: int, max_length: int) -> int:
    """Returns the length of parts of at most `max_length` steps that differ as little as possible."""
    return -(-steps // -(-steps // max_length))
