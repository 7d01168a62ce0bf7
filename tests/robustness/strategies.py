"""Hypothesis strategies for damaged files: what disks, networks and attackers do to bytes."""

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from hypothesis import strategies as st

from tests.robustness.reader_samples import Sample

HEADER_BYTES, MAX_EDIT_BYTES = 128, 64
BOUNDARY_INTEGERS = [2**bits + step for bits in (7, 8, 15, 16, 31, 32, 63) for step in (-1, 0)] + [2**64 - 1]
MALFORMED_NUMBERS = [b"-1", b"0", b"1e999", b"nan", b"1_0", b"None", b"True", b"0x7f", b"9" * 5, b"9" * 25]
NUMBER = re.compile(rb"\d+")
LENGTHS = st.integers(1, MAX_EDIT_BYTES)
SHORT_BYTES = st.binary(min_size=1, max_size=MAX_EDIT_BYTES)
INTEGERS = st.builds(
    lambda value, width, order: (value % 256**width).to_bytes(width, order),
    st.sampled_from(BOUNDARY_INTEGERS),
    st.sampled_from([1, 2, 4, 8]),
    st.sampled_from(["big", "little"]),
)
Draw = Callable[[st.SearchStrategy[Any]], Any]


def positions(content: bytes) -> st.SearchStrategy[int]:
    """Returns positions anywhere in the content, half of them in the first bytes, where headers are."""
    return st.integers(0, min(HEADER_BYTES, len(content))) | st.integers(0, len(content))


@st.composite
def damaged_once(draw: Draw, content: bytes, other: bytes) -> bytes:
    """Draws the content with one range replaced: what is cut, inserted, overwritten, repeated or spliced is this."""
    numbers = [number.span() for number in NUMBER.finditer(content)]
    if numbers and draw(st.integers(0, 8)) == 0:
        (start, end), new = draw(st.sampled_from(numbers)), draw(st.sampled_from(MALFORMED_NUMBERS))
        return content[:start] + new + content[end:]
    start = draw(positions(content))
    byte = (content[start : start + 1] or b"\0")[0]
    new = draw(
        st.just(b"")
        | SHORT_BYTES
        | INTEGERS
        | st.integers(0, 7).map(lambda bit: bytes([byte ^ 1 << bit]))
        | st.builds(lambda size, times: content[start : start + size] * times, LENGTHS, st.integers(2, 8))
        | positions(other).map(lambda position: other[position:])
    )
    end = draw(st.sampled_from([start, start + len(new), len(content)]) | LENGTHS.map(lambda size: start + size))
    return content[:start] + new + content[end:]


class DamagedFile(NamedTuple):
    """A file to write in place of a valid one."""

    path: str
    content: bytes


@st.composite
def damaged_files(draw: Draw, samples: Sequence[Sample]) -> DamagedFile:
    """Draws a sample with one to three ranges replaced, in its container, or now and then arbitrary bytes."""
    sample, other = draw(st.sampled_from(samples)), draw(st.sampled_from(samples))
    if draw(st.integers(0, 9)) == 0:
        return DamagedFile(sample.path, draw(st.binary(max_size=300)))
    content = sample.content
    for _ in range(draw(st.integers(1, 3))):
        content = draw(damaged_once(content, other.content))
    return DamagedFile(sample.path, sample.wrap(content))
