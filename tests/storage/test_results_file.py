"""Results are read as they were written, or rejected with one line that names the file and the field."""

import contextlib
import json
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aejax.config import CompareConfig, from_dict, to_dict
from aejax.errors import InputError
from aejax.storage.atomic_io import read_json, write_json
from aejax.storage.encoder_metadata import read_metadata
from aejax.storage.results_file import CHECKSUM_KEY, read_results, write_results
from aejax.storage.run_folder import read_state_record
from aejax.storage.run_identity import RunIdentity
from aejax.storage.runs import Run, load_finished_results, open_run
from tests.robustness.damage import DAMAGES, NAMES, damage_value, json_paths, saved_results, use_results


@pytest.mark.parametrize("name", NAMES)
def test_results_read_back_as_they_were_written(name, tmp_path):
    results = read_results(saved_results(name))
    write_results(tmp_path / "results.json", results)
    assert read_results(tmp_path / "results.json") == results
    assert CHECKSUM_KEY not in results


def test_every_changed_digit_or_verdict_is_noticed_and_another_layout_is_not(tmp_path):
    path = tmp_path / "results.json"
    write_results(path, read_results(saved_results("digits")))
    written = path.read_text()
    path.write_text(json.dumps(json.loads(written), sort_keys=True, indent=4))
    read_results(path)
    digits = [index for index, mark in enumerate(written) if mark.isdigit()][::500]
    others = ["6" if written[index] == "5" else "5" for index in digits]
    changed = [written[:index] + other + written[index + 1 :] for index, other in zip(digits, others, strict=True)]
    for content in (*changed, written.replace('"not worse"', '"better"', 1)):
        path.write_text(content)
        if json.loads(content) == json.loads(written):
            continue  # beyond the precision of a number
        with pytest.raises(InputError, match=r"results.json: .*--overwrite") as error:
            read_results(path)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("method", [3, None])
def test_a_sweep_of_a_method_that_is_no_text_is_rejected(method, tmp_path):
    results = read_results(saved_results("sweep-tabular"))
    write_results(tmp_path / "results.json", results | {"config": results["config"] | {"method": method}})
    with pytest.raises(InputError, match=rf"results.json: config: method: expected a text, found {method};"):
        read_results(tmp_path / "results.json")


def test_a_run_that_has_not_finished_is_named_as_such(tmp_path):
    with open_run(tmp_path / "run", RunIdentity({})) as run:
        for state in ("running", "interrupted", "failed"):
            run.set_state(state)
            with pytest.raises(InputError, match=rf"run: the run is not finished \({state}\)"):
                read_results(tmp_path / "run" / "results.json")


def check(original, path, read, data):
    """Damages a file; it is read, or rejected with one line that names it."""
    where = data.draw(st.sampled_from([path for path in json_paths(original) if path]))
    write_json(path, damage_value(original, where, data.draw(st.sampled_from(DAMAGES))))
    problem = f"{path.parent} without a problem"
    try:
        read()
    except InputError as error:
        problem = str(error)
    assert str(path.parent) in problem
    assert "\n" not in problem


thorough = settings(
    max_examples=8, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.mark.parametrize("name", NAMES)
@thorough
@given(data=st.data())
def test_damaged_results_are_rendered_or_rejected(name, tmp_path, data):
    path = tmp_path / "results.json"
    check(read_json(saved_results(name)), path, lambda: use_results(read_results(path)), data)


@thorough
@given(data=st.data())
def test_a_damaged_run_state_is_read_or_rejected(tmp_path, data):
    identity, folder = RunIdentity({"seeds": 1}, {"data": "0" * 64}), tmp_path / "run"
    shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(KeyboardInterrupt), open_run(folder, identity, attempt_info={"versions": {"jax": "1"}}):
        raise KeyboardInterrupt
    path = folder / "run.json"

    def read():
        read_state_record(folder)
        assert load_finished_results(folder, identity, overwrite=False) is None
        with open_run(folder, identity, attempt_info={"versions": {"jax": "1"}}) as run:
            assert isinstance(run, Run)
            assert run.seconds >= 0

    check(read_json(path), path, read, data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)


@pytest.mark.parametrize("section", [*to_dict(CompareConfig())])
@settings(max_examples=20, deadline=None, derandomize=True)
@given(value=JSON)
def test_a_damaged_config_is_read_or_rejected(section, value):
    message = ""
    try:
        config = from_dict(CompareConfig, {**to_dict(CompareConfig()), section: value})
    except InputError as error:
        message = str(error)
    else:
        assert from_dict(CompareConfig, to_dict(config)) == config
    assert "\n" not in message


@thorough
@given(data=st.data())
def test_damaged_metadata_of_an_encoder_are_read_or_rejected(published, data):
    path = published / "encoder.json"
    content = path.read_bytes()
    try:
        check(json.loads(content), path, lambda: read_metadata(published), data)
    finally:
        path.write_bytes(content)
