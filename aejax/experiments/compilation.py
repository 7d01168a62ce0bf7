"""Compile time, counted apart from run time, jitted programs that equal arguments share, and memory that they free."""

import ctypes
import functools
import gc
import time
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import jax

Parameters = ParamSpec("Parameters")
Program = TypeVar("Program")
_CACHED_JITS: list[Any] = []
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


def cached_jit(make: Callable[Parameters, Program]) -> Callable[Parameters, Program]:
    """Makes a function return the same jitted program for equal arguments, until `clear_compiled`."""
    cached = functools.lru_cache(maxsize=128)(make)
    _CACHED_JITS.append(cached)
    return cached  # type: ignore[return-value]


def clear_compiled(data: Any) -> None:
    """Drops the programs of every `cached_jit` function if `data`, arrays in a tree, is large: few serve two methods.

    A compiled program takes tens of megabytes, and goes with the last reference to its jitted function.
    """
    if is_large(data):
        for cached in _CACHED_JITS:
            cached.cache_clear()
        gc.collect()
        malloc_trim(data)


@functools.cache
def _compile_durations() -> list[float]:
    """Returns the list that the seconds of JAX's compile events are added to: tracing, lowering and XLA."""
    durations: list[float] = []

    def listen(event: str, duration_secs: float, **_: str | int) -> None:
        if event.startswith("/jax/core/compile/"):
            durations.append(duration_secs)

    jax.monitoring.register_event_duration_secs_listener(listen)
    return durations


class Stopwatch:
    """Seconds since it was made, those of compiling apart."""

    def __init__(self) -> None:
        self._start, self._n_before = time.perf_counter(), len(_compile_durations())

    @property
    def compile_seconds(self) -> float:
        """Seconds of this process's compilations."""
        return sum(_compile_durations()[self._n_before :])

    @property
    def run_seconds(self) -> float:
        """All other seconds."""
        return time.perf_counter() - self._start - self.compile_seconds
