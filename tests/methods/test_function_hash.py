"""Functions and objects have equal hashes if they do the same, in any process, and others otherwise."""

import dataclasses
import datetime
import enum
import functools
import re
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline

from aejax.methods.function_hash import hash_function

WIDTH = 3


def helper(rows, width):
    return rows[:, :width]


def by_global(rows):
    return helper(rows, WIDTH)


def by_closure(value):
    return lambda rows: rows * value


def by_default(value):
    def scale(rows, factor=value):
        return rows * factor

    return scale


def by_code(value):
    return {1: lambda rows: rows + 1, 2: lambda rows: rows + 2}[value]


def by_inner_function(value):
    def encode(rows):
        return [by_code(value)(row) for row in rows]

    return encode


class Transformer:
    """Without `get_params`."""

    def __init__(self, value):
        self.value = value

    def fit(self, rows):
        return self

    def transform(self, rows):
        return rows * self.value


CALLS = 0


class Level(enum.Enum):
    LOW = 1
    HIGH = 2


@dataclasses.dataclass(slots=True)
class Slotted:
    value: int


class Weights:
    """An object with weights like a module of PyTorch."""

    def __init__(self, value):
        self._weights = np.array([value])

    def state_dict(self):
        return {"weights": self._weights}


MAKERS = {
    "closure of slots": lambda value: by_closure(Slotted(value)),
    "closure of a pattern": lambda value: by_closure(re.compile(str(value))),
    "closure of a member": lambda value: by_closure(list(Level)[value - 1]),
    "code": by_code,
    "inner function": by_inner_function,
    "closure": by_closure,
    "closure of an array": lambda value: by_closure(np.arange(value)),
    "closure of weights": lambda value: by_closure(Weights(value)),
    "closure of a set": lambda value: by_closure({"a", "b", "c", str(value)}),
    "default": by_default,
    "partial": lambda value: functools.partial(helper, width=value),
    "bound method": lambda value: Transformer(value).transform,
    "decorated": lambda value: jax.jit(by_closure(value)),
    "transformer": lambda value: PCA(value),
    "pipeline": lambda value: make_pipeline(PCA(value)),
    "own transformer": Transformer,
    "array": lambda value: np.full(2, value).dot,
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_another_value_or_code_is_another_hash(make):
    first, again, other = (hash_function(make(value)) for value in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize(("name", "value"), [("WIDTH", 4), ("helper", lambda rows, width: rows[:, width:])])
def test_globals_of_the_users_that_a_function_names_count(monkeypatch, name, value):
    before = hash_function(by_global)
    assert hash_function(by_global) == before
    monkeypatch.setitem(globals(), name, value)
    assert hash_function(by_global) != before


def test_a_global_that_is_called_like_an_attribute_does_not_count(monkeypatch):
    def read(spec):
        return [spec.WIDTH for _ in (1, 2)]

    before = hash_function(read)
    monkeypatch.setitem(globals(), "WIDTH", 4)
    assert hash_function(read) == before


def test_a_function_that_calls_itself_has_a_hash():
    def factorial(n):
        return n * factorial(n - 1) if n else 1

    assert hash_function(factorial) == hash_function(factorial)


def test_what_a_function_keeps_in_a_global_is_no_other_function(monkeypatch):
    def count():
        global CALLS
        CALLS = CALLS + 1

    before = hash_function(count)
    count()
    assert CALLS == 1
    assert hash_function(count) == before


@pytest.mark.parametrize("value", [str.strip, np.ndarray.mean, Slotted(1), datetime.date(2020, 1, 1), Path("/a/b")])
def test_anything_that_a_function_refers_to_has_a_hash(value):
    assert hash_function(by_closure(value)) == hash_function(by_closure(value)) != hash_function(by_closure(2))


def test_a_path_is_its_name_and_a_fitted_transformer_what_it_has_learnt():
    assert hash_function(by_closure(Path("/a/b"))) == hash_function(by_closure(Path("/c/b")))
    one, other = (PCA(1).fit(np.random.default_rng(seed).normal(size=(9, 3))) for seed in (0, 1))
    assert hash_function(one.transform) != hash_function(other.transform)


def test_the_hash_is_the_same_in_another_process_and_elsewhere_in_a_file():
    code = "from aejax.methods.function_hash import hash_function\n{lines}def own(x): return x in {{'a', 'b', 'c'}}\n"
    show = "print(hash_function(own))"
    runs = [
        subprocess.run(
            [sys.executable, "-c", code.format(lines=lines) + show], capture_output=True, text=True, check=True
        )
        for lines in ("", "\n# a remark\n")
    ]
    assert runs[0].stdout == runs[1].stdout != ""
