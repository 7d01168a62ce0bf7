"""`.npz` archives are read under each naming scheme; damaged or unclear ones are rejected by name."""

import io

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


@pytest.mark.parametrize("names", [("x", "y"), ("X", "y"), ("inputs", "labels")])
def test_pairs_are_read_under_each_naming(tmp_path, names):
    dataset = load_arrays(npz(tmp_path, **dict(zip(names, (IMAGES, LABELS), strict=True)), extra=LABELS), DataConfig())
    assert (dataset.name, dataset.value_range, dataset.test_rows) == ("set", (0, 255), None)
    np.testing.assert_array_equal(dataset.inputs, IMAGES[..., None])
    np.testing.assert_array_equal(dataset.labels, LABELS)


def test_keras_names_give_the_official_test_split(tmp_path):
    path = npz(tmp_path, x_train=IMAGES, y_train=LABELS, x_test=IMAGES[:3] + 1, y_test=LABELS[:3])
    dataset = load_arrays(path, DataConfig())
    np.testing.assert_array_equal(dataset.inputs[dataset.test_rows], IMAGES[:3, ..., None] + 1)
    np.testing.assert_array_equal(np.delete(dataset.inputs, dataset.test_rows, axis=0), IMAGES[..., None])


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
        pytest.param({"x": IMAGES, "y": LABELS[:5]}, "5 labels", id="fewer labels"),
        pytest.param({"x": IMAGES, "y": LABELS.astype(object)}, "pickled", id="pickled labels"),
        pytest.param(
            {"x_train": IMAGES, "y_train": LABELS[:7], "x_test": IMAGES, "y_test": LABELS},
            "y_train (7,)",
            id="uneven part",
        ),
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


def as_npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("damage", "mentioned"),
    [
        pytest.param(lambda good: b"", "not an intact .npz", id="empty"),
        pytest.param(lambda good: good[:-40], "not an intact .npz", id="truncated"),
        pytest.param(lambda good: good[:90] + bytes(20) + good[110:], "not an intact .npz", id="overwritten"),
        pytest.param(lambda good: b"1,2,3\n" * 9, "not an intact .npz", id="text"),
        pytest.param(lambda good: as_npy(IMAGES), "single .npy", id="npy"),
    ],
)
def test_damaged_files_are_rejected(tmp_path, damage, mentioned):
    path = npz(tmp_path, x=IMAGES, y=LABELS)
    path.write_bytes(damage(path.read_bytes()))
    assert mentioned in npz_error(path)


def test_one_flipped_byte_of_the_values_is_rejected(tmp_path):
    path = tmp_path / "set.npz"
    np.savez(path, x=IMAGES, y=LABELS)  # not compressed: only the archive's CRC can tell
    good = path.read_bytes()
    position = good.index(IMAGES.tobytes()) + 100
    path.write_bytes(good[:position] + bytes([good[position] ^ 1]) + good[position + 1 :])
    assert "not an intact .npz" in npz_error(path)
