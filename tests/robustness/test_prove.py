"""The proof itself: small, and it must see what is broken."""

import multiprocessing
import time

import numpy as np
import pytest

from aejax.errors import InputError
from aejax.storage.atomic_io import write_json
from aejax.storage.pytree_io import load_tree, save_tree
from tests.robustness import interruptions as kills
from tests.robustness.file_corruption import corrupt_each_file, corruptions
from tests.robustness.interruptions import ReferenceRun, interrupt_runs, run_reference, send_sigkill, wait_for_exit
from tests.robustness.report import broken_promises, render_markdown
from tests.robustness.training_process import run_fingerprint


def test_a_killed_run_ends_as_one_that_was_left_alone(tmp_path):
    reference = run_reference("undercomplete", tmp_path / "alone")
    assert run_fingerprint(tmp_path / "alone") == reference.fingerprint
    tally = interrupt_runs([reference], tmp_path / "kills", send_sigkill, (-9,), min_interruptions=1, seed=1)
    assert tally.faults == ()
    assert tally.tried == tally.survived == tally.noticed >= 1


@pytest.mark.parametrize(
    ("statuses", "end", "fault"),
    [
        ([0], "another end", "vae: came to another end after 0"),
        ([75, 1], "end", "vae: ended with 1: it said nothing"),
        ([75, 75, 0], "end", None),
    ],
)
def test_a_run_that_answers_or_ends_otherwise_is_seen(tmp_path, monkeypatch, statuses, end, fault):
    left = iter(statuses)
    monkeypatch.setattr(kills, "start_training", lambda *_: None)
    monkeypatch.setattr(kills, "wait_for_exit", lambda *_: (next(left), "it said nothing"))
    monkeypatch.setattr(kills, "run_fingerprint", lambda _: {"results.json": end})
    (tmp_path / "run-0").mkdir()
    chain = kills._interrupt_until_finished(
        ReferenceRun("vae", {"results.json": "end"}, 1.0),
        tmp_path / "run-0",
        lambda *_: None,
        (75,),
        np.random.default_rng(0),
    )
    assert chain.tried == len(statuses) - (statuses[-1] == 0)
    assert (fault in chain.faults) if fault else chain.faults == ()


def test_a_fingerprint_sees_a_bit_of_every_part_and_no_clock(tmp_path):
    def finished(name, *, weight=1.0, loss=1.0, seconds=1.0, score=1.0):
        folder = tmp_path / name
        save_tree(folder / "checkpoint", {"x": np.full(3, weight, np.float32)})
        write_json(folder / "config.json", {"seeds": 1})
        write_json(folder / "results.json", {"environment": {"seconds": seconds, "command": name}, "loss": loss})
        (folder / "metrics.jsonl").write_text("{}\n")
        np.savez(folder / "scores.npz", correct=np.full(2, score))
        return run_fingerprint(folder)

    one, ulp = finished("one"), float(np.nextafter(np.float32(1), np.float32(2)))
    assert finished("later", seconds=2.0) == one
    for part, other in {"checkpoint x": "weight", "results.json": "loss", "scores.npz correct": "score"}.items():
        found = finished(other, **{other: ulp})
        assert {name for name in one if found[name] != one[name]} == {part}


def test_a_run_that_hangs_is_killed(monkeypatch, tmp_path):
    monkeypatch.setattr(kills, "RUN_TIMEOUT_SECONDS", 0.05)
    process = multiprocessing.get_context("forkserver").Process(target=time.sleep, args=(600,))
    process.start()
    assert wait_for_exit(process, tmp_path / "no.log") == (-9, "it said nothing")


@pytest.fixture
def folder(tmp_path):
    save_tree(tmp_path / "saved", {"x": np.ones(3)}, {"epoch": 1})
    return tmp_path / "saved"


def test_every_damage_is_noticed_by_a_reader_that_looks(folder):
    tally = corrupt_each_file(folder, ".", load_tree, np.random.default_rng(0))
    assert tally.tried == tally.noticed == tally.survived > 20
    assert tally.faults == ()


def test_a_reader_that_does_not_look_or_that_breaks_is_found_out(folder):
    def careless(path):
        return (path / "meta.json").exists()

    def brittle(path):
        if not (path / "meta.json").exists():
            raise KeyError("meta")

    def talkative(path):
        if not (path / "meta.json").exists():
            raise OSError("no such thing")
        if (path / "meta.json").read_bytes()[:1] != b"{":
            raise InputError("cut")

    rng = np.random.default_rng(0)
    assert all(
        "read as if nothing were wrong" in fault for fault in corrupt_each_file(folder, ".", careless, rng).faults
    )
    assert any("KeyError" in fault for fault in corrupt_each_file(folder, ".", brittle, rng).faults)
    tally = corrupt_each_file(folder, ".", talkative, rng)
    assert tally.noticed >= 1
    assert any("OSError" in fault for fault in tally.faults)


def test_damages_change_what_they_say():
    for what, content in corruptions(b"abcd", np.random.default_rng(0)):
        assert content != b"abcd", what
    assert [what for what, _ in corruptions(b"", np.random.default_rng(0))] == ["deleted", "grown"]


def test_the_page_says_what_was_not_run_and_what_was_broken():
    row = {"name": "kills", "promise": "p", "tried": 3, "survived": 2, "noticed": 3, "lost": 1, "seconds": 1.0}
    found = {
        "environment": {"command": "python tests/robustness/__main__.py", "machine": "a machine", "seconds": 2.0},
        "undisturbed_seconds": {"vae": 1.0},
        "faults": [{**row, "faults": ["vae: came to another end"]}, {"name": "disks", "promise": "q", "not_run": "no"}],
        "fuzzed": [
            {
                "reader": "npz",
                "inputs": 1000,
                "accepted": 1,
                "refused": 998,
                "crashed": 1,
                "slowest_seconds": 0.5,
                "faults": ["input 7: KeyError"],
                "strays": [],
            }
        ],
    }
    page = render_markdown(found)
    assert "| kills | p | 3 | 2 | 3 | 1 | 1 |" in page
    assert "| disks | not run: no |" in page
    assert broken_promises(found) == ["vae: came to another end", "npz: input 7: KeyError"]
    assert "- npz: input 7: KeyError" in page
    found["faults"][0]["faults"], found["fuzzed"][0]["faults"] = [], []
    assert "Every promise was kept." in render_markdown(found)
