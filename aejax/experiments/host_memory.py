"""Memory that was freed, given back to the system: glibc keeps what a compilation or a loop of XLA's has left."""

import ctypes
import functools
from typing import Any

import jax

MIN_BYTES_TO_TRIM = 32 << 20  # bytes of data beside which it matters; it costs time to take memory again


@functools.cache
def _c_library() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL(None)
    except (OSError, TypeError):
        return None  # not POSIX
    return library if hasattr(library, "malloc_trim") else None  # else not glibc, and left as it is


def is_large(arrays: Any) -> bool:
    """A tree's arrays are `LARGE` together."""
    return sum(leaf.nbytes for leaf in jax.tree.leaves(arrays) if hasattr(leaf, "nbytes")) >= MIN_BYTES_TO_TRIM


def malloc_trim(arrays: Any) -> None:
    """Return freed memory, hundreds of megabytes after one compilation, if the arrays `beside` are large."""
    library = _c_library()
    if library is not None and is_large(arrays):
        library.malloc_trim(0)
