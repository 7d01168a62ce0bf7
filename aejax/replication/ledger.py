"""The ledger: every claim, run one after the other and recorded, so that an interruption loses at most one."""

import functools
import importlib.util
import shutil
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
from jinja2 import TemplateError
from rich.console import Console

from aejax.config import DataConfig
from aejax.data.registry import load_dataset
from aejax.errors import InputError, require, require_known_names, summarize_error
from aejax.experiments.environment import command_line, describe_machine
from aejax.replication import (
    bad_protocols,
    digits_rbm,
    mnist1d,
    mnist_1998,
    mnist_autoencoders,
    mnist_classifiers,
    tabular,
    vime,
)
from aejax.replication.claim import Assessment, ComparativeClaim, NumericClaim, ProtocolEffect
from aejax.replication.context import ClaimContext
from aejax.report.replication import format_status, ledger_headline, render_ledger_page, with_current_values
from aejax.storage.atomic_io import read_json, to_jsonable, write_atomically, write_json
from aejax.storage.run_folder import acquire_lock, make_output_folder

Claim = NumericClaim | ComparativeClaim | ProtocolEffect
ALL_CLAIMS: tuple[Claim, ...] = (
    *tabular.CLAIMS,
    *digits_rbm.CLAIMS,
    *mnist1d.CLAIMS,
    *mnist_classifiers.CLAIMS,
    *mnist_1998.CLAIMS,
    *vime.CLAIMS,
    *mnist_autoencoders.CLAIMS,
    *bad_protocols.CLAIMS,
)
CLAIMS: dict[str, Claim] = {claim.name: claim for claim in ALL_CLAIMS}
LEDGER_FILE, REPORT_FILE, RUNS_DIR = "ledger.json", "ledger.md", "runs"
SCHEMA, READABLE_SCHEMAS = 2, (1, 2)


LedgerEntry = dict[str, Any]  # `describe_claim`, an assessment, and `measured` and `made` once it has been run


def reproduce_claims(
    out: Path,
    console: Console,
    *,
    only: Sequence[str] = (),
    seeds: int | None = None,
    data_dir: Path | None = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Runs claims; writes `ledger.json`, `ledger.md` (after each claim) and the runs behind them; returns the ledger.

    A measurement that the folder has of a claim, by the same protocol and seeds, is assessed again and not repeated. A
    claim that raises is recorded as failed, and the others go on. A claim whose requirement is missing is recorded as
    not run; a claim that is named in `only` does not require an accelerator.

    Args:
        out: the folder; entries of claims that are not in `only` are kept.
        console: for progress.
        only: names of claims; default: all.
        seeds: of every claim that is random; default: each claim's own number.
        data_dir: where MNIST is found, or downloaded to.
        overwrite: measure again, with new runs.

    Raises:
        InputError: unknown names, no seeds, or an unusable folder, or one that another process fills; nothing has been
            run.
    """
    require_known_names("--only", "claim", only, CLAIMS)
    require(seeds is None or seeds >= 1, f"--seeds {seeds}: expected at least 1")
    others = make_output_folder(out, (LEDGER_FILE, REPORT_FILE, RUNS_DIR))
    require((out / LEDGER_FILE).exists() or not others, f"{out}: holds other files and no ledger; give another --out")
    with acquire_lock(out):
        return _reproduce_claims(out, console, only, seeds, data_dir, overwrite=overwrite)


def _reproduce_claims(
    out: Path, console: Console, only: Sequence[str], seeds: int | None, data_dir: Path | None, *, overwrite: bool
) -> dict[str, Any]:
    entries = read_entries(out)
    if overwrite:
        shutil.rmtree(out / RUNS_DIR, ignore_errors=True)
    missing_mnist = functools.cache(lambda: _missing_mnist(data_dir))
    for name in only or CLAIMS:
        claim = CLAIMS[name]
        n_seeds = claim.resolve_seeds(seeds)
        earlier = entries.get(name, {})
        measured = earlier.get("measured")
        if overwrite or measured is None or earlier.get("protocol_sha256") != claim.protocol_digest(n_seeds):
            context = ClaimContext(runs_dir=out / RUNS_DIR, console=console, seeds=n_seeds, data_dir=data_dir)
            entries[name] = _run_claim(claim, context, _missing_requirement(claim, missing_mnist, named=name in only))
        else:
            kept = {"measured": measured, "made": earlier.get("made")}
            entries[name] = describe_claim(claim, n_seeds) | kept | _to_dict(claim.assess(measured))
        ledger = _write_ledger(out, [entries[known] for known in CLAIMS if known in entries])
        console.print(f"{name}: {format_status(entries[name])}", highlight=False, soft_wrap=True)
    return ledger


def _missing_requirement(claim: Claim, missing_mnist: Callable[[], str], *, named: bool) -> str:
    """Returns what a claim requires and this machine lacks; empty if nothing."""
    if claim.missing:
        return claim.missing
    if "an accelerator" in claim.requirements and not named and jax.default_backend() == "cpu":
        return "needs an accelerator, or hours: name it in --only"
    if "mnist1d" in claim.requirements and importlib.util.find_spec("mnist1d") is None:
        return "needs the package mnist1d: pip install 'aejax[mnist1d]'"
    return missing_mnist() if "MNIST" in claim.requirements else ""


def _missing_mnist(data_dir: Path | None) -> str:
    try:
        load_dataset(DataConfig(dataset="mnist", data_dir=data_dir))
    except InputError as error:
        return f"needs MNIST: {error}"
    return ""


def _run_claim(claim: Claim, context: ClaimContext, missing_requirement: str) -> LedgerEntry:
    """Returns a claim's entry; any error is recorded as its failure and does not stop the ledger."""
    entry = describe_claim(claim, context.seeds)
    if missing_requirement:
        return entry | _to_dict(Assessment("not run", missing_requirement))
    began = time.perf_counter()
    try:
        measured = claim.run(context)
    except Exception as error:  # of any library that a claim uses
        reason = " ".join(str(error).split())
        return entry | _to_dict(Assessment("failed", f"{type(error).__name__}: {reason}"))
    provenance = {
        "seconds": time.perf_counter() - began,
        "machine": describe_machine(),
        "command": command_line(),
        "versions": {name: version(name) for name in ("jax", "scikit-learn")},
    }
    return entry | {"measured": measured, "made": provenance} | _to_dict(claim.assess(measured))


def _to_dict(assessment: Assessment) -> dict[str, Any]:
    return to_jsonable(assessment._asdict())


def describe_claim(claim: Claim, seeds: int) -> LedgerEntry:
    """Returns the part of an entry that does not depend on a measurement."""
    return {
        "name": claim.name,
        "statement": claim.statement,
        "source": claim.source._asdict(),
        "protocol": claim.protocol,
        "how": claim.command,
        "unit": claim.unit,
        **claim.criterion_to_dict(),
        "criterion_reason": claim.criterion_reason,
        "needs": list(claim.requirements),
        "cost": claim.cost,
        "seeds": seeds,
        "protocol_sha256": claim.protocol_digest(seeds),
    }


def read_entries(out: Path) -> dict[str, LedgerEntry]:
    """Returns the entries of the ledger in a folder by name. Raises `InputError` if it is damaged."""
    if not (out / LEDGER_FILE).exists():
        return {}
    ledger = read_json(out / LEDGER_FILE)
    known = isinstance(ledger, dict) and ledger.get("schema") in READABLE_SCHEMAS and ledger.get("kind") == "ledger"
    require(known, f"{out / LEDGER_FILE}: is not what this version writes; move it away, or give another --out")
    try:
        entries = {entry["name"]: entry for entry in with_current_values(ledger)["claims"] if entry["name"] in CLAIMS}
        for name, entry in entries.items():
            if "measured" in entry:
                CLAIMS[name].assess(entry["measured"])
        render_ledger_page({"claims": list(entries.values())})
    except (AttributeError, LookupError, TypeError, ValueError, TemplateError) as error:
        raise InputError(
            f"{out / LEDGER_FILE}: is damaged ({summarize_error(error)}); move it away, or give another --out"
        ) from None
    return entries


def _write_ledger(out: Path, entries: list[LedgerEntry]) -> dict[str, Any]:
    ledger = to_jsonable({"schema": SCHEMA, "kind": "ledger", "claims": entries})
    ledger["headline"] = ledger_headline(ledger)
    write_atomically(out / REPORT_FILE, render_ledger_page(ledger).encode())
    write_json(out / LEDGER_FILE, ledger)
    return ledger
