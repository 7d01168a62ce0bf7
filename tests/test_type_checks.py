"""The checks that every test runs under reject what they should."""

import jaxtyping
import numpy as np
import pytest
import type_checks
from jaxtyping import Float


@jaxtyping.jaxtyped(typechecker=type_checks.check)
def first_rows(matrix: Float[np.ndarray, "n n"], count: int = 1) -> Float[np.ndarray, "n"]:
    return matrix[:count].reshape(-1)


def test_parameters_and_results_are_checked_at_every_call():
    np.testing.assert_array_equal(first_rows(np.ones((2, 2))), np.ones(2))
    for arguments, wrong in (((np.ones((2, 3)),), "matrix"), ((np.ones((2, 2)), "1"), "count")):
        with pytest.raises(jaxtyping.TypeCheckError, match=wrong):
            first_rows(*arguments)
    with pytest.raises(jaxtyping.TypeCheckError, match="return value"):
        first_rows(np.ones((2, 2)), count=2)
