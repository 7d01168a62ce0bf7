"""IDX files are read exactly or rejected."""

import gzip

import numpy as np
import pytest
from expected_errors import error_message
from idx_files import IMAGES, LABELS, PARTS, idx_bytes, write_folder

from aejax.data.idx import IDX_DTYPES, load_idx_folder, read_idx


@pytest.mark.parametrize("code", IDX_DTYPES)
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("shape", [(6,), (1, 2, 3), (0, 4)])
def test_idx_round_trip(tmp_path, code, pack, shape):
    array = np.arange(np.prod(shape)).reshape(shape)
    path = tmp_path / "array"
    path.write_bytes(pack(idx_bytes(array, code)))
    read = read_idx(path)
    assert read.dtype == np.dtype(IDX_DTYPES[code]).newbyteorder("=")
    np.testing.assert_array_equal(read, array)


GOOD = idx_bytes(IMAGES)
PACKED = gzip.compress(GOOD, mtime=0)


@pytest.mark.parametrize(
    ("content", "mentioned"),
    [
        pytest.param(b"", "(none)", id="empty"),
        pytest.param(b"\x89PNG\r\n\x1a\n", "89 50 4e 47", id="another format"),
        pytest.param(b"\0\0\x07" + GOOD[3:], "00 00 07 03", id="unknown type"),
        pytest.param(GOOD[:9], "ends within its header", id="cut in the header"),
        pytest.param(GOOD[:-1], "(20, 5, 4)", id="one byte short"),
        pytest.param(GOOD + b"\0", "goes on after the 400 bytes", id="one byte more"),
        pytest.param(gzip.compress(GOOD[:-1]), "399 of the 400", id="gzip: one byte short"),
        pytest.param(gzip.compress(GOOD + b"\0"), "goes on after", id="gzip: one byte more"),
        pytest.param(b"\0\0\x08\x03" + b"\xff" * 12 + bytes(99), "more than it can hold", id="announces exabytes"),
        pytest.param(
            gzip.compress(b"\0\0\x08\x02" + b"\xff" * 8), "more than it can hold", id="gzip: announces exabytes"
        ),
        pytest.param(PACKED[:-20], "truncated", id="gzip: cut off"),
        pytest.param(PACKED[:60] + bytes([PACKED[60] ^ 8]) + PACKED[61:], "fetch", id="gzip: a flipped bit"),
        pytest.param(PACKED[:-8] + bytes(4) + PACKED[-4:], "corrupt gzip", id="gzip: another checksum"),
        pytest.param(PACKED + b"more", "corrupt gzip", id="gzip: rubbish at the end"),
    ],
)
def test_damaged_idx_files_are_rejected(tmp_path, content, mentioned):
    path = tmp_path / "array"
    path.write_bytes(content)
    message = error_message(read_idx, path)
    assert message.startswith(str(path))
    assert mentioned in message


def test_a_missing_file_is_named(tmp_path):
    assert str(tmp_path / "none") in error_message(read_idx, tmp_path / "none")


@pytest.mark.parametrize("spelling", ["{}", "{}.gz", "dotted", "dotted.gz"])
def test_an_idx_folder_gives_training_then_test_rows(tmp_path, spelling):
    for name, content in PARTS.items():
        name = name.replace("-idx", ".idx") if "dotted" in spelling else name
        packed = spelling.endswith(".gz")
        (tmp_path / f"{name}{'.gz' * packed}").write_bytes(gzip.compress(content) if packed else content)
    dataset = load_idx_folder(tmp_path, "small")
    assert (dataset.name, dataset.inputs.dtype, dataset.value_range) == ("small", np.uint8, (0, 255))
    np.testing.assert_array_equal(dataset.inputs, IMAGES[..., None])
    np.testing.assert_array_equal(dataset.labels, LABELS)
    np.testing.assert_array_equal(dataset.test_rows, np.arange(14, 20))


@pytest.mark.parametrize(
    ("replaced", "mentioned"),
    [
        pytest.param({"t10k-labels-idx1-ubyte": None}, "t10k-labels-idx1-ubyte", id="missing"),
        pytest.param({"train-labels-idx1-ubyte": idx_bytes(LABELS[:13])}, "14 images and", id="counts differ"),
        pytest.param({"t10k-images-idx3-ubyte": idx_bytes(IMAGES[14:, :4])}, "(4, 4)", id="sizes differ"),
        pytest.param({"train-images-idx3-ubyte": PARTS["train-labels-idx1-ubyte"]}, "rank 1", id="labels as images"),
        pytest.param({"train-labels-idx1-ubyte": idx_bytes(LABELS[:14], 0x0D)}, "float32", id="float labels"),
    ],
)
def test_mismatched_idx_files_are_rejected(tmp_path, replaced, mentioned):
    message = error_message(load_idx_folder, write_folder(tmp_path, replaced), "small")
    assert message.startswith(str(tmp_path))
    assert mentioned in message
