"""Compile time is counted apart, programs are shared until they are cleared, and freed memory goes back."""

import time

import jax
import jax.numpy as jnp
import numpy as np
import psutil
import pytest

from aejax.experiments import compilation
from aejax.experiments.compilation import MIN_BYTES_TO_TRIM, Stopwatch, cached_jit, clear_compiled, malloc_trim

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


@pytest.mark.skipif(compilation._c_library() is None, reason="the C library is not glibc")
def test_freed_memory_goes_back_to_the_system_where_data_are_large():
    mib = 1 << 20
    blocks = [np.ones(64 * 1024, np.uint8) for _ in range(4000)]  # too small to be mapped each by itself
    last = blocks[-1]
    full = psutil.Process().memory_info().rss
    blocks.clear()
    malloc_trim(SMALL)
    kept = psutil.Process().memory_info().rss
    malloc_trim({"first": LARGE[: MIN_BYTES_TO_TRIM // 2], "second": (LARGE[MIN_BYTES_TO_TRIM // 2 :], None)})
    assert psutil.Process().memory_info().rss < kept - 200 * mib
    assert kept > full - 50 * mib
    assert last.all()
