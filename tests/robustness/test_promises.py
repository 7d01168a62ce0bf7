"""Every scenario on a small budget, and tests that the checks of the scenarios find what is broken."""

import multiprocessing
import time
from unittest import mock

import numpy as np
import pytest

from aejax.errors import InputError
from aejax.storage.atomic_io import write_json
from aejax.storage.pytree_io import save_tree
from aejax.storage.results_file import write_results
from tests.robustness import commands
from tests.robustness.commands import Exit, Reference, Running
from tests.robustness.damage import corrupt_each_file, corruptions
from tests.robustness.disturbances import SIGNAL_BURST, interrupt_until_done
from tests.robustness.fingerprints import run_fingerprint
from tests.robustness.report import broken_promises, render_markdown
from tests.robustness.scenarios import SCENARIOS, RobustnessBudget, Setup, run_scenario

SMALL = RobustnessBudget(
    kinds=("undercomplete",),
    kills=1,
    storms=1,
    rivals=1,
    command_kills=1,
    rounds=1,
    damaged_json=50,
    flags=20,
    minutes=0.5,
)


@pytest.fixture(scope="module")
def setup(tmp_path_factory):
    return Setup(SMALL, tmp_path_factory.mktemp("robustness"))


@pytest.mark.slow
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name[:40])
def test_a_run_keeps_its_promises(scenario, setup):
    row = run_scenario(scenario, setup)
    if "not_run" in row:
        pytest.skip(row["not_run"])
    assert row["faults"] == []
    assert row["tried"] == row["survived"] == row["noticed"] >= 1


@pytest.mark.parametrize(
    ("statuses", "result", "faults"),
    [
        ([0], "different", ["report: 0 interruptions: its results differ"]),
        ([75, 1], "expected", ["report: 1 interruptions: ended with Exit(status=1, message='no output')"]),
        ([75, 75, 0], "expected", []),
    ],
)
def test_a_wrong_exit_or_result_is_found(tmp_path, monkeypatch, statuses, result, faults):
    running = mock.MagicMock()
    running.process.is_alive.return_value = False
    running.wait.side_effect = [Exit(status, "no output") for status in statuses]
    monkeypatch.setattr(commands, "start_words", lambda *_: running)
    (tmp_path / "run-0").write_text(result)
    reference = Reference("report", tmp_path / "whole", b"expected", seconds=1.0, writes=1)
    outcomes = interrupt_until_done(0, reference, SIGNAL_BURST, seed=0)
    assert [one.fault for one in outcomes if not (one.survived and one.noticed)] == faults
    assert len(outcomes) == len(faults or statuses[:-1])


def test_a_fingerprint_depends_on_every_bit_but_not_on_time(tmp_path):
    def fingerprint(name, *, weight=1.0, loss=1.0, seconds=1.0, score=1.0):
        folder = tmp_path / name
        save_tree(folder / "checkpoint", {"x": np.full(3, weight, np.float32)})
        write_json(folder / "config.json", {"seeds": 1})
        write_results(
            folder / "results.json",
            {"kind": "nothing", "environment": {"seconds": seconds, "command": name}, "loss": loss},
        )
        (folder / "metrics.jsonl").write_text("{}\n")
        np.savez(folder / "scores.npz", correct=np.full(2, score))
        return run_fingerprint(folder)

    reference, next_float = fingerprint("one"), float(np.nextafter(np.float32(1), np.float32(2)))
    assert fingerprint("later", seconds=2.0) == reference
    for part, field in {"checkpoint x": "weight", "results.json": "loss", "scores.npz correct": "score"}.items():
        other = fingerprint(field, **{field: next_float})
        assert {name for name in reference if other[name] != reference[name]} == {part}


@pytest.mark.slow
def test_a_hanging_run_is_killed(tmp_path):
    process = multiprocessing.get_context("forkserver").Process(target=time.sleep, args=(600,))
    process.start()
    assert Running(process, tmp_path / "no.log").wait(seconds=0.05) == (-9, "no output")


@pytest.fixture
def saved_tree(tmp_path):
    save_tree(tmp_path / "saved", {"x": np.ones(3)}, {"epoch": 1})
    return tmp_path / "saved"


def two_lines():
    error = InputError("first")
    error.args = ("first\nsecond",)
    return error


@pytest.mark.parametrize(
    ("raised", "fault"), [(None, "not noticed"), (KeyError("meta"), "KeyError"), (two_lines(), "more than one line")]
)
def test_a_reader_that_ignores_corruption_or_crashes_is_found(saved_tree, raised, fault):
    def read(path):
        if raised is not None and not (path / "meta.json").exists():
            raise raised

    outcomes = list(corrupt_each_file(saved_tree, ".", read))
    assert any(fault in one.fault and not one.noticed for one in outcomes)


def test_corruptions_change_the_content():
    rng = np.random.default_rng(0)
    assert b"abcd" not in corruptions(b"abcd", rng).values()
    assert list(corruptions(b"", rng)) == ["deleted", "grown"]


def test_the_page_reports_what_was_not_run_and_what_was_broken():
    row = {"name": "kills", "promise": "p", "tried": 3, "survived": 2, "noticed": 3, "lost": 1, "seconds": 1.0}
    reader = {"reader": "npz", "inputs": 1000, "accepted": 1, "refused": 998, "crashed": 1, "slowest_seconds": 0.5}
    results = {
        "environment": {"command": "python -m tests.robustness", "machine": "a machine"},
        "effort": {"kinds": ["vae"]},
        "faults": [{**row, "faults": ["vae: differs"]}, {"name": "disks", "promise": "q", "not_run": "no"}],
        "fuzzed": [{**reader, "faults": ["KeyError"], "strays": ["new.txt"]}],
    }
    page = render_markdown(results)
    assert "| kills | p | 3 | 2 | 3 | 1 | 1 |" in page
    assert "| disks | not run: no |" in page
    assert broken_promises(results) == ["vae: differs", "npz: KeyError", "npz: touched new.txt"]
    assert "- npz: KeyError" in page
    results["faults"][0]["faults"], results["fuzzed"][0] = [], {**reader, "faults": [], "strays": []}
    assert "Every promise was kept." in render_markdown(results)
