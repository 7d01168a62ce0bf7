"""A ledger of published claims as Markdown and for a terminal: what was printed, what came out, what that says."""

from collections.abc import Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from aejax.report.comparison_table import format_markdown_table
from aejax.report.formatting import MISSING, format_seconds

LedgerEntry = dict[str, Any]

STATUS_STYLES = {"reproduced": "bold green", "not reproduced": "bold red", "not run": "dim", "failed": "bold yellow"}
NUMBER_HEADINGS = ("claim", "published", "here, mean [95 %]", "seeds", "tolerance", "status")
STATEMENT_HEADINGS = ("claim", "what is said", "what was found", "seeds", "status")


def ledger_headline(ledger: LedgerEntry) -> str:
    """One sentence: `9 of 14 published numbers reproduced, 3 not, 2 not run; 2 of 4 statements borne out, ...`."""
    numbers = [own for own in ledger["claims"] if own["printed"]]
    statements = [own for own in ledger["claims"] if not own["printed"]]
    parts = [_count_statuses(numbers, "published number", "reproduced")] if numbers else []
    if statements:
        explained = sum(own["status"] == "reproduced" and bool(own["caveat"]) for own in statements)
        aside = f" (a control may explain {explained} of these)" if explained else ""
        parts.append(_count_statuses(statements, "statement in words", f"borne out{aside}"))
    return "; ".join(parts) + "."


def _count_statuses(entries: Sequence[LedgerEntry], what: str, yes: str) -> str:
    count = {status: sum(own["status"] == status for own in entries) for status in STATUS_STYLES}
    plural = what if len(entries) == 1 else what.replace("number", "numbers").replace("statement", "statements")
    said = [f"{count['reproduced']} of {len(entries)} {plural} {yes}"]
    said += [f"{count['not reproduced']} not"] if count["not reproduced"] else []
    said += [f"{count[status]} {status}" for status in ("not run", "failed") if count[status]]
    return ", ".join(said)


def format_status(entry: LedgerEntry) -> str:
    """`reproduced`, `not run (needs MNIST)`, `reproduced, but the control may explain it: ...`."""
    reason = f" ({entry['reason']})" if entry["reason"] else ""
    link = ", but " if entry["status"] == "reproduced" else "; "
    return f"{entry['status']}{reason}{link + entry['caveat'] if entry['caveat'] else ''}"


def format_measured(entry: LedgerEntry, roles: Sequence[str] = ("claim", "control", "beside")) -> str:
    """Mean and interval over seeds of each number, or the comparisons of a statement that have these roles."""
    measured = entry.get("measured", {})
    if "evidence" in measured:
        return "; ".join(format_evidence(own, entry["demands"]) for own in measured["evidence"] if own["role"] in roles)
    pairs = zip(entry["mean"], entry["ci95"], strict=True)
    return " ".join(_format_number(mean) + _format_interval(bounds, "") for mean, bounds in pairs) or MISSING


def format_evidence(evidence: LedgerEntry, required_verdict: str) -> str:
    """`code less raw: +2.94 [+0.85, +5.21] points, better`."""
    said = evidence["verdict"]
    if evidence["role"] == "claim" and required_verdict == "as well" and evidence["ci95"] is not None:
        said = f"{'not' if evidence['ci95'][0] > -evidence['margin'] else 'may be'} worse by {evidence['margin']:g}"
    interval = _format_interval(evidence["ci95"], "+")
    return f"{evidence['what']}: {evidence['mean']:+.3g}{interval} {evidence['unit']}, {said}"


def _format_number(value: float | None) -> str:
    return MISSING if value is None else f"{value:.4g}"


def _format_interval(bounds: Sequence[float | None] | None, sign: str) -> str:
    if bounds is None or None in bounds:
        return ""
    digits = 3 if sign else 4
    return f" [{', '.join(f'{bound:{sign}.{digits}g}' for bound in bounds)}]"


def _format_tolerance(entry: LedgerEntry) -> str:
    low, high = min(entry["tolerance"]), max(entry["tolerance"])
    return f"±{low:.2g}" if low == high else f"±{low:.2g} to {high:.2g}"


def render_ledger_tables(ledger: LedgerEntry) -> str:
    """The headline, the numbers, and the statements, as Markdown."""
    parts = [ledger_headline(ledger)]
    numbers = [
        [
            own["name"],
            f"{' '.join(own['printed'])} {own['unit']}",
            format_measured(own),
            str(own["seeds"]),
            _format_tolerance(own),
            format_status(own),
        ]
        for own in ledger["claims"]
        if own["printed"]
    ]
    statements = [
        [own["name"], own["statement"], format_measured(own), str(own["seeds"]), format_status(own)]
        for own in ledger["claims"]
        if not own["printed"]
    ]
    parts += [format_markdown_table(NUMBER_HEADINGS, "lllrll", numbers)] if numbers else []
    parts += [format_markdown_table(STATEMENT_HEADINGS, "lllrl", statements)] if statements else []
    parts.append(
        "A number is reproduced if the mean over seeds is within its tolerance; the interval, Student's t over seeds, "
        "is shown and does not decide. A statement is borne out, `reproduced`, if every comparison that it makes shows "
        "what it says; where a control may explain that, the status says so."
    )
    return "\n\n".join(parts)


def render_ledger_page(ledger: LedgerEntry) -> str:
    """The whole of `ledger.md`: the tables, then every claim's source, protocol, command and tolerance."""
    return (
        "\n\n".join(
            ["# Published claims, run again", render_ledger_tables(ledger), *map(_claim_section, ledger["claims"])]
        )
        + "\n"
    )


def _claim_section(entry: LedgerEntry) -> str:
    source = entry["source"]
    title = f"[{source['title']}]({source['url']})" if source["url"] else source["title"]
    lines = [
        f"## {entry['name']}",
        f"{_as_sentence(entry['statement'])}",
        f"- Source: {title}; {source['place']}.",
        f"- Protocol: {entry['protocol']}.",
        f"- Run by: `{entry['how']}`; {entry['seeds']} {'seed' if entry['seeds'] == 1 else 'seeds'}.",
        f"- {_format_criterion(entry)}: {entry['tolerance_reason']}.",
        f"- Status: {format_status(entry)}.",
    ]
    if made := entry.get("made"):
        lines.append(f"- Made by `{made['command']}` on {made['machine']} in {format_seconds(made['seconds'])} s.")
    return "\n".join([*lines[:1], "", lines[1], "", *lines[2:]])


def _format_criterion(entry: LedgerEntry) -> str:
    return f"Tolerance {_format_tolerance(entry)}" if entry["printed"] else f"Has to show `{entry['demands']}`"


def _as_sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."


def render_ledger_terminal(ledger: LedgerEntry) -> RenderableType:
    """The same for a terminal: claim, published, ours, status."""
    table = _make_table("claim", "published", "here", "status")
    for own in ledger["claims"]:
        published = f"{' '.join(own['printed'])}\n{own['unit']}" if own["printed"] else own["statement"]
        status = Text(format_status(own), style=STATUS_STYLES[own["status"]])
        table.add_row(Text(own["name"]), Text(published), Text(format_measured(own, ("claim",))), status)
    return Padding(Group(table, Text(), Text(ledger_headline(ledger), style="bold")), (1, 0))


def render_claim_list(claims: Sequence[LedgerEntry]) -> RenderableType:
    """Claims that can be run: what is said, what they cost and need."""
    table = _make_table("claim", "what is said", "seeds", "two cores", "needs")
    for own in claims:
        table.add_row(
            *map(Text, (own["name"], own["statement"], str(own["seeds"]), own["cost"], ", ".join(own["needs"])))
        )
    return Padding(table, (1, 0))


def _make_table(*headings: str) -> Table:
    table = Table(box=SIMPLE_HEAD, header_style="bold", padding=(0, 1, 0, 0), show_edge=False, pad_edge=False)
    for heading in headings:
        table.add_column(heading, no_wrap=heading == "claim")
    return table
