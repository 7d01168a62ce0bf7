"""Raw examples are read after training as they were read for it, on the host and under `jit`."""

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from aejax.data.input_encoding import InputEncoding
from aejax.errors import InputError

DATES = InputEncoding(offsets=(20180127.0, 0.0))


def test_offsets_keep_apart_on_the_host_what_float32_merges():
    raw = np.array([[20180127.0, 1.5], [20180128.0, 2.5], [20180129.0, 3.5]])
    assert len(np.unique(raw[:, 0].astype(np.float32))) < 3
    rows, batched = DATES.to_rows(raw, (2,))
    assert batched
    np.testing.assert_array_equal(rows, [[0, 1.5], [1, 2.5], [2, 3.5]])
    one, batched = DATES.to_rows(raw[1], (2,))
    assert not batched
    np.testing.assert_array_equal(one, [[1, 2.5]])


def test_under_jit_offsets_are_subtracted_in_float32():
    raw = np.array([[20180127.0, 1.5], [20180400.0, 2.5]])
    traced = jax.jit(lambda inputs: DATES.to_rows(inputs, (2,))[0])(jnp.asarray(raw, jnp.float32))
    np.testing.assert_array_equal(traced, raw.astype(np.float32) - np.float32([[20180127, 0]]))


@pytest.mark.parametrize("shape", [(5, 2, 2, 1), (5, 4), (2, 2, 1), (4,)])
def test_examples_are_taken_in_their_shape_or_flat_alone_or_in_batches(shape):
    raw = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    rows, batched = InputEncoding().to_rows(raw, (2, 2, 1))
    assert batched == (shape[0] == 5)
    np.testing.assert_array_equal(rows, raw.reshape(-1, 4).astype(np.float32))


def test_other_shapes_and_tables_for_arrays_are_refused():
    with pytest.raises(ValueError, match=r"inputs of shape \(5, 3\): expected \(batch, 2, 2, 1\) or \(batch, 4\)"):
        InputEncoding().to_rows(np.zeros((5, 3)), (2, 2, 1))
    with pytest.raises(InputError, match="the training data were arrays"):
        InputEncoding().to_rows(pd.DataFrame({"a": [1.0]}), (1,))


@pytest.mark.parametrize(
    "inputs",
    [
        np.ones((2, 2), complex),
        jnp.ones((2, 2), jnp.complex64),
        np.array([["1", "2"]]),
        np.array([["2020-01-01", "2020-01-02"]], "datetime64[D]"),
        np.array([[None, 1.0]]),
    ],
)
def test_inputs_that_are_no_real_numbers_are_rejected(inputs):
    with pytest.raises(InputError, match=f"inputs have dtype {inputs.dtype}".replace("[", ".").replace("<", ".")):
        InputEncoding().to_rows(inputs, (2,))
    InputEncoding().to_rows(np.ones((1, 2), bool), (2,))
