"""The checks that every test runs under reject what they should, in nested functions, too."""

import os

import jaxtyping
import numpy as np
import pytest
import type_checks
from jaxtyping import Float

from aejax.config.serialization import to_dict
from aejax.experiments.export import select_epoch

checked = jaxtyping.jaxtyped(typechecker=type_checks.check)


def make(offset, annotation=Float[np.ndarray, "n n"]):
    @checked
    def nested(matrix: annotation, count: int = 1) -> Float[np.ndarray, "n"]:
        return matrix[:count].mean(axis=0) + offset

    return nested


def test_each_nested_function_is_checked_and_runs_its_own_body(monkeypatch):
    compiled = []
    own_check = type_checks._check
    monkeypatch.setattr(type_checks, "_nested", {})
    monkeypatch.setattr(type_checks, "_check", lambda function: compiled.append(function) or own_check(function))
    functions = [make(0.0), make(1.0)]
    assert compiled == []
    for offset, function in enumerate(functions):
        np.testing.assert_array_equal(function(np.ones((2, 2))), 1 + offset)
        with pytest.raises(jaxtyping.TypeCheckError, match="matrix"):
            function(np.ones((2, 3)))
        with pytest.raises(jaxtyping.TypeCheckError, match="count"):
            function(np.ones((2, 2)), count="1")
    assert [function.__name__ for function in compiled].count("nested") == 2  # its parameters and its result, once


def test_another_annotation_has_its_own_checks():
    make(0.0)(np.ones((2, 2)))
    wide = make(0.0, Float[np.ndarray, "m n"])
    assert wide(np.ones((2, 3))).shape == (3,)
    with pytest.raises(jaxtyping.TypeCheckError, match="return value"):
        checked(twice)(np.ones(3))


def twice(row: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
    return np.concatenate([row, row])


def test_modules_whose_annotations_have_shapes_are_checked_and_others_on_demand():
    with pytest.raises(jaxtyping.TypeCheckError, match="valid_loss"):
        select_epoch(np.ones((2, 2)), None, None)
    assert hasattr(to_dict, "__wrapped__") == (os.environ.get("AEJAX_CHECK_TYPES") == "everywhere")
