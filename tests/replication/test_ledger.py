"""A ledger resumes where it stopped, and a failing claim does not stop the others."""

import dataclasses
import io
import json

import numpy as np
import pytest
from rich.console import Console

from aejax.data import registry
from aejax.errors import InputError
from aejax.replication import ledger as ledger_module
from aejax.replication.claim import ComparativeClaim, Evidence, NumericClaim, ProtocolEffect, Source
from aejax.replication.ledger import reproduce_claims
from aejax.report.index import render_index
from aejax.report.replication import (
    format_status,
    ledger_headline,
    render_claim_list,
    render_ledger_page,
    render_ledger_terminal,
    with_current_values,
)
from aejax.storage.atomic_io import read_json, write_json
from tests.consoles import quiet

COMMON = {
    "statement": "it is a half",
    "source": Source("a | book", "page 1", "https://example.org"),
    "protocol": "take a half",
    "command": "half()",
    "unit": "halves",
    "criterion_reason": "printed to two digits",
    "seeds": 2,
    "cost": "seconds",
}


def numeric_claim(name, measure, **changes):
    claim = NumericClaim(name=name, **COMMON, printed_values=("0.50",), tolerance=(0.01,), measure=measure)
    return dataclasses.replace(claim, **changes)


def comparative_claim(name, verdict, control):
    evidence = [
        Evidence("code minus inputs", "claim", 2.0, [1.0, 3.0], "points", 0.5, verdict),
        Evidence("code minus untrained", "control", 0.1, [-1.0, 1.2], "points", 0.5, control),
    ]
    return ComparativeClaim(name=name, **COMMON, criterion="better", measure=lambda context: evidence)


class CountingMeasure:
    """A measurement that counts its calls."""

    def __init__(self, value):
        self.value, self.calls = value, 0

    def __call__(self, context):
        self.calls += 1
        return np.full((context.seeds, 1), self.value)


def spread_measure(context):
    return np.linspace(0.5, 0.51, context.seeds)[:, None]


def failing_measure(context):
    raise RuntimeError("the mill\nhas burnt down")


def reproduce(out, *claims, **flags):
    """Runs a ledger of these claims."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ledger_module, "CLAIMS", {claim.name: claim for claim in claims})
        return reproduce_claims(out, quiet(), **flags)


def statuses(ledger):
    return {entry["name"]: entry["status"] for entry in ledger["claims"]}


def test_a_claim_that_raises_is_recorded_and_the_others_run(tmp_path):
    ledger = reproduce(tmp_path, numeric_claim("a", failing_measure), numeric_claim("b", CountingMeasure(0.5)))
    assert statuses(ledger) == {"a": "failed", "b": "reproduced"}
    assert format_status(ledger["claims"][0]) == "failed (RuntimeError: the mill has burnt down)"


def test_a_measurement_is_reused_unless_it_is_overwritten(tmp_path):
    measure = CountingMeasure(0.5)
    claim = numeric_claim("half", measure)
    first = reproduce(tmp_path, claim)
    assert reproduce(tmp_path, claim) == first
    assert measure.calls == 1
    reproduce(tmp_path, claim, overwrite=True)
    assert measure.calls == 2


@pytest.mark.parametrize("changes", [{"protocol": "take the other half"}, {"seeds": 3}, {"command": "halve()"}])
def test_another_protocol_is_measured_again(tmp_path, changes):
    measure = CountingMeasure(0.5)
    reproduce(tmp_path, numeric_claim("half", measure))
    reproduce(tmp_path, numeric_claim("half", measure, **changes))
    assert measure.calls == 2


def test_another_tolerance_assesses_the_same_measurement_again(tmp_path):
    measure = CountingMeasure(0.505)
    assert statuses(reproduce(tmp_path, numeric_claim("near", measure))) == {"near": "reproduced"}
    strict = numeric_claim("near", measure, tolerance=(0.001,))
    assert statuses(reproduce(tmp_path, strict)) == {"near": "not reproduced"}
    assert measure.calls == 1


def test_a_ledger_of_version_0_1_opens_and_its_measurements_are_assessed_again(tmp_path):
    calls = []

    def gather(context):
        calls.append(context.seeds)
        return [
            Evidence("code minus inputs", "claim", 0.1, [-0.2, 0.4], "points", 0.5, "inconclusive"),
            Evidence("code minus inputs, elsewhere", "context", 0.1, [-1.0, 1.2], "points", 0.5, "inconclusive"),
        ]

    measure = CountingMeasure(0.5)
    words = ComparativeClaim(name="equal", **COMMON, criterion="not worse", measure=gather)
    claims = numeric_claim("half", measure), words
    ledger = reproduce(tmp_path, *claims)
    page, path = (tmp_path / "ledger.md").read_text(), tmp_path / "ledger.json"
    assert "not worse by 0.5" in page
    old = json.loads(path.read_text()) | {"schema": 1}
    for entry in old["claims"]:
        entry["tolerance_reason"] = entry.pop("criterion_reason")
        entry.setdefault("tolerance", [])
        for field in ("role", "rule", "source_runs", "max_half_width", "accepted"):
            entry.pop(field, None)
    text = json.dumps(old).replace('"demands": "not worse"', '"demands": "as well"').replace('"context"', '"beside"')
    path.write_text(text)
    assert render_ledger_page(with_current_values(json.loads(text))) == page
    assert reproduce(tmp_path, *claims) == ledger
    assert (calls, measure.calls) == ([2], 1)


def test_a_failed_claim_is_run_again(tmp_path):
    reproduce(tmp_path, numeric_claim("half", failing_measure))
    assert statuses(reproduce(tmp_path, numeric_claim("half", CountingMeasure(0.5)))) == {"half": "reproduced"}


def test_an_interruption_loses_only_the_claim_that_was_running(tmp_path):
    def interrupted(context):
        raise KeyboardInterrupt

    first, last = CountingMeasure(0.5), CountingMeasure(0.5)
    before, after = numeric_claim("first", first), numeric_claim("last", last)
    with pytest.raises(KeyboardInterrupt):
        reproduce(tmp_path, before, numeric_claim("second", interrupted), after)
    assert statuses(read_json(tmp_path / "ledger.json")) == {"first": "reproduced"}
    ledger = reproduce(tmp_path, before, numeric_claim("second", CountingMeasure(0.5)), after)
    assert set(statuses(ledger).values()) == {"reproduced"}
    assert (first.calls, last.calls) == (1, 1)


def test_only_runs_the_named_claims_and_keeps_the_other_entries(tmp_path):
    one, two = CountingMeasure(0.5), CountingMeasure(0.5)
    claims = numeric_claim("one", one), numeric_claim("two", two)
    reproduce(tmp_path, *claims, only=("two",))
    assert (one.calls, two.calls) == (0, 1)
    assert list(statuses(reproduce(tmp_path, *claims, only=("one",)))) == ["one", "two"]


def test_unknown_and_repeated_names_are_rejected_before_anything_runs(tmp_path):
    measure = CountingMeasure(0.5)
    claim, out = numeric_claim("tabular-half", measure), tmp_path / "out"
    with pytest.raises(InputError, match="--only tabular-halv: no such claim; did you mean tabular-half"):
        reproduce(out, claim, only=("tabular-half", "tabular-halv"))
    with pytest.raises(InputError, match="each claim once"):
        reproduce(out, claim, only=("tabular-half", "tabular-half"))
    assert measure.calls == 0
    assert not out.exists()


@pytest.mark.parametrize("name", ["ledger.md", "ledger.json"])
def test_a_process_killed_in_its_first_write_does_not_spoil_the_folder(tmp_path, name):
    left = tmp_path / f".{name}.{2**31 - 1}-7.tmp"  # a number that no process has
    left.touch()
    reproduce(tmp_path, numeric_claim("tabular-half", CountingMeasure(0.5)), only=("tabular-half",))
    assert not left.exists()


def test_a_folder_with_other_files_is_rejected(tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(InputError, match="holds other files and no ledger"):
        reproduce(tmp_path)
    (tmp_path / "ledger.json").write_text("{}")
    with pytest.raises(InputError, match="is not what this version writes"):
        reproduce(tmp_path)


def test_without_mnist_a_claim_is_not_run_and_the_reason_is_recorded(tmp_path, monkeypatch):
    def missing(config):
        raise InputError("MNIST cannot be prepared; point --data-dir at a folder with it")

    monkeypatch.setitem(registry.NAMED_DATASETS, "mnist", missing)
    measure = CountingMeasure(0.5)
    ledger = reproduce(tmp_path, numeric_claim("half", measure, requirements=("MNIST",)))
    assert measure.calls == 0
    assert format_status(ledger["claims"][0]).startswith("not run (needs MNIST: MNIST cannot be prepared; point --data")


def test_without_an_accelerator_a_claim_is_run_only_if_named(tmp_path):
    measure = CountingMeasure(0.5)
    claim = numeric_claim("half", measure, requirements=("an accelerator",))
    assert format_status(reproduce(tmp_path, claim)["claims"][0]).startswith("not run (needs an accelerator")
    assert measure.calls == 0
    assert statuses(reproduce(tmp_path, claim, only=("half",))) == {"half": "reproduced"}


def test_the_number_of_seeds_applies_to_random_claims(tmp_path):
    claims = numeric_claim("random", CountingMeasure(0.5)), numeric_claim("exact", CountingMeasure(0.5), seeds=1)
    ledger = reproduce(tmp_path, *claims, seeds=4)
    assert [len(entry["measured"]["per_seed"]) for entry in ledger["claims"]] == [4, 1]


def test_the_headline_counts_the_entries(tmp_path):
    ledger = reproduce(
        tmp_path,
        numeric_claim("a", CountingMeasure(0.5)),
        numeric_claim("b", CountingMeasure(0.9)),
        numeric_claim("c", CountingMeasure(0.5), requirements=("an accelerator",)),
        comparative_claim("d", "better", control="inconclusive"),
        comparative_claim("e", "better", control="better"),
        comparative_claim("f", "inconclusive", control="better"),
    )
    assert ledger_headline(ledger) == (
        "1 of 3 published numbers reproduced (prediction interval of one run), 1 not, 1 not run; "
        "2 of 3 statements in words borne out (a control may explain 1 of these), 1 not."
    )
    assert "a control may explain it: code minus untrained +0.1" in format_status(ledger["claims"][3])


def test_pages_and_terminal_show_every_claim_in_its_part(tmp_path):
    from_memory = {"source": Source("a tour", "its log", "")}
    effect = ProtocolEffect(**COMMON, name="leak", measure=lambda context: np.arange(1.0, 1 + context.seeds))
    ledger = reproduce(
        tmp_path / "published",
        numeric_claim("half", CountingMeasure(0.504)),
        numeric_claim("single", spread_measure, tolerance=(), max_half_width=(0.2,)),
        numeric_claim("wide", spread_measure, tolerance=(), max_half_width=(0.1,)),
        numeric_claim("remembered", CountingMeasure(0.504), **from_memory),
        comparative_claim("words", "better", control="better"),
        effect,
        numeric_claim("lost", failing_measure),
    )
    assert ledger["headline"] == (
        "2 of 4 published numbers reproduced (prediction interval of one run), 1 uninformative, 1 failed; "
        "1 of 1 statement in words borne out."
    )
    assert ledger["headline"] in render_index(tmp_path)
    page = (tmp_path / "published" / "ledger.md").read_text()
    half, single, wide = (
        "| half | 0.50 halves | 0.504 | [0.494, 0.514] | `about` ±0.01 | 2 | reproduced |",
        "| single | 0.50 halves | 0.505 | [0.39, 0.62] | one run ±0.115, at most ±0.2 | 2 | reproduced |",
        "| one run ±0.115, at most ±0.1 | 2 | uninformative (the interval is too wide to tell) |",
    )
    places = [
        page.index(text) for text in (half, single, wide, "| words |", "| leak |", "From memory", "| remembered |")
    ]
    assert places == sorted(places)
    assert "- Source: [a | book](https://example.org); page 1." in page
    assert "- Criterion: `about` ±0.01: printed to two digits." in page
    assert json.loads((tmp_path / "published" / "ledger.json").read_text()) == ledger
    for width in (80, 100):
        for table in (render_ledger_terminal(ledger), render_claim_list(ledger["claims"])):
            console = Console(file=io.StringIO(), width=width)
            console.print(table)
            text = console.file.getvalue()
            assert all(entry["name"] in text for entry in ledger["claims"])
            assert max(map(len, text.splitlines())) <= width


def test_a_second_process_in_a_folder_ends_and_loses_no_entry(tmp_path):
    def measure(context):
        with pytest.raises(InputError, match="is in use by process"):
            reproduce(tmp_path, numeric_claim("second", spread_measure))
        return spread_measure(context)

    assert list(statuses(reproduce(tmp_path, numeric_claim("first", measure)))) == ["first"]
    ledger = reproduce(tmp_path, numeric_claim("first", measure), numeric_claim("second", spread_measure))
    assert set(statuses(ledger)) == {"first", "second"}


@pytest.mark.parametrize("damage", [{"claims": None}, {"claims": [{}]}, {"claims": [3]}, {"claims": {"a": 1}}])
def test_a_damaged_ledger_is_named(tmp_path, damage):
    reproduce(tmp_path, numeric_claim("first", spread_measure))
    write_json(tmp_path / "ledger.json", read_json(tmp_path / "ledger.json") | damage)
    with pytest.raises(InputError, match=r"ledger\.json: is damaged.*move it away"):
        reproduce(tmp_path, numeric_claim("first", spread_measure))
