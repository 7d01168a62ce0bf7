"""A ledger of published claims in Markdown and for a terminal: what was published, what was measured, the status."""

from collections.abc import Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from aejax.report.formatting import MISSING, format_number, format_provenance
from aejax.report.rendering import render_template
from aejax.report.tables import Cell, Column, Table, TerminalTable, to_markdown

LedgerEntry = dict[str, Any]

STATUS_STYLES = {"reproduced": "bold green", "not reproduced": "bold red", "not run": "dim", "failed": "bold yellow"}

# Criteria and roles as ledgers of version 0.1 name them.
OLD_VALUES = {"as well": "not worse", "beside": "context"}


def with_current_values(ledger: LedgerEntry) -> LedgerEntry:
    """Returns a ledger that may be of an older version with today's names of criteria and roles."""
    return {**ledger, "claims": [_with_current_values(entry) for entry in ledger["claims"]]}


def _with_current_values(entry: LedgerEntry) -> LedgerEntry:
    current = {**entry, "demands": OLD_VALUES.get(entry["demands"], entry["demands"])}
    if "evidence" in entry.get("measured", {}):
        evidence = [{**one, "role": OLD_VALUES.get(one["role"], one["role"])} for one in entry["measured"]["evidence"]]
        current["measured"] = {"evidence": evidence}
    return current


def ledger_headline(ledger: LedgerEntry) -> str:
    """Returns one sentence: `9 of 14 published numbers reproduced, 3 not; 2 of 4 statements in words borne out.`."""
    numbers, statements = _split_claims(ledger)
    parts = [_count_statuses(numbers, "published numbers", "reproduced")] if numbers else []
    if statements:
        explained = sum(entry["status"] == "reproduced" and bool(entry["caveat"]) for entry in statements)
        aside = f" (a control may explain {explained} of these)" if explained else ""
        parts.append(_count_statuses(statements, "statements in words", f"borne out{aside}"))
    return "; ".join(parts) + "."


def _split_claims(ledger: LedgerEntry) -> tuple[list[LedgerEntry], list[LedgerEntry]]:
    """Claims that print numbers, and statements in words."""
    claims = ledger["claims"]
    return [entry for entry in claims if entry["printed"]], [entry for entry in claims if not entry["printed"]]


def _count_statuses(entries: Sequence[LedgerEntry], plural: str, positive: str) -> str:
    count = {status: sum(entry["status"] == status for entry in entries) for status in STATUS_STYLES}
    what = plural.replace("numbers", "number").replace("statements", "statement") if len(entries) == 1 else plural
    parts = [f"{count['reproduced']} of {len(entries)} {what} {positive}"]
    parts += [f"{count['not reproduced']} not"] if count["not reproduced"] else []
    parts += [f"{count[status]} {status}" for status in ("not run", "failed") if count[status]]
    return ", ".join(parts)


def format_status(entry: LedgerEntry) -> str:
    """Returns `reproduced`, `not run (needs MNIST)`, `reproduced, but a control may explain it: ...`."""
    reason = f" ({entry['reason']})" if entry["reason"] else ""
    link = ", but " if entry["status"] == "reproduced" else "; "
    return f"{entry['status']}{reason}{link + entry['caveat'] if entry['caveat'] else ''}"


def format_measured(entry: LedgerEntry, *, claims_only: bool = False) -> str:
    """Returns mean and interval over seeds of each number, or the comparisons of a statement.

    Args:
        entry: of the ledger.
        claims_only: leave out the comparisons with controls and with other protocols.
    """
    measured = entry.get("measured", {})
    if "evidence" in measured:
        shown = [item for item in measured["evidence"] if item["role"] == "claim" or not claims_only]
        return "; ".join(format_evidence(item, entry["demands"]) for item in shown)
    pairs = zip(entry["mean"], entry["ci95"], strict=True)
    return " ".join(format_number(mean) + _format_interval(bounds) for mean, bounds in pairs) or MISSING


def format_evidence(evidence: LedgerEntry, required_verdict: str) -> str:
    """Returns `code minus raw: +2.94 [+0.85, +5.21] points, better`."""
    verdict, interval = evidence["verdict"], evidence["ci95"]
    if evidence["role"] == "claim" and required_verdict == "not worse" and interval is not None:
        verdict = f"{'not' if interval[0] > -evidence['margin'] else 'may be'} worse by {evidence['margin']:g}"
    mean = f"{evidence['mean']:+.3g}{_format_interval(interval, '+.3g')}"
    return f"{evidence['what']}: {mean} {evidence['unit']}, {verdict}"


def _format_interval(bounds: Sequence[float | None] | None, number_format: str = ".4g") -> str:
    if bounds is None or None in bounds:
        return ""
    return f" [{', '.join(f'{bound:{number_format}}' for bound in bounds)}]"


def _format_tolerance(entry: LedgerEntry) -> str:
    low, high = min(entry["tolerance"]), max(entry["tolerance"])
    return f"±{low:.2g}" if low == high else f"±{low:.2g} to {high:.2g}"


def _status_cell(entry: LedgerEntry) -> Cell:
    return Cell(format_status(entry), STATUS_STYLES[entry["status"]])


_CLAIM = Column("claim", lambda entry: entry["name"], "left")
_STATEMENT = Column("statement", lambda entry: entry["statement"], "left")
_PUBLISHED = Column("published", lambda entry: f"{' '.join(entry['printed'])} {entry['unit']}", "left")
_SEEDS = Column("seeds", lambda entry: str(entry["seeds"]))
_TOLERANCE = Column("tolerance", _format_tolerance, "left")
_STATUS = Column("status", _status_cell, "left")


def render_ledger_tables(ledger: LedgerEntry) -> str:
    """Returns the headline, the numbers, the statements and a caption as Markdown."""
    numbers, statements = _split_claims(ledger)
    mean, result = (Column(heading, format_measured, "left") for heading in ("here, mean [95 %]", "result"))
    return render_template(
        "ledger_tables.md.j2",
        headline=ledger_headline(ledger),
        numbers=numbers and to_markdown(Table((_CLAIM, _PUBLISHED, mean, _SEEDS, _TOLERANCE, _STATUS), numbers)),
        statements=statements and to_markdown(Table((_CLAIM, _STATEMENT, result, _SEEDS, _STATUS), statements)),
    ).rstrip("\n")


def render_ledger_page(ledger: LedgerEntry) -> str:
    """Returns `ledger.md`: the tables, then the source, protocol, command and tolerance of every claim."""
    claims = [
        {
            **entry,
            "criterion": f"Tolerance {_format_tolerance(entry)}"
            if entry["printed"]
            else f"Required verdict `{entry['demands']}`",
            "status_text": format_status(entry),
            "provenance": format_provenance(entry.get("made") or {}),
        }
        for entry in ledger["claims"]
    ]
    return render_template("ledger.md.j2", tables=render_ledger_tables(ledger), claims=claims)


def render_ledger_terminal(ledger: LedgerEntry) -> RenderableType:
    """Returns claim, published and measured values, and status for a terminal."""
    published = Column(
        "published",
        lambda entry: f"{' '.join(entry['printed'])}\n{entry['unit']}" if entry["printed"] else entry["statement"],
        "left",
    )
    measured = Column("here", lambda entry: format_measured(entry, claims_only=True), "left")
    table = TerminalTable(Table((_CLAIM, published, measured, _STATUS), ledger["claims"]))
    return Padding(Group(table, Text(), Text(ledger_headline(ledger), style="bold")), (1, 0))


def render_claim_list(claims: Sequence[LedgerEntry]) -> RenderableType:
    """Returns the claims that can be run, their cost and what they need, for a terminal."""
    cost = Column("two cores", lambda entry: entry["cost"], "left")
    needs = Column("needs", lambda entry: ", ".join(entry["needs"]), "left")
    return Padding(TerminalTable(Table((_CLAIM, _STATEMENT, _SEEDS, cost, needs), claims)), (1, 0))
