"""Damage to bytes: what disks, networks and ill will do to files."""

import re
from collections.abc import Callable

import numpy as np

BOUNDARY_INTEGERS = [2**bits + step for bits in (7, 8, 15, 16, 31, 32, 63) for step in (-1, 0)] + [2**64 - 1]
MAX_INSERTED_BYTES = 64  # bytes
NUMBERS = re.compile(rb"\d+")
Mutation = Callable[[bytes, bytes, np.random.Generator], bytes]


def mutate(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """`content` with one to three kinds of damage; `other` is a second valid file, to splice with."""
    for _ in range(int(rng.integers(1, 4))):
        content = MUTATIONS[int(rng.integers(len(MUTATIONS)))](content, other, rng)
    return content


def _random_position(content: bytes, rng: np.random.Generator) -> int:
    """Anywhere, but half of the time near the start, where headers are."""
    end = len(content) + 1
    return int(rng.integers(min(end, 128) if rng.random() < 0.5 else end))


def flip_bits(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """One to four bits flipped."""
    damaged = bytearray(content)
    for _ in range(int(rng.integers(1, 5)) if damaged else 0):
        damaged[_random_position(content, rng) % len(damaged)] ^= 1 << int(rng.integers(8))
    return bytes(damaged)


def truncate(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """The end is missing."""
    return content[: _random_position(content, rng)]


def insert(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """Random bytes between."""
    place = _random_position(content, rng)
    return content[:place] + rng.bytes(int(rng.integers(1, MAX_INSERTED_BYTES))) + content[place:]


def overwrite(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """Random bytes in place of others."""
    place, length = _random_position(content, rng), int(rng.integers(1, MAX_INSERTED_BYTES))
    return content[:place] + rng.bytes(length) + content[place + length :]


def delete(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """Some bytes are missing."""
    place = _random_position(content, rng)
    return content[:place] + content[place + int(rng.integers(1, MAX_INSERTED_BYTES)) :]


def repeat(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """A stretch stands several times."""
    place = _random_position(content, rng)
    end = place + int(rng.integers(1, MAX_INSERTED_BYTES))
    return content[:place] + content[place:end] * int(rng.integers(2, 9)) + content[end:]


def splice(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """The beginning of one file and the end of another."""
    return content[: _random_position(content, rng)] + other[_random_position(other, rng) :]


def overwrite_boundary_integer(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """A binary number at some place becomes one at the limit of its type, in either byte order."""
    place, width = _random_position(content, rng), 1 << int(rng.integers(4))
    number = BOUNDARY_INTEGERS[int(rng.integers(len(BOUNDARY_INTEGERS)))] % 256**width
    order = "big" if rng.random() < 0.5 else "little"
    return content[:place] + number.to_bytes(width, order) + content[place + width :]


def replace_decimal_number(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """A number in digits becomes a huge, negative or malformed one."""
    found = list(NUMBERS.finditer(content))
    if not found:
        return overwrite_boundary_integer(content, other, rng)
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
    overwrite_boundary_integer,
    replace_decimal_number,
    replace,
)
