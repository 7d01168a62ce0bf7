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
from aejax.data.sources import load
from aejax.errors import InputError, require, require_known
from aejax.ledger.claim import Claim, Evidence
from aejax.ledger.judge import Judgement, judge_numbers, judge_statement
from aejax.ledger.registry import CLAIMS
from aejax.ledger.workplace import Workplace
from aejax.report.ledger import headline, ledger_page, status_words
from aejax.run.environment import command, machine
from aejax.store.files import plain, read_json, write_atomically, write_json

FOUND, PAGE, RUNS = "ledger.json", "ledger.md", "runs"
Measured = dict[str, Any]  # `per_seed` of a number, `evidence` of a statement; as JSON has them


def make_ledger(
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
    require_known("--only", "claim", only, claims)
    require(seeds is None or seeds >= 1, f"--seeds {seeds}: expected at least 1")
    entries = _earlier(out, claims)
    if overwrite:
        shutil.rmtree(out / RUNS, ignore_errors=True)
    lacks = make_lacks(data_dir)
    for name in only or claims:
        claim = claims[name]
        own_seeds = claim.seeds_for(seeds)
        measured = None if overwrite else _same(entries.get(name), claim, own_seeds)
        if measured is None:
            work = Workplace(folder=out / RUNS, console=console, seeds=own_seeds, data_dir=data_dir, epochs=epochs)
            entries[name] = _run(claim, work, lacks(claim, name in only))
        else:
            entries[name] |= describe_claim(claim, own_seeds) | _judged(claim, measured)
        ledger = _write(out, [entries[own] for own in claims if own in entries])
        console.print(f"{name}: {status_words(entries[name])}", highlight=False, soft_wrap=True)
    return ledger


def make_lacks(data_dir: Path | None) -> Callable[[Claim, bool], str]:
    """A function that says what a claim needs and cannot have, or nothing; each need is looked into once."""
    found: dict[str, str] = {}

    def mnist() -> str:
        try:
            load(DataConfig(dataset="mnist", data_dir=data_dir))
        except InputError as error:
            return f"needs MNIST: {error}"
        return ""

    def accelerator() -> str:
        return "needs an accelerator, or hours: name it in --only" if jax.default_backend() == "cpu" else ""

    def lacks(claim: Claim, named: bool) -> str:
        for need, look in (("an accelerator", accelerator), ("MNIST", mnist)):
            if need not in claim.needs or (need == "an accelerator" and named):
                continue
            if need not in found:
                found[need] = look()
            if found[need]:
                return found[need]
        return ""

    return lacks


def _run(claim: Claim, work: Workplace, lacking: str) -> dict[str, Any]:
    """A claim's entry. Whatever a claim raises is its own failure and not the ledger's."""
    entry = describe_claim(claim, work.seeds)
    if lacking:
        return entry | _entered(Judgement("not run", lacking))
    began = time.perf_counter()
    try:
        measured = measure(claim, work)
    except Exception as error:
        reason = " ".join(str(error).split())
        return entry | _entered(Judgement("failed", f"{type(error).__name__}: {reason}"))
    made = {"seconds": time.perf_counter() - began, "machine": machine(), "command": command()}
    versions = {name: version(name) for name in ("jax", "scikit-learn")}
    return entry | {"measured": measured, "made": made | {"versions": versions}} | _judged(claim, measured)


def measure(claim: Claim, work: Workplace) -> Measured:
    """Run a claim, as JSON values."""
    if claim.measure is not None:
        return plain({"per_seed": np.asarray(claim.measure(work), np.float64)})
    assert claim.weigh is not None
    return plain({"evidence": [own._asdict() for own in claim.weigh(work)]})


def _judged(claim: Claim, measured: Measured) -> dict[str, Any]:
    if "per_seed" in measured:
        return _entered(judge_numbers(claim, np.array(measured["per_seed"], np.float64)))
    return _entered(judge_statement(claim, [Evidence(**own) for own in measured["evidence"]]))


def _entered(judgement: Judgement) -> dict[str, Any]:
    return plain(judgement._asdict())


def describe_claim(claim: Claim, seeds: int) -> dict[str, Any]:
    """What a ledger says of a claim before it is run."""
    return {
        "name": claim.name,
        "statement": claim.statement,
        "source": claim.source._asdict(),
        "protocol": claim.protocol,
        "how": claim.command,
        "unit": claim.unit,
        "printed": list(claim.printed),
        "tolerance": list(claim.tolerance),
        "demands": claim.demands,
        "tolerance_reason": claim.reason,
        "needs": list(claim.needs),
        "cost": claim.cost,
        "seeds": seeds,
        "protocol_sha256": claim.digest(seeds),
    }


def _same(entry: dict[str, Any] | None, claim: Claim, seeds: int) -> Measured | None:
    """The measurement of an earlier entry, if it was by this protocol with these seeds."""
    if entry is None or entry.get("protocol_sha256") != claim.digest(seeds):
        return None
    return entry.get("measured")


def _earlier(out: Path, claims: Mapping[str, Claim]) -> dict[str, dict[str, Any]]:
    """The entries of the ledger that a folder holds, by name.

    Raises:
        InputError: the folder cannot be made, or holds other files and no ledger.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out {out}: cannot be written ({error.strerror}); give another --out") from None
    if not (out / FOUND).exists():
        others = {path.name for path in out.iterdir()} - {RUNS, PAGE}
        require(not others, f"{out}: holds other files and no ledger; give another --out")
        return {}
    ledger = read_json(out / FOUND)
    known = isinstance(ledger, dict) and ledger.get("schema") == 1 and ledger.get("kind") == "ledger"
    require(known, f"{out / FOUND}: is not what this version writes; move it away, or give another --out")
    return {entry["name"]: entry for entry in ledger["claims"] if entry["name"] in claims}


def _write(out: Path, entries: list[dict[str, Any]]) -> dict[str, Any]:
    ledger = plain({"schema": 1, "kind": "ledger", "claims": entries})
    ledger["headline"] = headline(ledger)
    write_atomically(out / PAGE, ledger_page(ledger).encode())
    write_json(out / FOUND, ledger)
    return json.loads(json.dumps(ledger))
