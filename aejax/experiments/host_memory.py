"""Returning freed memory to the system: glibc keeps what a compilation or an XLA loop has freed."""

import ctypes
import functools
from typing import Any

import jax

MIN_BYTES_TO_TRIM = 32 << 20  # size of the data from which it matters: allocating again takes time


@functools.cache
def _c_library() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL(None)
    except (OSError, TypeError):
        return None  # not POSIX
    return library if hasattr(library, "malloc_trim") else None  # not glibc


def is_large(arrays: Any) -> bool:
    """Returns whether the arrays of a tree take `MIN_BYTES_TO_TRIM` or more together."""
    return sum(leaf.nbytes for leaf in jax.tree.leaves(arrays) if hasattr(leaf, "nbytes")) >= MIN_BYTES_TO_TRIM


def malloc_trim(arrays: Any) -> None:
    """Returns freed memory to the system if `arrays` are large: hundreds of megabytes after a compilation."""
    library = _c_library()
    if library is not None and is_large(arrays):
        library.malloc_trim(0)
