"""Ahead-of-time compilation, with its seconds counted apart."""

import functools
import gc
import time
import weakref
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import jax

from aejax.experiments.host_memory import is_large, malloc_trim

Parameters = ParamSpec("Parameters")
Program = TypeVar("Program")
_CACHED_JITS: list[Any] = []


def cached_jit(make: Callable[Parameters, Program]) -> Callable[Parameters, Program]:
    """Give the same jitted program for the same arguments, until programs are forgotten."""
    remembered = functools.lru_cache(maxsize=128)(make)
    _CACHED_JITS.append(remembered)
    return remembered  # type: ignore[return-value]


def clear_compiled(data: Any) -> None:
    """Let go what every `program_maker` has made, and what was compiled of it, if the arrays `beside` are large.

    Each is some tens of megabytes, and few serve two methods.
    """
    if is_large(data):
        for maker in _CACHED_JITS:
            maker.cache_clear()
        gc.collect()
        malloc_trim(data)


class Compiler:
    """Calls jitted programs, compiling each once for every combination of shapes, for as long as somebody holds it."""

    def __init__(self) -> None:
        self.seconds = 0.0  # spent compiling since the last `take_seconds`
        self._compiled: weakref.WeakKeyDictionary[Any, dict[Any, Callable[..., Any]]] = weakref.WeakKeyDictionary()

    def __call__(self, program: Callable[..., Any], *args: Any) -> Any:
        """`program(*args)`."""
        leaves, structure = jax.tree.flatten(args)
        signature = (structure, tuple((jax.numpy.shape(x), jax.numpy.result_type(x)) for x in leaves))
        known = self._compiled.setdefault(program, {})
        if signature not in known:
            start = time.perf_counter()
            known[signature] = program.lower(*args).compile()  # type: ignore[attr-defined]
            malloc_trim(args)
            self.seconds += time.perf_counter() - start
        return known[signature](*args)

    def pop_seconds(self) -> float:
        """Compile seconds since the last call."""
        seconds, self.seconds = self.seconds, 0.0
        return seconds
