"""Ahead-of-time compilation, with its seconds counted apart."""

import time
from collections.abc import Callable
from typing import Any

import jax

from aejax.run.allocator import give_back


class Compiler:
    """Calls jitted programs, compiling each once for every combination of shapes."""

    def __init__(self) -> None:
        self.seconds = 0.0  # spent compiling since the last `take_seconds`
        self._compiled: dict[Any, Callable[..., Any]] = {}

    def __call__(self, program: Callable[..., Any], *args: Any) -> Any:
        """`program(*args)`."""
        leaves, structure = jax.tree.flatten(args)
        signature = (program, structure, tuple((jax.numpy.shape(x), jax.numpy.result_type(x)) for x in leaves))
        if signature not in self._compiled:
            start = time.perf_counter()
            self._compiled[signature] = program.lower(*args).compile()  # type: ignore[attr-defined]
            give_back(args)
            self.seconds += time.perf_counter() - start
        return self._compiled[signature](*args)

    def take_seconds(self) -> float:
        """Compile seconds since the last call."""
        seconds, self.seconds = self.seconds, 0.0
        return seconds
