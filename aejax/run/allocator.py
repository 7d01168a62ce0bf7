"""Memory that was freed, given back to the system: glibc keeps what a compilation or a loop of XLA's has left."""

import ctypes
import functools
from typing import Any

import jax

LARGE = 32 << 20  # bytes of data beside which it matters; it costs time to take memory again


@functools.cache
def _c_library() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL(None)
    except (OSError, TypeError):
        return None  # not POSIX
    return library if hasattr(library, "malloc_trim") else None  # else not glibc, and left as it is


def large(arrays: Any) -> bool:
    """A tree's arrays are `LARGE` together."""
    return sum(leaf.nbytes for leaf in jax.tree.leaves(arrays) if hasattr(leaf, "nbytes")) >= LARGE


def give_back(beside: Any) -> None:
    """Return freed memory, hundreds of megabytes after one compilation, if the arrays `beside` are large."""
    library = _c_library()
    if library is not None and large(beside):
        library.malloc_trim(0)
