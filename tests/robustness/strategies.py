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
Draw = Callable[[st.SearchStrategy[Any]], Any]


def positions(content: bytes) -> st.SearchStrategy[int]:
    """Returns positions anywhere in the content, half of them in the first bytes, where headers are."""
    return st.integers(0, min(HEADER_BYTES, len(content))) | st.integers(0, len(content))


def flip_bit(draw: Draw, content: bytes, position: int, other: bytes) -> bytes:
    byte = content[position : position + 1] or b"\0"
    return content[:position] + bytes([byte[0] ^ 1 << draw(st.integers(0, 7))]) + content[position + 1 :]


def truncate(draw: Draw, content: bytes, position: int, other: bytes) -> bytes:
    return content[:position]


def insert(draw: Draw, content: bytes, position: int, other: bytes) -> bytes:
    return content[:position] + draw(SHORT_BYTES) + content[position:]


def overwrite(draw: Draw, content: bytes, position: int, other: bytes) -> bytes:
    new = draw(SHORT_BYTES)
    return content[:position] + new + content[position + len(new) :]


def delete(draw: Draw, content: bytes, position: int, other: bytes) -> bytes:
    return content[:position] + content[position + draw(LENGTHS) :]


def repeat(draw: Draw, content: bytes, position: int, other: bytes) -> bytes:
    end = position + draw(LENGTHS)
    return content[:position] + content[position:end] * draw(st.integers(2, 8)) + content[end:]


def splice(draw: Draw, content: bytes, position: int, other: bytes) -> bytes:
    return content[:position] + other[draw(positions(other)) :]


def overwrite_integer(draw: Draw, content: bytes, position: int, other: bytes) -> bytes:
    width = draw(st.sampled_from([1, 2, 4, 8]))
    value = draw(st.sampled_from(BOUNDARY_INTEGERS)) % 256**width
    return (
        content[:position]
        + value.to_bytes(width, draw(st.sampled_from(["big", "little"])))
        + content[position + width :]
    )


def replace_number(draw: Draw, content: bytes, position: int, other: bytes) -> bytes:
    numbers = list(NUMBER.finditer(content))
    if not numbers:
        return overwrite_integer(draw, content, position, other)
    number = draw(st.sampled_from(numbers))
    return content[: number.start()] + draw(st.sampled_from(MALFORMED_NUMBERS)) + content[number.end() :]


EDITS = (flip_bit, truncate, insert, overwrite, delete, repeat, splice, overwrite_integer, replace_number)


@st.composite
def damaged_bytes(draw: Draw, content: bytes, other: bytes) -> bytes:
    """Draws the content with one to three edits; `other` is a second valid file, to splice with."""
    for edit in draw(st.lists(st.sampled_from(EDITS), min_size=1, max_size=3)):
        content = edit(draw, content, draw(positions(content)), other)
    return content


class DamagedFile(NamedTuple):
    """A file to write in place of a valid one."""

    path: str
    content: bytes


@st.composite
def damaged_files(draw: Draw, samples: Sequence[Sample]) -> DamagedFile:
    """Draws a damaged sample in its container, or now and then arbitrary bytes."""
    sample, other = draw(st.sampled_from(samples)), draw(st.sampled_from(samples))
    if draw(st.integers(0, 9)) == 0:
        return DamagedFile(sample.path, draw(st.binary(max_size=300)))
    return DamagedFile(sample.path, sample.wrap(draw(damaged_bytes(sample.content, other.content))))
