"""A ledger of published claims as Markdown and for a terminal: what was printed, what came out, what that says."""

from collections.abc import Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from aejax.report.table import markdown_rows
from aejax.report.wording import MISSING, duration

Entry = dict[str, Any]

STYLES = {"reproduced": "bold green", "not reproduced": "bold red", "not run": "dim", "failed": "bold yellow"}
NUMBERS = ("claim", "published", "here, mean [95 %]", "seeds", "tolerance", "status")
STATEMENTS = ("claim", "what is said", "what was found", "seeds", "status")


def headline(ledger: Entry) -> str:
    """One sentence: `9 of 14 published numbers reproduced, 3 not, 2 not run; 2 of 4 statements borne out, ...`."""
    numbers = [own for own in ledger["claims"] if own["printed"]]
    statements = [own for own in ledger["claims"] if not own["printed"]]
    parts = [_count(numbers, "published number", "reproduced")] if numbers else []
    if statements:
        explained = sum(own["status"] == "reproduced" and bool(own["caveat"]) for own in statements)
        aside = f" (a control may explain {explained} of these)" if explained else ""
        parts.append(_count(statements, "statement in words", f"borne out{aside}"))
    return "; ".join(parts) + "."


def _count(entries: Sequence[Entry], what: str, yes: str) -> str:
    count = {status: sum(own["status"] == status for own in entries) for status in STYLES}
    plural = what if len(entries) == 1 else what.replace("number", "numbers").replace("statement", "statements")
    said = [f"{count['reproduced']} of {len(entries)} {plural} {yes}"]
    said += [f"{count['not reproduced']} not"] if count["not reproduced"] else []
    said += [f"{count[status]} {status}" for status in ("not run", "failed") if count[status]]
    return ", ".join(said)


def status_words(entry: Entry) -> str:
    """`reproduced`, `not run (needs MNIST)`, `reproduced, but the control may explain it: ...`."""
    reason = f" ({entry['reason']})" if entry["reason"] else ""
    link = ", but " if entry["status"] == "reproduced" else "; "
    return f"{entry['status']}{reason}{link + entry['caveat'] if entry['caveat'] else ''}"


def ours(entry: Entry, roles: Sequence[str] = ("claim", "control", "beside")) -> str:
    """Mean and interval over seeds of each number, or the comparisons of a statement that have these roles."""
    measured = entry.get("measured", {})
    if "evidence" in measured:
        return "; ".join(evidence_words(own, entry["demands"]) for own in measured["evidence"] if own["role"] in roles)
    pairs = zip(entry["mean"], entry["ci95"], strict=True)
    return " ".join(_digits(mean) + _interval(bounds, "") for mean, bounds in pairs) or MISSING


def evidence_words(own: Entry, demands: str) -> str:
    """`code less raw: +2.94 [+0.85, +5.21] points, better`."""
    said = own["verdict"]
    if own["role"] == "claim" and demands == "as well" and own["ci95"] is not None:
        said = f"{'not' if own['ci95'][0] > -own['margin'] else 'may be'} worse by {own['margin']:g}"
    return f"{own['what']}: {own['mean']:+.3g}{_interval(own['ci95'], '+')} {own['unit']}, {said}"


def _digits(value: float | None) -> str:
    return MISSING if value is None else f"{value:.4g}"


def _interval(bounds: Sequence[float | None] | None, sign: str) -> str:
    if bounds is None or None in bounds:
        return ""
    digits = 3 if sign else 4
    return f" [{', '.join(f'{bound:{sign}.{digits}g}' for bound in bounds)}]"


def _tolerance(entry: Entry) -> str:
    low, high = min(entry["tolerance"]), max(entry["tolerance"])
    return f"±{low:.2g}" if low == high else f"±{low:.2g} to {high:.2g}"


def ledger_tables(ledger: Entry) -> str:
    """The headline, the numbers, and the statements, as Markdown."""
    parts = [headline(ledger)]
    numbers = [
        [
            own["name"],
            f"{' '.join(own['printed'])} {own['unit']}",
            ours(own),
            str(own["seeds"]),
            _tolerance(own),
            status_words(own),
        ]
        for own in ledger["claims"]
        if own["printed"]
    ]
    statements = [
        [own["name"], own["statement"], ours(own), str(own["seeds"]), status_words(own)]
        for own in ledger["claims"]
        if not own["printed"]
    ]
    parts += [markdown_rows(NUMBERS, "lllrll", numbers)] if numbers else []
    parts += [markdown_rows(STATEMENTS, "lllrl", statements)] if statements else []
    parts.append(
        "A number is reproduced if the mean over seeds is within its tolerance; the interval, Student's t over seeds, "
        "is shown and does not decide. A statement is borne out, `reproduced`, if every comparison that it makes shows "
        "what it says; where a control may explain that, the status says so."
    )
    return "\n\n".join(parts)


def ledger_page(ledger: Entry) -> str:
    """The whole of `ledger.md`: the tables, then every claim's source, protocol, command and tolerance."""
    return (
        "\n\n".join(["# Published claims, run again", ledger_tables(ledger), *map(_details, ledger["claims"])]) + "\n"
    )


def _details(entry: Entry) -> str:
    source = entry["source"]
    title = f"[{source['title']}]({source['url']})" if source["url"] else source["title"]
    lines = [
        f"## {entry['name']}",
        f"{_sentence(entry['statement'])}",
        f"- Source: {title}; {source['place']}.",
        f"- Protocol: {entry['protocol']}.",
        f"- Run by: `{entry['how']}`; {entry['seeds']} {'seed' if entry['seeds'] == 1 else 'seeds'}.",
        f"- {_rule(entry)}: {entry['tolerance_reason']}.",
        f"- Status: {status_words(entry)}.",
    ]
    if made := entry.get("made"):
        lines.append(f"- Made by `{made['command']}` on {made['machine']} in {duration(made['seconds'])} s.")
    return "\n".join([*lines[:1], "", lines[1], "", *lines[2:]])


def _rule(entry: Entry) -> str:
    return f"Tolerance {_tolerance(entry)}" if entry["printed"] else f"Has to show `{entry['demands']}`"


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."


def terminal_ledger(ledger: Entry) -> RenderableType:
    """The same for a terminal: claim, published, ours, status."""
    table = _table("claim", "published", "here", "status")
    for own in ledger["claims"]:
        published = f"{' '.join(own['printed'])}\n{own['unit']}" if own["printed"] else own["statement"]
        status = Text(status_words(own), style=STYLES[own["status"]])
        table.add_row(Text(own["name"]), Text(published), Text(ours(own, ("claim",))), status)
    return Padding(Group(table, Text(), Text(headline(ledger), style="bold")), (1, 0))


def terminal_list(claims: Sequence[Entry]) -> RenderableType:
    """Claims that can be run: what is said, what they cost and need."""
    table = _table("claim", "what is said", "seeds", "two cores", "needs")
    for own in claims:
        table.add_row(
            *map(Text, (own["name"], own["statement"], str(own["seeds"]), own["cost"], ", ".join(own["needs"])))
        )
    return Padding(table, (1, 0))


def _table(*headings: str) -> Table:
    table = Table(box=SIMPLE_HEAD, header_style="bold", padding=(0, 1, 0, 0), show_edge=False, pad_edge=False)
    for heading in headings:
        table.add_column(heading, no_wrap=heading == "claim")
    return table
