"""`.npz` archives are read under each naming scheme; damaged or unclear ones are rejected by name."""

import numpy as np
import pytest
from expected_errors import error_message

from aejax.config import DataConfig
from aejax.data.array_files import load_arrays

IMAGES = np.arange(12 * 4 * 4, dtype=np.uint8).reshape(12, 4, 4)
LABELS = np.arange(12) % 2


def npz(tmp_path, **arrays):
    path = tmp_path / "set.npz"
    np.savez_compressed(path, **arrays)
    return path


def npz_error(path) -> str:
    message = error_message(load_arrays, path, DataConfig())
    assert message.startswith(str(path))
    return message


@pytest.mark.parametrize(
    ("inputs", "shape", "value_range"),
    [
        pytest.param(np.zeros((12, 4, 5, 3), np.uint8), (4, 5, 3), (0, 255), id="colour"),
        pytest.param(np.zeros((12, 6), np.uint8), (6,), None, id="a table of bytes"),
        pytest.param(np.zeros((12, 6)), (6,), None, id="a table of floats"),
        pytest.param(np.zeros((12, 4, 5)), (4, 5, 1), None, id="floats of three axes"),
        pytest.param(np.zeros((12, 2, 3, 4, 5)), (2, 3, 4, 5), None, id="volumes"),
    ],
)
def test_examples_of_two_axes_gain_a_channel(tmp_path, inputs, shape, value_range):
    dataset = load_arrays(npz(tmp_path, x=inputs, y=LABELS), DataConfig())
    assert (dataset.example_shape, dataset.value_range) == (shape, value_range)


@pytest.mark.parametrize(
    ("arrays", "mentioned"),
    [
        pytest.param({"a": IMAGES, "y": LABELS}, "a, y", id="unknown names"),
        pytest.param({}, "(none)", id="no arrays"),
        pytest.param({"x": IMAGES, "X": IMAGES, "y": LABELS}, "x, X, y", id="ambiguous names"),
        pytest.param({"x": IMAGES, "y": LABELS[:5]}, "y (5,)", id="fewer labels"),
        pytest.param(
            {"x_train": IMAGES, "y_train": LABELS, "x_test": IMAGES[:, :2], "y_test": LABELS},
            "x_test",
            id="other shape",
        ),
        pytest.param(
            {"x_train": IMAGES, "y_train": LABELS, "x_test": IMAGES / 255, "y_test": LABELS},
            "float64",
            id="other dtype",
        ),
        pytest.param(
            {"x_train": IMAGES, "y_train": LABELS, "x_test": IMAGES, "y_test": LABELS.astype(str)},
            "y_test",
            id="text labels",
        ),
    ],
)
def test_unsuitable_arrays_are_rejected_by_name(tmp_path, arrays, mentioned):
    assert mentioned in npz_error(npz(tmp_path, **arrays))


def test_damaged_files_are_rejected(tmp_path):
    path = tmp_path / "set.npz"
    np.savez(path, x=IMAGES, y=LABELS)  # not compressed: only the archive's CRC can tell of a flipped bit
    good = path.read_bytes()
    value = good.index(IMAGES.tobytes()) + 100
    flipped = good[:value] + bytes([good[value] ^ 1]) + good[value + 1 :]
    for damaged in (b"", good[:-40], good[:90] + bytes(20) + good[110:], b"1,2,3\n" * 9, flipped):
        path.write_bytes(damaged)
        assert "not an intact .npz" in npz_error(path)
