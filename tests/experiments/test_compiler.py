"""Theorems about compiled programs: one for each combination of shapes, and none longer than somebody holds it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax.experiments import compilation as compilers
from aejax.experiments.compilation import Compiler, cached_jit, clear_compiled
from aejax.experiments.host_memory import MIN_BYTES_TO_TRIM

SMALL, BIG = np.zeros(MIN_BYTES_TO_TRIM - 1, np.uint8), np.zeros(MIN_BYTES_TO_TRIM, np.uint8)


@pytest.fixture
def maker(monkeypatch):
    """A maker of programs that count how often they are traced; no other is forgotten beside it."""
    monkeypatch.setattr(compilers, "_CACHED_JITS", [])
    traced = []

    @cached_jit
    def scaled(factor: float):
        def program(values):
            traced.append(values.shape)
            return factor * values

        return jax.jit(program)

    return scaled, traced


def test_each_combination_of_shapes_is_compiled_once_and_its_seconds_are_counted(maker):
    scaled, traced = maker
    compiler = Compiler()
    for values in (jnp.arange(3.0), jnp.arange(3.0) + 1, jnp.arange(4.0), jnp.arange(3.0)):
        np.testing.assert_array_equal(compiler(scaled(2.0), values), 2 * values)
    assert traced == [(3,), (4,)]
    assert compiler.pop_seconds() > 0
    assert compiler.pop_seconds() == 0


def test_programs_are_forgotten_beside_large_data_only(maker):
    scaled, traced = maker
    first = scaled(2.0)
    clear_compiled(SMALL)
    assert scaled(2.0) is first
    clear_compiled((BIG, None))
    assert scaled(2.0) is not first
    assert traced == []


def test_what_was_compiled_goes_with_its_program(maker):
    scaled, traced = maker
    compiler = Compiler()
    for _ in range(2):
        np.testing.assert_array_equal(compiler(scaled(3.0), jnp.ones(2)), 3 * np.ones(2))
        assert len(compiler._compiled) == 1
        clear_compiled(BIG)
        assert len(compiler._compiled) == 0
    assert traced == [(2,), (2,)]
