"""Loading an encoder from an untrusted folder: damage, contradictions and exploits are errors that name the file."""

import json
import os
import pickle
import shutil

import jax
import numpy as np
import pytest
from orbax.checkpoint import v1 as ocp
from safetensors.numpy import load_file, save_file

from aejax.errors import InputError
from aejax.storage import pytree_io
from aejax.storage.manifest import CorruptedFileError, write_manifest
from aejax.storage.pretrained_encoder import load_encoder


@pytest.mark.parametrize("name", ["encoder.json", "orbax/manifest.json", "orbax/state/params.code.kernel/0.0"])
def test_a_flipped_bit_is_named(published, name):
    """`test_trees.py` damages every file in every way."""
    content = (published / name).read_bytes()
    (published / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(CorruptedFileError, match=name):
        load_encoder(published)


def edit_metadata(folder, **changes):
    """Changes fields of `encoder.json` and writes a manifest that matches."""
    values = json.loads((folder / "encoder.json").read_text())
    for path, value in changes.items():
        place = values
        *outer, last = path.split("__")
        for name in outer:
            place = place[name]
        place.pop(last) if value is ... else place.update({last: value})
    (folder / "encoder.json").write_text(json.dumps(values))
    write_manifest(folder)


def table(count=64, **changes):
    """Returns the table of `count` numbers of which the first column has these changes."""
    columns = [{"name": f"column {index}", "kind": "number"} for index in range(count)]
    return {"preprocessing__table": {"columns": [columns[0] | changes, *columns[1:]]}}


LIES = {
    "another schema": ({"schema": 2}, "schema: expected 1, found 2"),
    "a schema that is true": ({"schema": True}, "schema: expected 1, found True"),
    "an unknown kind": ({"kind": "undercompleat"}, "kind 'undercompleat' is not in this aejax's registry"),
    "another field": ({"hook": "os.system"}, "unknown field hook"),
    "a missing field": ({"dtype": ...}, "field dtype is missing"),
    "another dtype": ({"dtype": "object"}, "dtype: expected uint8 or float32, found object"),
    "another format": ({"formats": ["pickle"]}, "expected orbax or safetensors or stablehlo, found pickle"),
    "text for a number": ({"classes": "10"}, "classes: expected an integer, found 10"),
    "a layer too wide": ({"model__hidden": [2**40]}, r"encoder\.json.* at most 1048576"),
    "too many layers": ({"model__hidden": [1] * 65}, "65 entries; at most 64"),
    "an example too large": ({"shape": [2**13, 2**13]}, "of at most 16777216 numbers"),
    "a shape below zero": ({"shape": [-8, -8, 1]}, "expected sizes from 1"),
    "no shape": ({"shape": []}, "has no features"),
    "more than fits the memory": ({"model__hidden": [2**20, 2**20]}, r"its arrays take 4\.0 TiB, .* are free"),
    "another architecture": ({"model__hidden": [17]}, r"hidden.* the config makes it float32\[.*17"),
    "another depth": ({"model__hidden": [16, 16]}, "is missing"),
    "undecided": ({"model__latent_dim": None}, "encoder cannot be built from it"),
    "another width of the code": ({"code_width": 7}, "code_width 7, the model gives 6"),
    "more seeds than stacked": ({"seeds": [0, 1]}, "2 seeds that are not stacked"),
    "a seed twice": ({"seeds": [1, 1], "stacked": True}, "seeds must be distinct"),
    "no scaler": ({"preprocessing__shift": []}, "preprocessing needs 1 rows"),
    "a fill that the arrays lack": ({"preprocessing__fill": [[0.0] * 64]}, r"scaler\.fill is missing"),
    "a fill of another width": ({"preprocessing__fill": [[0.0]]}, "preprocessing.fill needs 1 rows of 64 numbers"),
    "offsets of another width": ({"preprocessing__offsets": [0.0] * 63}, "preprocessing.offsets needs 64 numbers"),
    "a table of another width": (table(63), "gives 63 numbers, the shape 64"),
    "a table of images": (table(64), r"preprocessing\.table: a row has shape \(d\), not \(8, 8, 1\)"),
    "two columns of one name": (table(64, name="column 1"), "two columns of one name"),
    "categories of a number": (table(64, categories=["a"]), "'column 0' needs distinct categories if it has any"),
    "a category twice": (table(64, kind="category", encoding="ordinal", categories=["a", "a"]), "distinct categories"),
    "other metrics": ({"metrics__epoch": [1, 2]}, "every metric needs 1 numbers"),
    "another sum": ({"arrays_sha256": "0" * 64}, "do not belong together"),
}


@pytest.mark.parametrize(("changes", "fault"), LIES.values(), ids=LIES)
def test_a_description_that_lies_is_refused_by_its_field(published, changes, fault):
    edit_metadata(published, **changes)
    with pytest.raises(InputError, match=fault):
        load_encoder(published)


@pytest.mark.parametrize(
    "text", ["[]", "{", "nothing", '{"schema": NaN}', "[" * 100_000, '{"schema": 1' + "0" * 5000 + "}"]
)
def test_a_description_that_is_no_object_of_json_is_refused(published, text):
    (published / "encoder.json").write_text(text)
    write_manifest(published)
    with pytest.raises(InputError, match=r"encoder\.json"):
        load_encoder(published)


def test_nothing_is_read_into_memory_before_its_shape_is_known_to_be_right(published, monkeypatch):
    """Arrays of another shape are rejected from the metadata of their format, before they are loaded."""
    monkeypatch.setattr(ocp, "load", lambda *_: pytest.fail("loaded"))
    edit_metadata(published, model__hidden=[17])
    for formats in (["orbax"], ["safetensors"]):
        edit_metadata(published, formats=formats)
        with pytest.raises(InputError, match="the config makes it"):
            load_encoder(published)


def test_a_manifest_that_names_a_file_outside_is_refused(published, tmp_path):
    (tmp_path / "outside").write_bytes(b"")
    values = json.loads((published / "manifest.json").read_text())
    values["files"]["../outside"] = {
        "bytes": 0,
        "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    }
    content = json.dumps(values, sort_keys=True, indent=1, ensure_ascii=True) + "\n"
    (published / "manifest.json").write_text(content)
    with pytest.raises(CorruptedFileError, match=r"\.\./outside is missing"):
        load_encoder(published)


TRAPS = {
    "a name that climbs": lambda arrays: {**arrays, "../../params.code.bias": np.zeros(6, np.float32)},
    "a type that no encoder has": lambda arrays: {**arrays, "params.code.bias": np.zeros(6, np.int64)},
}


@pytest.mark.parametrize("change", TRAPS.values(), ids=TRAPS)
def test_safetensors_with_another_array_are_refused(published, change):
    path = published / "encoder.safetensors"
    save_file(change(load_file(path)), path)
    edit_metadata(published, formats=["safetensors"])
    with pytest.raises(InputError, match=r"encoder\.safetensors: "):
        load_encoder(published)


def test_an_orbax_checkpoint_whose_names_climb_is_refused(published):
    metadata = published / "orbax" / "state" / "_METADATA"
    metadata.write_text(metadata.read_text().replace("bias", "../../../elsewhere"))
    shutil.copytree(published / "orbax" / "state" / "params.code.bias", published / "orbax" / "elsewhere")
    write_manifest(published / "orbax")
    edit_metadata(published)
    with pytest.raises(InputError, match="orbax: "):
        load_encoder(published)


def test_an_orbax_database_with_the_right_arrays_is_refused(published):
    """Its chunks may be compressed, and its records may lie anywhere in it."""
    inner = published / "orbax"
    tree, meta = ocp.load(inner), (inner / "meta.json").read_bytes()
    shutil.rmtree(inner)
    ocp.save(inner, tree)
    (inner / "meta.json").write_bytes(meta)
    write_manifest(inner)
    edit_metadata(published)
    with pytest.raises(InputError, match=r"is missing; the checkpoint|does not belong to a published encoder"):
        load_encoder(published)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("chunks", [2**40, 6]),
        ("compressor", {"id": "zstd", "level": 1}),
        ("filters", [{"id": "delta"}]),
        ("chunks", None),
        ("compressor", ...),
    ],
)
def test_an_array_that_would_grow_when_it_is_read_is_refused(published, field, value, monkeypatch):
    monkeypatch.setattr(ocp, "load", lambda *_: pytest.fail("loaded"))
    path = published / "orbax" / "state" / "params.code.kernel" / ".zarray"
    values = json.loads(path.read_text())
    assert field in values
    path.write_text(json.dumps({name: item for name, item in (values | {field: value}).items() if item is not ...}))
    write_manifest(published / "orbax")
    edit_metadata(published)
    with pytest.raises(
        CorruptedFileError, match=r"params\.code\.kernel: its array is not one uncompressed chunk|zarray: is damaged"
    ):
        load_encoder(published)


def test_an_array_with_more_bytes_than_its_shape_is_refused(published):
    path = published / "orbax" / "state" / "params.code.kernel" / "0.0"
    path.write_bytes(path.read_bytes() * 2)
    write_manifest(published / "orbax")
    edit_metadata(published)
    with pytest.raises(CorruptedFileError, match="not one uncompressed chunk"):
        load_encoder(published)


class Trap:
    """A pickle that creates a file when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("name", ["encoder.safetensors", "orbax/state/_METADATA", "encoder.json", "orbax/meta.json"])
def test_a_pickle_in_place_of_a_file_is_refused_and_not_run(published, tmp_path, name):
    assert (published / name).exists()
    (published / name).write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    write_manifest(published / "orbax")
    if name != "encoder.json":
        edit_metadata(published, formats=["safetensors" if name == "encoder.safetensors" else "orbax"])
    write_manifest(published)
    with pytest.raises(InputError):
        load_encoder(published)
    assert not (tmp_path / "sprung").exists()


def test_a_header_that_promises_more_than_the_file_holds_is_refused(published):
    path = published / "encoder.safetensors"
    path.write_bytes((2**62).to_bytes(8, "little") + path.read_bytes()[8:])
    edit_metadata(published, formats=["safetensors"])
    with pytest.raises(CorruptedFileError, match="cannot be read"):
        load_encoder(published)


def test_a_program_alone_is_not_opened(published):
    edit_metadata(published, formats=["stablehlo"])
    with pytest.raises(InputError, match=r"holds only a compiled program.*--formats orbax writes arrays"):
        load_encoder(published)


def test_the_arrays_are_read_from_whichever_format_there_is(published, raw):
    codes = load_encoder(published)(raw)
    edit_metadata(published, formats=["safetensors"])
    shutil.rmtree(published / "orbax")
    write_manifest(published)
    np.testing.assert_array_equal(load_encoder(published)(raw), codes)


def test_no_registered_kind_allocates_before_its_memory_is_refused(published, monkeypatch):
    """Shapes come from an abstract evaluation; any array on a device would be counted."""
    monkeypatch.setattr(pytree_io, "available_host_memory", lambda: 100)
    before = len(jax.live_arrays())
    with pytest.raises(InputError, match="100 B are free"):
        load_encoder(published)
    assert len(jax.live_arrays()) <= before


def test_folders_1200_deep_are_refused(published, monkeypatch):
    monkeypatch.chdir(published)
    for _ in range(1200):
        os.mkdir("d")
        os.chdir("d")
    monkeypatch.chdir(published)
    try:
        with pytest.raises(InputError, match="d/d is nested too deeply"):
            load_encoder(published)
    finally:  # shutil.rmtree cannot remove it
        for _ in range(1200):
            os.chdir("d")
        for _ in range(1200):
            os.chdir("..")
            os.rmdir("d")
