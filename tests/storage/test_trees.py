"""Any tree is restored bit for bit, any changed file is detected, and a failed save leaves nothing."""

import json
import os
import shutil
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import jax
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from aejax.errors import InputError
from aejax.storage import pytree_io
from aejax.storage.manifest import CorruptedFileError, verify_manifest, write_manifest
from aejax.storage.pytree_io import from_state_dict, load_tree, save_tree, to_state_dict

NAMES = st.from_regex(r"[A-Za-z0-9_-]{1,8}", fullmatch=True)
DTYPES = st.sampled_from([np.float32, np.float64, np.float16, np.int32, np.uint8, np.int64, np.bool_, np.uint32])
ARRAYS = DTYPES.flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
)
TREES = st.recursive(ARRAYS, lambda inner: st.dictionaries(NAMES, inner, min_size=1, max_size=3), max_leaves=6)
NESTED = st.dictionaries(NAMES, TREES, max_size=3)
TREE = {"params": {"encoder": {"kernel": np.arange(6.0, dtype=np.float32).reshape(2, 3)}}, "step": np.asarray(3)}


def assert_identical(one, other):
    assert jax.tree.structure(one) == jax.tree.structure(other)
    for left, right in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        assert (left.dtype, left.shape) == (right.dtype, right.shape)
        assert left.tobytes() == right.tobytes()


@settings(max_examples=25, deadline=None, derandomize=True)
@given(tree=NESTED, meta=st.dictionaries(NAMES, st.integers() | st.text() | st.booleans() | st.none()))
def test_what_is_saved_is_loaded_bit_for_bit(tree, meta, tmp_path_factory):
    meta = {name: value for name, value in meta.items() if name != "schema"}
    folder = tmp_path_factory.mktemp("trees") / "saved"
    save_tree(folder, tree, meta)
    saved = load_tree(folder, tree)
    assert_identical(saved.tree, tree)
    assert saved.meta == meta


def test_a_pytree_of_any_classes_is_put_together_again():
    params = {"layer": {"kernel": np.ones((2, 3), np.float32)}}
    state = (optax.adam(1e-3).init(params), [params, None, {}], np.asarray(1, np.int32))
    again = from_state_dict(to_state_dict(state), jax.eval_shape(lambda: state), "here")
    assert_identical(again, jax.tree.map(np.asarray, state))


def test_arrays_are_not_copied_to_be_saved(tmp_path):
    tree = {name: np.ones((1024, 1024), np.float32) for name in ("first", "second")}
    save_tree(tmp_path / "first", TREE)  # imports
    tracemalloc.start()
    try:
        save_tree(tmp_path / "saved", tree)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < tree["first"].nbytes


@pytest.mark.parametrize("name", ["a.b", "../up", "a/b", "", " ", "ä"])
def test_a_name_that_could_mean_two_things_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match="names of saved arrays"):
        save_tree(tmp_path / "c", {name: np.ones(2)})


def damages(content: bytes):
    yield "deleted", None
    if content:
        yield "truncated", content[:-1]
        for place in {0, len(content) // 2, len(content) - 1}:
            yield f"flipped at {place}", content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
    yield "grown", content + b"\0"


def test_every_damage_to_every_file_is_noticed_and_named(tmp_path):
    save_tree(tmp_path / "whole", TREE, {"epoch": 3})
    files = [path for path in (tmp_path / "whole").rglob("*") if path.is_file()]
    assert len(files) >= 6
    for path in files:
        name = path.relative_to(tmp_path / "whole")
        for damage, content in damages(path.read_bytes()):
            shutil.rmtree(tmp_path / "copy", ignore_errors=True)
            shutil.copytree(tmp_path / "whole", tmp_path / "copy")
            if content is None:
                (tmp_path / "copy" / name).unlink()
            else:
                (tmp_path / "copy" / name).write_bytes(content)
            # A damaged manifest may be reported as damage of a file that it lists.
            named = "copy" if name.name == "manifest.json" else name.name
            with pytest.raises(CorruptedFileError, match=named) as refusal:
                load_tree(tmp_path / "copy")
            assert "\n" not in str(refusal.value), (name, damage)


def test_a_file_that_was_not_saved_with_it_is_noticed(tmp_path):
    save_tree(tmp_path / "c", TREE)
    (tmp_path / "c" / "state" / "more").touch()
    with pytest.raises(CorruptedFileError, match="state/more was not saved with it"):
        load_tree(tmp_path / "c")


def test_a_link_out_of_the_folder_is_never_followed(tmp_path):
    save_tree(tmp_path / "c", TREE)
    (tmp_path / "secret").write_bytes((tmp_path / "c" / "meta.json").read_bytes())
    (tmp_path / "c" / "meta.json").unlink()
    (tmp_path / "c" / "meta.json").symlink_to(tmp_path / "secret")
    with pytest.raises(CorruptedFileError, match=r"meta\.json is no regular file"):
        load_tree(tmp_path / "c")
    shutil.rmtree(tmp_path / "c" / "state")
    (tmp_path / "c" / "state").symlink_to(tmp_path)
    with pytest.raises(CorruptedFileError, match="is no regular file"):
        verify_manifest(tmp_path / "c")


def edit_metadata(folder, **changes):
    """Changes fields of `meta.json` and writes a manifest that matches."""
    meta = json.loads((folder / "meta.json").read_text()) | changes
    (folder / "meta.json").write_text(json.dumps(meta))
    (folder / "manifest.json").unlink()
    write_manifest(folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"schema": 3},
        {pytree_io.EMPTY_ARRAYS_KEY: {"x": ["float32", 10**15]}},
        {pytree_io.EMPTY_ARRAYS_KEY: {"x": ["object", 0]}},
        {pytree_io.EMPTY_ARRAYS_KEY: 3},
    ],
)
def test_words_of_another_schema_are_refused_or_without_effect(tmp_path, changes):
    save_tree(tmp_path / "c", TREE)
    edit_metadata(tmp_path / "c", **changes)
    try:
        loaded = load_tree(tmp_path / "c")
    except CorruptedFileError:
        return
    assert sum(leaf.nbytes for leaf in jax.tree.leaves(loaded.tree)) < 1000


def test_arrays_that_do_not_fit_the_memory_are_refused_before_they_are_read(tmp_path, monkeypatch):
    save_tree(tmp_path / "c", TREE)
    monkeypatch.setattr(pytree_io, "available_host_memory", lambda: 10)
    with pytest.raises(InputError, match="its arrays take 32 B, 10 B are free"):
        load_tree(tmp_path / "c")


def test_other_arrays_than_expected_are_refused_before_they_are_read(tmp_path, monkeypatch):
    from orbax.checkpoint import v1 as ocp

    save_tree(tmp_path / "c", TREE)
    monkeypatch.setattr(ocp, "load", lambda path: pytest.fail("read"))
    with pytest.raises(InputError, match=r"step is int64\[\], the config makes it int64\[1\]"):
        load_tree(tmp_path / "c", {**TREE, "step": np.ones(1, np.int64)})


@pytest.mark.parametrize("fault", ["Orbax", "manifest", "rename"])
def test_a_save_that_fails_leaves_nothing_and_says_why(tmp_path, monkeypatch, fault):
    import orbax.checkpoint as ocp

    def fail(*args, **kwargs):
        raise OSError(28, "No space left on device")

    place, name = {
        "Orbax": (ocp.CheckpointManager, "save"),
        "manifest": (pytree_io, "write_manifest"),
        "rename": (os, "rename"),
    }[fault]
    monkeypatch.setattr(place, name, fail)
    with pytest.raises(InputError, match=r"c: cannot be saved .*No space left on device"):
        save_tree(tmp_path / "c", TREE)
    assert list(tmp_path.iterdir()) == []


def test_a_save_never_replaces_another(tmp_path):
    save_tree(tmp_path / "c", TREE)
    with pytest.raises(InputError, match="exists already"):
        save_tree(tmp_path / "c", {"other": np.ones(1)})
    assert_identical(load_tree(tmp_path / "c").tree, TREE)


def test_two_threads_may_save_at_once(tmp_path):
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda number: save_tree(tmp_path / str(number), TREE), range(8)))
    for number in range(8):
        assert_identical(load_tree(tmp_path / str(number)).tree, TREE)


def test_a_folder_may_have_the_name_of_a_pattern(tmp_path):
    """Orbax looks for the files it has written by `glob`, and saved nothing where the path matched another name."""
    folder = tmp_path / "run[1]*" / "best"
    folder.parent.mkdir()
    save_tree(folder, TREE)
    assert_identical(load_tree(folder).tree, TREE)
