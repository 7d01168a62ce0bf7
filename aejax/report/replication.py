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

STATUS_STYLES = {
    "reproduced": "bold green",
    "not reproduced": "bold red",
    "uninformative": "bold yellow",
    "not run": "dim",
    "failed": "bold yellow",
    "measured": "",
}

# Criteria and roles as ledgers of version 0.1 name them.
OLD_VALUES = {"as well": "not worse", "beside": "context"}


def with_current_values(ledger: LedgerEntry) -> LedgerEntry:
    """Returns a ledger that may be of an older version with today's fields and names of criteria and roles."""
    return {**ledger, "claims": [_with_current_values(entry) for entry in ledger["claims"]]}


def _with_current_values(entry: LedgerEntry) -> LedgerEntry:
    current = {**entry, "demands": OLD_VALUES.get(entry["demands"], entry["demands"])}
    if "criterion_reason" not in entry:  # schema 1: every number had a tolerance
        pairs = zip(entry.get("mean", []), entry["tolerance"], strict=False)
        current |= {"role": "claim", "rule": "tolerance", "source_runs": 1, "max_half_width": []}
        current["criterion_reason"] = current.pop("tolerance_reason")
        current["accepted"] = [[mean - tolerance, mean + tolerance] for mean, tolerance in pairs]
    if "evidence" in entry.get("measured", {}):
        evidence = [{**one, "role": OLD_VALUES.get(one["role"], one["role"])} for one in entry["measured"]["evidence"]]
        current["measured"] = {"evidence": evidence}
    return current


def ledger_headline(ledger: LedgerEntry) -> str:
    """Returns one sentence: `9 of 14 published numbers reproduced (...), 3 not; 2 of 4 statements in words borne out.`.

    Claims from sources without an address and measurements of protocols are not counted.
    """
    parts = _split_claims(ledger)
    texts = []
    if numbers := parts["numbers"]:
        texts.append(_count_statuses(numbers, "published numbers", "reproduced (prediction interval of one run)"))
    if statements := parts["statements"]:
        explained = sum(
            entry["status"] == "reproduced" and "a control may explain" in entry["caveat"] for entry in statements
        )
        aside = f" (a control may explain {explained} of these)" if explained else ""
        texts.append(_count_statuses(statements, "statements in words", f"borne out{aside}"))
    return "; ".join(texts or ["No published claim"]) + "."


def _split_claims(ledger: LedgerEntry) -> dict[str, list[LedgerEntry]]:
    """Returns the claims of each of `SECTIONS`."""
    parts: dict[str, list[LedgerEntry]] = {name: [] for name in SECTIONS}
    for entry in ledger["claims"]:
        if entry["role"] == "protocol":
            parts["protocol"].append(entry)
        elif not entry["source"]["url"]:
            parts["unpublished"].append(entry)
        else:
            parts["numbers" if entry["printed"] else "statements"].append(entry)
    return parts


def _count_statuses(entries: Sequence[LedgerEntry], plural: str, positive: str) -> str:
    count = {status: sum(entry["status"] == status for entry in entries) for status in STATUS_STYLES}
    what = plural.replace("numbers", "number").replace("statements", "statement") if len(entries) == 1 else plural
    parts = [f"{count['reproduced']} of {len(entries)} {what} {positive}"]
    parts += [f"{count['not reproduced']} not"] if count["not reproduced"] else []
    parts += [f"{count[status]} {status}" for status in ("uninformative", "not run", "failed") if count[status]]
    return ", ".join(parts)


def format_status(entry: LedgerEntry) -> str:
    """Returns `reproduced`, `not run (needs MNIST)`, `reproduced, but a control may explain it: ...`."""
    reason = f" ({entry['reason']})" if entry["reason"] else ""
    link = ", but " if entry["status"] == "reproduced" else "; "
    return f"{entry['status']}{reason}{link + entry['caveat'] if entry['caveat'] else ''}"


def format_measured(entry: LedgerEntry, *, claims_only: bool = False) -> str:
    """Returns the mean of each number, or the comparisons of a statement.

    Args:
        entry: of the ledger.
        claims_only: leave out the comparisons with controls and with other protocols.
    """
    measured = entry.get("measured", {})
    if "evidence" in measured:
        shown = [item for item in measured["evidence"] if item["role"] == "claim" or not claims_only]
        return "; ".join(format_evidence(item, entry["demands"]) for item in shown)
    if entry["role"] == "protocol":
        pairs = zip(entry["mean"], entry["ci95"], strict=True)
        return " ".join(f"{mean:+.3g}{_format_interval(bounds, '+.3g')}" for mean, bounds in pairs) or MISSING
    return " ".join(map(format_number, entry["mean"])) or MISSING


def format_accepted(entry: LedgerEntry) -> str:
    """Returns the range in which each published number agrees: `[0.895, 0.9517]`; `exactly` if nothing is random."""
    if not entry.get("accepted"):
        return MISSING
    ranges = " ".join(_format_interval(bounds).strip() for bounds in entry["accepted"])
    return "exactly" if entry["rule"] == "exact" else ranges


def format_criterion(entry: LedgerEntry) -> str:
    """Returns the rule with its half-width and the greatest that is informative: `one run ±0.0284, at most ±0.0455`."""
    if entry["rule"] == "exact":
        return "every printed digit"
    half_widths = [(high - low) / 2 for low, high in entry.get("accepted") or () if None not in (low, high)]
    if entry["rule"] == "tolerance":
        return f"`about` {_format_widths(entry['tolerance'])}"
    runs = entry["source_runs"]
    source = "one run" if runs == 1 else f"mean of {runs} runs"
    shown = f"{source} {_format_widths(half_widths)}" if half_widths else source
    return f"{shown}, at most {_format_widths(entry['max_half_width'])}"


def _format_widths(widths: Sequence[float]) -> str:
    low, high = min(widths), max(widths)
    return f"±{low:.3g}" if low == high else f"±{low:.3g} to {high:.3g}"


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


def _published_cell(entry: LedgerEntry) -> str:
    return f"{' '.join(entry['printed'])} {entry['unit']}" if entry["printed"] else entry["statement"]


_CLAIM = Column("claim", lambda entry: entry["name"], "left")
_PUBLISHED = Column("published", _published_cell, "left")
_STATEMENT = Column("statement", lambda entry: entry["statement"], "left")
_SEEDS = Column("seeds", lambda entry: str(entry["seeds"]))
_STATUS = Column("status", lambda entry: Cell(format_status(entry), STATUS_STYLES[entry["status"]]), "left")
_NUMBER_COLUMNS: tuple[Column, ...] = (
    _CLAIM,
    _PUBLISHED,
    Column("here, mean", format_measured, "left"),
    Column("agrees from, to", format_accepted, "left"),
    Column("criterion, half-width", lambda entry: format_criterion(entry) if entry["printed"] else MISSING, "left"),
    _SEEDS,
    _STATUS,
)
_STATEMENT_COLUMNS = (_CLAIM, _STATEMENT, Column("result", format_measured, "left"), _SEEDS, _STATUS)
_PROTOCOL_COLUMNS = (
    _CLAIM,
    Column("fault", lambda entry: entry["statement"], "left"),
    Column("effect, mean [95 %]", lambda entry: f"{format_measured(entry)} {entry['unit']}", "left"),
    _SEEDS,
    _STATUS,
)
SECTIONS = {  # of claims by what they are: title on a terminal, and columns
    "numbers": ("Numbers", _NUMBER_COLUMNS),
    "statements": ("Statements", _STATEMENT_COLUMNS),
    "protocol": ("What faults of protocol buy", _PROTOCOL_COLUMNS),
    "unpublished": ("From sources without an address", _NUMBER_COLUMNS),
}


def render_ledger_page(ledger: LedgerEntry) -> str:
    """Returns `ledger.md`: headline and tables, then the source, protocol, command and criterion of every claim."""
    tables = {
        name: entries and to_markdown(Table(SECTIONS[name][1], entries))
        for name, entries in _split_claims(ledger).items()
    }
    claims = [
        {
            **entry,
            "criterion": _describe_criterion(entry),
            "status_text": format_status(entry),
            "provenance": format_provenance(entry.get("made") or {}),
        }
        for entry in ledger["claims"]
    ]
    return render_template("ledger.md.j2", headline=ledger_headline(ledger), **tables, claims=claims)


def _describe_criterion(entry: LedgerEntry) -> str:
    if entry["role"] == "protocol":
        return "No criterion"
    return f"Criterion: {format_criterion(entry)}" if entry["printed"] else f"Required verdict `{entry['demands']}`"


def render_ledger_terminal(ledger: LedgerEntry) -> RenderableType:
    """Returns claim, published and measured values, and status for a terminal, and the headline."""

    def measured(entry: LedgerEntry) -> str:
        accepted = f"\n{format_accepted(entry)}" if entry.get("accepted") and entry["rule"] != "exact" else ""
        return format_measured(entry, claims_only=True) + accepted

    columns = (_CLAIM, _PUBLISHED, Column("here", measured, "left"), _STATUS)
    lines: list[RenderableType] = []
    for name, entries in _split_claims(ledger).items():
        if entries:
            lines += [Text(SECTIONS[name][0], style="bold"), TerminalTable(Table(columns, entries)), Text()]
    return Padding(Group(*lines, Text(ledger_headline(ledger), style="bold")), (1, 0))


def render_claim_list(claims: Sequence[LedgerEntry]) -> RenderableType:
    """Returns the claims that can be run, their cost and what they need, for a terminal."""
    cost = Column("two cores", lambda entry: entry["cost"], "left")
    needs = Column("needs", lambda entry: ", ".join(entry["needs"]), "left")
    return Padding(TerminalTable(Table((_CLAIM, _STATEMENT, _SEEDS, cost, needs), claims)), (1, 0))
