"""Compile time is counted apart, and programs are shared until they are cleared."""

import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax.experiments import compilation
from aejax.experiments.compilation import MIN_BYTES_TO_TRIM, Stopwatch, cached_jit, clear_compiled

SMALL, LARGE = np.zeros(MIN_BYTES_TO_TRIM - 1, np.uint8), np.zeros(MIN_BYTES_TO_TRIM, np.uint8)


def test_a_stopwatch_counts_compilation_apart_from_everything_else():
    program = jax.jit(lambda x: jax.lax.scan(lambda c, _: (jnp.sin(c @ c), None), x, length=3)[0])
    inputs = jnp.ones((9, 9))
    start, watch = time.perf_counter(), Stopwatch()
    program(inputs).block_until_ready()
    elapsed = time.perf_counter() - start
    compile_seconds = watch.compile_seconds
    assert 0.2 * elapsed < compile_seconds <= elapsed
    time.sleep(0.1)
    program(inputs).block_until_ready()
    assert watch.compile_seconds == compile_seconds  # the second call compiled nothing
    assert watch.run_seconds >= 0.1
    assert Stopwatch().compile_seconds == 0


@pytest.fixture
def scaled(monkeypatch):
    """Returns a maker of programs, the only one that `clear_compiled` clears."""
    monkeypatch.setattr(compilation, "_CACHED_JITS", [])

    @cached_jit
    def make(factor: float):
        return jax.jit(lambda values: factor * values)

    return make


def test_programs_are_shared_until_they_are_cleared_with_large_data(scaled):
    first = scaled(2.0)
    clear_compiled(SMALL)
    assert scaled(2.0) is first
    clear_compiled((LARGE, None))
    assert scaled(2.0) is not first


def test_cleared_programs_free_their_executables(scaled):
    client, inputs = jax.devices()[0].client, jnp.ones(2)
    before = len(client.live_executables())
    np.testing.assert_array_equal(scaled(3.0)(inputs), 3 * np.ones(2))
    assert len(client.live_executables()) == before + 1
    clear_compiled(LARGE)
    assert len(client.live_executables()) == before
