"""Bad input of every reader is rejected on one line, without allocating what it announces."""

import contextlib
import gzip
import os
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from loading import load, load_error

from aejax.data import memory, registry
from aejax.data.label_encoding import MAX_LABEL_LENGTH
from tests.robustness.reader_samples import (
    idx_samples,
    npy_bytes,
    npz_bytes,
    npz_samples,
    parquet_samples,
)

X = np.arange(36, dtype=np.float32).reshape(12, 3)
Y = np.arange(12) % 2
AVAILABLE = 1 << 20  # bytes of memory in these tests
LATIN = os.fsdecode(b"caf\xe9")


def header(text: str, values: bytes = b"") -> bytes:
    """An .npy file with any text as its header."""
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text) + 1) + text.encode() + b"\n" + values


def announced(descr: str, shape: str, values: bytes = b"") -> bytes:
    return header(f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}", values)


def npz(x: bytes | None = None, y: bytes | None = None):
    members = {"x": npy_bytes(X) if x is None else x, "y": npy_bytes(Y) if y is None else y}
    return "set.npz", lambda path: path.write_bytes(npz_bytes(members))


def duplicate_member(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", npy_bytes(X))
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("x.npy", npy_bytes(1 - X))


def text(content: str):
    return "set.csv", lambda path: path.write_text(content, encoding="utf-8")


def idx(name: str, content: bytes):
    """MNIST's four files with one of them replaced."""

    def write(folder: Path) -> None:
        folder.mkdir()
        idx_samples(folder)
        (folder / name).write_bytes(content)

    return "idx", write


def linked_out(folder: Path) -> None:
    folder.mkdir()
    idx_samples(folder)
    (folder / "t10k-labels-idx1-ubyte").rename(folder.parent / "elsewhere")
    (folder / "t10k-labels-idx1-ubyte").symlink_to(folder.parent / "elsewhere")


LABELS = "a,label\n" + "1,ant\n2,bee\n" * 4
IDX3 = "train-images-idx3-ubyte"
UNICODE = np.array([0x110000, 65] * 6, np.uint32).tobytes()
CASES = {
    "npz: bytes that are no array": (*npz(b"abc"), "not an intact .npz file"),
    "npz: a header of terabytes": (*npz(announced("'<f4'", f"({10**12}, 4)")), "announces"),
    "npz: a header beyond 64 bits": (*npz(announced("'<f4'", f"({10**30}, 4)")), "x is no .npy array"),
    "npz: nothing times a huge number": (*npz(announced("'<f4'", f"(0, {10**30})")), "not an intact .npz file"),
    "npz: a truth value for an axis": (*npz(announced("'<f4'", "(True, 4)", bytes(16))), "x is no .npy array"),
    "npz: negative axes": (*npz(announced("'<f4'", "(-10, -10)", bytes(400))), "x is no .npy array"),
    "npz: a hundred axes": (*npz(announced("'<f4'", f"({'1,' * 100})", bytes(4))), "not an intact .npz"),
    "npz: a header that Python warns of": (*npz(header("{'descr': 1if 1else 0}")), "not an intact .npz file"),
    "npz: a decompression bomb": (*npz(npy_bytes(np.zeros((12, AVAILABLE // 12), np.float32))), "memory has"),
    "npz: a name twice": ("set.npz", duplicate_member, "holds 'x' twice"),
    "npz: text that is no Unicode": (*npz(y=announced("'<U1'", "(12,)", UNICODE)), "label of row 0 is no Unicode"),
    "npz: a lone surrogate": (*npz(y=npy_bytes(np.array(["a", "\ud800"] * 6))), "label of row 1 is no Unicode"),
    "npz: records for inputs": (*npz(npy_bytes(np.zeros(12, "f4,i4"))), "dtype"),
    "csv: a label of 1001 characters": (
        *text(LABELS + f"1,{'x' * (MAX_LABEL_LENGTH + 1)}\n"),
        "line 10, column 'label' has a label of 1001",
    ),
    "csv: more text than memory": (*text("a" * (AVAILABLE + 1)), "memory has"),
    "csv: more numbers than memory": (*text(("0," * 30000 + "a\n") * 6), "memory has"),
    "csv: a pipe": ("set.csv", os.mkfifo, "a pipe or device"),
    "parquet: a device": ("set.parquet", lambda path: path.symlink_to("/dev/zero"), "a pipe or device"),
    "npz: a link to itself": ("set.npz", lambda path: path.symlink_to(path), "no such file"),
    "idx: 255 axes": (*idx(IDX3, b"\0\0\x08\xff" + b"\0\0\0\1" * 255 + b"x"), "00 00 08 ff"),
    "idx: nothing times huge numbers": (*idx(IDX3, b"\0\0\x08\x04" + bytes(4) + b"\xff" * 12), "more than fits"),
    "idx: a gzip bomb": (
        *idx(f"{IDX3}.gz", gzip.compress(b"\0\0\x08\x03" + struct.pack(">III", 2, 1024, 1024) + bytes(2 * AVAILABLE))),
        "memory has",
    ),
    "idx: a link out of the folder": ("idx", linked_out, "a link out of"),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_rejected_on_one_line_before_allocation(case, tmp_path, monkeypatch):
    name, write, mentioned = CASES[case]
    path = tmp_path / "set" / name
    path.parent.mkdir()
    write(path)
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.setattr(memory, "available_host_memory", lambda: AVAILABLE)
    monkeypatch.setattr(registry, "limit_to_available", contextlib.nullcontext)  # no thread starts within it
    message = load_error(path)
    assert mentioned in message
    assert name in message
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("dataset", "config", "mentioned"),
    [
        ("", {}, "names nothing"),
        ("~nobody-of-that-name/x.csv", {}, "no home is known for ~nobody-of-that-name"),
        ("mnist", {"data_dir": Path("~nobody-of-that-name")}, "no home is known"),
        ("x" * 5000 + ".csv", {}, "File name too long"),
        ("tabular", {"tabular_samples": 10**12}, "--tabular-samples 1000000000000"),
        ("wine", {"label_column": "hue"}, "--label-column hue: wine has no use"),
        ("wine\x1b[31m", {}, r"wine\x1b[31m: no such dataset"),
    ],
    ids=["empty", "home", "home of data", "long", "memory", "option", "unprintable"],
)
def test_unusable_names_are_rejected(dataset, config, mentioned):
    assert mentioned in load_error(dataset, **config)


def test_a_file_may_be_a_symlink_and_is_not_modified(tmp_path):
    (sample, *_) = npz_samples(tmp_path)
    (tmp_path / "real.npz").write_bytes(sample.content)
    (tmp_path / "link.npz").symlink_to(tmp_path / "real.npz")
    assert load(tmp_path / "link.npz").n_examples == 12
    assert (tmp_path / "link.npz").is_symlink()
    assert (tmp_path / "real.npz").read_bytes() == sample.content


@pytest.mark.parametrize("corpus", [npz_samples, parquet_samples])
def test_file_names_need_not_be_utf8(tmp_path, corpus):
    samples = corpus(tmp_path)
    path = tmp_path / f"{LATIN}{Path(samples[0].path).suffix}"
    path.write_bytes(samples[0].content)
    assert load(path).name == r"caf\udce9"


def test_python_2_arrays_are_read_without_warning(tmp_path):
    name, write = npz(announced("'<f4'", "(12L, 3L)", X.tobytes()))
    write(tmp_path / name)
    np.testing.assert_array_equal(load(tmp_path / name).inputs, X)


def test_fortran_order_and_byte_order_do_not_change_values(tmp_path):
    np.savez(tmp_path / "set.npz", x=np.asfortranarray(X.astype(">f8")), y=Y.astype(">i2"))
    dataset = load(tmp_path / "set.npz")
    np.testing.assert_array_equal(dataset.inputs, X)
    np.testing.assert_array_equal(dataset.labels, Y)
