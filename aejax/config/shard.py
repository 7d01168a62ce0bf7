"""`--shard I/N`: which part of an experiment a process computes."""

from collections.abc import Iterable
from typing import NamedTuple, TypeVar

from aejax.errors import require

Item = TypeVar("Item")


class Shard(NamedTuple):
    """One of several parts of a list that is divided by index."""

    number: int  # from 1
    total: int

    def select(self, items: Iterable[Item]) -> list[Item]:
        """Returns every `total`-th item. Raises `InputError` if there are none for this shard.

        >>> Shard(2, 3).select("abcdef")
        ['b', 'e']
        """
        every = list(items)
        require(
            self.number <= len(every), f"--shard {self.number}/{self.total}: there are {len(every)} parts at most here"
        )
        return every[self.number - 1 :: self.total]


def parse_shard(text: str) -> Shard:
    """Returns the shard of a flag's value. Raises `InputError` if it is none."""
    number, slash, count = text.partition("/")
    is_number = number.isdecimal() and count.isdecimal() and slash
    require(
        is_number and 1 <= int(number) <= int(count), f"--shard {text}: expected I/N with I from 1 to N, such as 1/4"
    )
    return Shard(int(number), int(count))
