"""Compile time, counted apart from run time, and jitted programs that equal arguments share."""

import functools
import gc
import time
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import jax

from aejax.experiments.host_memory import is_large, malloc_trim

Parameters = ParamSpec("Parameters")
Program = TypeVar("Program")
_CACHED_JITS: list[Any] = []


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
