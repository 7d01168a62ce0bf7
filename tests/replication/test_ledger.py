"""A ledger goes on where it stopped, and one claim's trouble is not another's."""

import dataclasses
import io
import json

import numpy as np
import pytest
from rich.console import Console

from aejax.data import registry as sources
from aejax.errors import InputError
from aejax.replication.claim import Claim, Evidence, Source
from aejax.replication.ledger import reproduce_claims
from aejax.report.index import render_index
from aejax.report.replication import format_status, ledger_headline, render_claim_list, render_ledger_terminal
from aejax.storage.atomic_io import read_json


def quiet():
    return Console(file=io.StringIO(), width=100)


def claim_of(name, measure, **changes):
    claim = Claim(
        name=name,
        statement="it is a half",
        source=Source("a | book", "page 1", "https://example.org"),
        protocol="take a half",
        command="half()",
        unit="halves",
        printed_values=("0.50",),
        tolerance=(0.01,),
        tolerance_reason="printed to two digits",
        seeds=2,
        cost="seconds",
        measure=measure,
    )
    return dataclasses.replace(claim, **changes)


class Counted:
    """A measurement that says how often it was made."""

    def __init__(self, value):
        self.value, self.calls = value, 0

    def __call__(self, work):
        self.calls += 1
        return np.full((work.seeds, 1), self.value)


def broken(work):
    raise RuntimeError("the mill\nhas burnt down")


def by_name(*claims):
    return {claim.name: claim for claim in claims}


def statuses(ledger):
    return {entry["name"]: entry["status"] for entry in ledger["claims"]}


def test_a_claim_that_raises_is_reported_and_the_others_go_on(tmp_path):
    claims = by_name(claim_of("a", broken), claim_of("b", Counted(0.5)), claim_of("c", Counted(0.6)))
    ledger = reproduce_claims(tmp_path, quiet(), claims=claims)
    assert statuses(ledger) == {"a": "failed", "b": "reproduced", "c": "not reproduced"}
    assert format_status(ledger["claims"][0]) == "failed (RuntimeError: the mill has burnt down)"
    assert ledger["headline"] == "1 of 3 published numbers reproduced, 1 not, 1 failed."


def test_what_has_been_measured_is_not_measured_again_unless_asked(tmp_path):
    half = Counted(0.5)
    claims = by_name(claim_of("half", half))
    first = reproduce_claims(tmp_path, quiet(), claims=claims)
    assert reproduce_claims(tmp_path, quiet(), claims=claims) == first
    assert half.calls == 1
    reproduce_claims(tmp_path, quiet(), claims=claims, overwrite=True)
    assert half.calls == 2


@pytest.mark.parametrize("changes", [{"protocol": "take the other half"}, {"seeds": 3}, {"command": "halve()"}])
def test_another_protocol_is_measured_anew(tmp_path, changes):
    half = Counted(0.5)
    reproduce_claims(tmp_path, quiet(), claims=by_name(claim_of("half", half)))
    reproduce_claims(tmp_path, quiet(), claims=by_name(claim_of("half", half, **changes)))
    assert half.calls == 2


def test_another_tolerance_judges_the_same_measurement_anew(tmp_path):
    near = Counted(0.505)
    assert statuses(reproduce_claims(tmp_path, quiet(), claims=by_name(claim_of("near", near))))["near"] == "reproduced"
    strict = by_name(claim_of("near", near, tolerance=(0.001,)))
    assert statuses(reproduce_claims(tmp_path, quiet(), claims=strict))["near"] == "not reproduced"
    assert near.calls == 1


def test_what_failed_is_tried_again(tmp_path):
    reproduce_claims(tmp_path, quiet(), claims=by_name(claim_of("half", broken)))
    ledger = reproduce_claims(tmp_path, quiet(), claims=by_name(claim_of("half", Counted(0.5))))
    assert statuses(ledger) == {"half": "reproduced"}


def test_a_kill_loses_the_claim_that_was_running_and_no_other(tmp_path):
    def killed(work):
        raise KeyboardInterrupt

    done, last = Counted(0.5), Counted(0.5)
    claims = by_name(claim_of("done", done), claim_of("killed", killed), claim_of("last", last))
    with pytest.raises(KeyboardInterrupt):
        reproduce_claims(tmp_path, quiet(), claims=claims)
    assert statuses(read_json(tmp_path / "ledger.json")) == {"done": "reproduced"}
    claims["killed"] = claim_of("killed", Counted(0.5))
    assert set(statuses(reproduce_claims(tmp_path, quiet(), claims=claims)).values()) == {"reproduced"}
    assert (done.calls, last.calls) == (1, 1)


def test_only_runs_what_it_names_and_leaves_the_other_entries(tmp_path):
    one, two = Counted(0.5), Counted(0.5)
    claims = by_name(claim_of("one", one), claim_of("two", two))
    reproduce_claims(tmp_path, quiet(), only=("two",), claims=claims)
    assert (one.calls, two.calls) == (0, 1)
    ledger = reproduce_claims(tmp_path, quiet(), only=("one",), claims=claims)
    assert list(statuses(ledger)) == ["one", "two"]


def test_an_unknown_name_is_refused_with_the_near_ones_and_nothing_is_run(tmp_path):
    half = Counted(0.5)
    claims = by_name(claim_of("tabular-half", half))
    with pytest.raises(InputError, match="--only tabular-halv: no such claim; did you mean tabular-half"):
        reproduce_claims(tmp_path / "out", quiet(), only=("tabular-half", "tabular-halv"), claims=claims)
    with pytest.raises(InputError, match="each claim once"):
        reproduce_claims(tmp_path / "out", quiet(), only=("tabular-half", "tabular-half"), claims=claims)
    assert half.calls == 0
    assert not (tmp_path / "out").exists()


def test_a_folder_of_other_files_is_refused(tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(InputError, match="holds other files and no ledger"):
        reproduce_claims(tmp_path, quiet(), claims={})
    (tmp_path / "ledger.json").write_text("{}")
    with pytest.raises(InputError, match="is not what this version writes"):
        reproduce_claims(tmp_path, quiet(), claims={})


def test_without_mnist_a_claim_is_not_run_and_says_what_it_needs(tmp_path, monkeypatch):
    def absent(config):
        raise InputError("MNIST cannot be prepared; point --data-dir at a folder with it")

    monkeypatch.setitem(sources.NAMED_DATASETS, "mnist", absent)
    half = Counted(0.5)
    ledger = reproduce_claims(tmp_path, quiet(), claims=by_name(claim_of("half", half, requirements=("MNIST",))))
    assert half.calls == 0
    assert format_status(ledger["claims"][0]).startswith("not run (needs MNIST: MNIST cannot be prepared; point --data")


def test_without_an_accelerator_a_claim_is_run_only_by_name(tmp_path):
    half = Counted(0.5)
    claims = by_name(claim_of("half", half, requirements=("an accelerator",)))
    ledger = reproduce_claims(tmp_path, quiet(), claims=claims)
    assert format_status(ledger["claims"][0]).startswith("not run (needs an accelerator")
    assert half.calls == 0
    assert statuses(reproduce_claims(tmp_path, quiet(), only=("half",), claims=claims)) == {"half": "reproduced"}


def test_seeds_are_for_what_draws_anything(tmp_path):
    claims = by_name(claim_of("drawn", Counted(0.5)), claim_of("exact", Counted(0.5), seeds=1))
    ledger = reproduce_claims(tmp_path, quiet(), seeds=4, claims=claims)
    assert [len(entry["measured"]["per_seed"]) for entry in ledger["claims"]] == [4, 1]


def weighed(verdict, control):
    def weigh(work):
        return [
            Evidence("code less inputs", "claim", 2.0, [1.0, 3.0], "points", 0.5, verdict),
            Evidence("code less untrained", "control", 0.1, [-1.0, 1.2], "points", 0.5, control),
        ]

    return weigh


def test_the_headline_counts_what_is_in_the_ledger(tmp_path):
    claims = by_name(
        claim_of("a", Counted(0.5)),
        claim_of("b", Counted(0.9)),
        claim_of("c", Counted(0.5), requirements=("an accelerator",)),
        *(
            claim_of(name, None, printed_values=(), tolerance=(), criterion="better", gather_evidence=weighed(*verdicts))
            for name, verdicts in (
                ("d", ("better", "inconclusive")),
                ("e", ("better", "better")),
                ("f", ("inconclusive", "better")),
            )
        ),
    )
    ledger = reproduce_claims(tmp_path, quiet(), claims=claims)
    assert ledger_headline(ledger) == (
        "1 of 3 published numbers reproduced, 1 not, 1 not run; "
        "2 of 3 statements in words borne out (a control may explain 1 of these), 1 not."
    )
    assert "a control may explain it: code less untrained +0.1" in format_status(ledger["claims"][3])


def test_the_results_page_has_the_ledgers_tables_from_its_json(tmp_path):
    claims = by_name(claim_of("half", Counted(0.504)), claim_of("lost", broken))
    ledger = reproduce_claims(tmp_path / "published", quiet(), claims=claims)
    page = render_index(tmp_path)
    section = page.split("## published")[1]
    assert ledger["headline"] in section
    assert "| half | 0.50 halves | 0.504 [0.504, 0.504] | 2 | ±0.01 | reproduced |" in section
    assert "(published/ledger.md)" in section
    written = (tmp_path / "published" / "ledger.md").read_text()
    assert "- Source: [a | book](https://example.org); page 1." in written
    assert "- Tolerance ±0.01: printed to two digits." in written
    assert json.loads((tmp_path / "published" / "ledger.json").read_text()) == ledger


def test_the_terminal_shows_every_claim_in_a_hundred_columns(tmp_path):
    claims = by_name(claim_of("half", Counted(0.5)), claim_of("lost", broken))
    ledger = reproduce_claims(tmp_path, quiet(), claims=claims)
    for shown in (render_ledger_terminal(ledger), render_claim_list(ledger["claims"])):
        console = quiet()
        console.print(shown)
        text = console.file.getvalue()
        assert "half" in text
        assert "lost" in text
        assert max(map(len, text.splitlines())) <= 100
