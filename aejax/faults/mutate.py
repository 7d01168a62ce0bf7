"""Damage to bytes: what disks, networks and ill will do to files."""

import re
from collections.abc import Callable

import numpy as np

HUGE = [2**bits + step for bits in (7, 8, 15, 16, 31, 32, 63) for step in (-1, 0)] + [2**64 - 1]
MOST_INSERTED = 64  # bytes
NUMBERS = re.compile(rb"\d+")
Mutation = Callable[[bytes, bytes, np.random.Generator], bytes]


def mutated(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """`content` with one to three kinds of damage; `other` is a second valid file, to splice with."""
    for _ in range(int(rng.integers(1, 4))):
        content = MUTATIONS[int(rng.integers(len(MUTATIONS)))](content, other, rng)
    return content


def _place(content: bytes, rng: np.random.Generator) -> int:
    """Anywhere, but half of the time near the start, where headers are."""
    end = len(content) + 1
    return int(rng.integers(min(end, 128) if rng.random() < 0.5 else end))


def flip_bits(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """One to four bits flipped."""
    damaged = bytearray(content)
    for _ in range(int(rng.integers(1, 5)) if damaged else 0):
        damaged[_place(content, rng) % len(damaged)] ^= 1 << int(rng.integers(8))
    return bytes(damaged)


def truncate(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """The end is missing."""
    return content[: _place(content, rng)]


def insert(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """Random bytes between."""
    place = _place(content, rng)
    return content[:place] + rng.bytes(int(rng.integers(1, MOST_INSERTED))) + content[place:]


def overwrite(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """Random bytes in place of others."""
    place, length = _place(content, rng), int(rng.integers(1, MOST_INSERTED))
    return content[:place] + rng.bytes(length) + content[place + length :]


def delete(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """Some bytes are missing."""
    place = _place(content, rng)
    return content[:place] + content[place + int(rng.integers(1, MOST_INSERTED)) :]


def repeat(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """A stretch stands several times."""
    place = _place(content, rng)
    end = place + int(rng.integers(1, MOST_INSERTED))
    return content[:place] + content[place:end] * int(rng.integers(2, 9)) + content[end:]


def splice(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """The beginning of one file and the end of another."""
    return content[: _place(content, rng)] + other[_place(other, rng) :]


def huge_number(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """A binary number at some place becomes one at the limit of its type, in either byte order."""
    place, width = _place(content, rng), 1 << int(rng.integers(4))
    number = HUGE[int(rng.integers(len(HUGE)))] % 256**width
    order = "big" if rng.random() < 0.5 else "little"
    return content[:place] + number.to_bytes(width, order) + content[place + width :]


def huge_digits(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """A number in digits becomes a huge, negative or malformed one."""
    found = list(NUMBERS.finditer(content))
    if not found:
        return huge_number(content, other, rng)
    number = found[int(rng.integers(len(found)))]
    words = (b"9" * int(rng.integers(1, 30)), b"-1", b"0", b"1e999", b"nan", b"1_0", b"None", b"True", b"0x7f")
    return content[: number.start()] + words[int(rng.integers(len(words)))] + content[number.end() :]


def replace(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """Nothing is left: random bytes, one byte many times, or none at all."""
    length = int(rng.integers(0, 256))
    return rng.bytes(length) if rng.random() < 0.7 else rng.bytes(1) * length


MUTATIONS: tuple[Mutation, ...] = (
    flip_bits,
    truncate,
    insert,
    overwrite,
    delete,
    repeat,
    splice,
    huge_number,
    huge_digits,
    replace,
)
