"""Runs claims one after the other, and keeps what came out: a kill loses one claim at most."""

import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np
from rich.console import Console

from aejax.config import DataConfig
from aejax.data.registry import load_dataset
from aejax.errors import InputError, require, require_known_names
from aejax.experiments.environment import command_line, describe_machine
from aejax.replication.assessment import Assessment, assess_numbers, assess_statement
from aejax.replication.claim import Claim, Evidence
from aejax.replication.context import ClaimContext
from aejax.replication.registry import CLAIMS
from aejax.report.replication import format_status, ledger_headline, render_ledger_page
from aejax.storage.atomic_io import read_json, to_jsonable, write_atomically, write_json

LEDGER_FILE, REPORT_FILE, RUNS_DIR = "ledger.json", "ledger.md", "runs"
Measurement = dict[str, Any]  # `per_seed` of a number, `evidence` of a statement; as JSON has them


def reproduce_claims(
    out: Path,
    console: Console,
    *,
    only: Sequence[str] = (),
    seeds: int | None = None,
    data_dir: Path | None = None,
    overwrite: bool = False,
    epochs: int | None = None,
    claims: Mapping[str, Claim] = CLAIMS,
) -> dict[str, Any]:
    """Run claims into `out`: `ledger.json` and `ledger.md`, written after each claim, and the runs behind them.

    A claim that the folder has a measurement of, by the same protocol and seeds, is judged anew and not run again. One
    that raises is entered as failed, and the others go on. What a claim needs and this machine lacks is entered as not
    run; an accelerator is not asked for where the claim is named in `only`.

    Args:
        out: the folder; entries of claims that are not in `only` stay as they are.
        console: where progress goes.
        only: names of claims; default: all.
        seeds: for every claim that draws anything; default: each claim's own number.
        data_dir: where MNIST is looked for, or downloaded to.
        overwrite: measure again what has been measured, with runs of their own.
        epochs: shorter trainings, for tests.
        claims: the registry.

    Raises:
        InputError: unknown names, no seeds, or a folder that cannot be used; nothing has been run.
    """
    require_known_names("--only", "claim", only, claims)
    require(seeds is None or seeds >= 1, f"--seeds {seeds}: expected at least 1")
    entries = _load_entries(out, claims)
    if overwrite:
        shutil.rmtree(out / RUNS_DIR, ignore_errors=True)
    lacks = make_requirement_checker(data_dir)
    for name in only or claims:
        claim = claims[name]
        own_seeds = claim.resolve_seeds(seeds)
        measured = None if overwrite else _matching_measurement(entries.get(name), claim, own_seeds)
        if measured is None:
            work = ClaimContext(
                runs_dir=out / RUNS_DIR, console=console, seeds=own_seeds, data_dir=data_dir, epochs=epochs
            )
            entries[name] = _run_claim(claim, work, lacks(claim, name in only))
        else:
            entries[name] |= describe_claim(claim, own_seeds) | _assess(claim, measured)
        ledger = _write_ledger(out, [entries[own] for own in claims if own in entries])
        console.print(f"{name}: {format_status(entries[name])}", highlight=False, soft_wrap=True)
    return ledger


def make_requirement_checker(data_dir: Path | None) -> Callable[[Claim, bool], str]:
    """A function that says what a claim needs and cannot have, or nothing; each need is looked into once."""
    found: dict[str, str] = {}

    def mnist() -> str:
        try:
            load_dataset(DataConfig(dataset="mnist", data_dir=data_dir))
        except InputError as error:
            return f"needs MNIST: {error}"
        return ""

    def accelerator() -> str:
        return "needs an accelerator, or hours: name it in --only" if jax.default_backend() == "cpu" else ""

    def lacks(claim: Claim, named: bool) -> str:
        for need, look in (("an accelerator", accelerator), ("MNIST", mnist)):
            if need not in claim.requirements or (need == "an accelerator" and named):
                continue
            if need not in found:
                found[need] = look()
            if found[need]:
                return found[need]
        return ""

    return lacks


def _run_claim(claim: Claim, context: ClaimContext, missing_requirement: str) -> dict[str, Any]:
    """A claim's entry. Whatever a claim raises is its own failure and not the ledger's."""
    entry = describe_claim(claim, context.seeds)
    if missing_requirement:
        return entry | _assessment_to_dict(Assessment("not run", missing_requirement))
    began = time.perf_counter()
    try:
        measured = measure_claim(claim, context)
    except Exception as error:
        reason = " ".join(str(error).split())
        return entry | _assessment_to_dict(Assessment("failed", f"{type(error).__name__}: {reason}"))
    made = {"seconds": time.perf_counter() - began, "machine": describe_machine(), "command": command_line()}
    versions = {name: version(name) for name in ("jax", "scikit-learn")}
    return entry | {"measured": measured, "made": made | {"versions": versions}} | _assess(claim, measured)


def measure_claim(claim: Claim, context: ClaimContext) -> Measurement:
    """Run a claim, as JSON values."""
    if claim.measure is not None:
        return to_jsonable({"per_seed": np.asarray(claim.measure(context), np.float64)})
    assert claim.gather_evidence is not None
    return to_jsonable({"evidence": [own._asdict() for own in claim.gather_evidence(context)]})


def _assess(claim: Claim, measurement: Measurement) -> dict[str, Any]:
    if "per_seed" in measurement:
        return _assessment_to_dict(assess_numbers(claim, np.array(measurement["per_seed"], np.float64)))
    return _assessment_to_dict(assess_statement(claim, [Evidence(**own) for own in measurement["evidence"]]))


def _assessment_to_dict(judgement: Assessment) -> dict[str, Any]:
    return to_jsonable(judgement._asdict())


def describe_claim(claim: Claim, seeds: int) -> dict[str, Any]:
    """What a ledger says of a claim before it is run."""
    return {
        "name": claim.name,
        "statement": claim.statement,
        "source": claim.source._asdict(),
        "protocol": claim.protocol,
        "how": claim.command,
        "unit": claim.unit,
        "printed": list(claim.printed_values),
        "tolerance": list(claim.tolerance),
        "demands": claim.criterion,
        "tolerance_reason": claim.tolerance_reason,
        "needs": list(claim.requirements),
        "cost": claim.cost,
        "seeds": seeds,
        "protocol_sha256": claim.protocol_digest(seeds),
    }


def _matching_measurement(entry: dict[str, Any] | None, claim: Claim, seeds: int) -> Measurement | None:
    """The measurement of an earlier entry, if it was by this protocol with these seeds."""
    if entry is None or entry.get("protocol_sha256") != claim.protocol_digest(seeds):
        return None
    return entry.get("measured")


def _load_entries(out: Path, claims: Mapping[str, Claim]) -> dict[str, dict[str, Any]]:
    """The entries of the ledger that a folder holds, by name.

    Raises:
        InputError: the folder cannot be made, or holds other files and no ledger.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out {out}: cannot be written ({error.strerror}); give another --out") from None
    if not (out / LEDGER_FILE).exists():
        others = {path.name for path in out.iterdir()} - {RUNS_DIR, REPORT_FILE}
        require(not others, f"{out}: holds other files and no ledger; give another --out")
        return {}
    ledger = read_json(out / LEDGER_FILE)
    known = isinstance(ledger, dict) and ledger.get("schema") == 1 and ledger.get("kind") == "ledger"
    require(known, f"{out / LEDGER_FILE}: is not what this version writes; move it away, or give another --out")
    return {entry["name"]: entry for entry in ledger["claims"] if entry["name"] in claims}


def _write_ledger(out: Path, entries: list[dict[str, Any]]) -> dict[str, Any]:
    ledger = to_jsonable({"schema": 1, "kind": "ledger", "claims": entries})
    ledger["headline"] = ledger_headline(ledger)
    write_atomically(out / REPORT_FILE, render_ledger_page(ledger).encode())
    write_json(out / LEDGER_FILE, ledger)
    return json.loads(json.dumps(ledger))
