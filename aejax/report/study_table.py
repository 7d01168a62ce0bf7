"""What is shown of a study over data sets: findings and tables in Markdown and for a terminal, and its page."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from aejax.evaluate.across_datasets import DECISION, MIN_DATASETS, MIN_DECISION_DATASETS, REGIONS
from aejax.report.data_line import escape_prose
from aejax.report.formatting import (
    MISSING,
    format_budget,
    format_decimals,
    format_difference,
    format_difference_ci,
    format_mean_ci,
    format_p_value,
    format_provenance,
)
from aejax.report.page.blocks import PAGE_FILE, PageTable, RunPage, Section, read_pictures
from aejax.report.results import Results, verdict_metric
from aejax.report.study_figures import STUDY_PICTURES
from aejax.report.tables import Cell, Column, LabelledText, Paragraph, Table, TerminalTable, to_markdown

QUESTION_CAPTION = (
    "Each row is over data sets; differences are in favour of the method; + better, = equivalent, - worse. Mean: of a "
    f"hierarchical normal model, with the 95 % interval of the mean over data sets of this kind; from {MIN_DATASETS} "
    "data sets. Verdicts: on how many data sets the method is better, equivalent and worse; the others are undecided. "
    "At least: how many data sets have an effect, with 95 % confidence (Dror et al. 2017). Signed rank: probabilities "
    "that most data sets favour the method, neither by more than the margin, or the baseline (Benavoli et al. 2017). "
    "Another: the same for the true difference on another data set. p: Wilcoxon's, adjusted by Holm over the question. "
    f"Decided: signed ranks and the hierarchical mean both give a region at least {DECISION:g}, with at least "
    f"{MIN_DECISION_DATASETS} data sets. All but the verdicts and p are about one row alone: of many rows, some err."
)
RANK_CAPTION = (
    "Mean ranks over data sets of the methods that all of them have, 1 is the best (Demsar 2006). Two methods differ "
    "at 5 % if their ranks differ by the critical difference (Nemenyi); p is that of Friedman's test."
)
CORRELATION_CAPTION = (
    "Spearman's correlations. Within: over the methods of a data set, mean over data sets. Across: over data sets, of "
    "what a method's row names with the method's gain over raw. Reconstruction within data sets is the negative mean "
    "squared error, across them the variance explained. Intervals are of each correlation alone."
)


def _regions(probabilities: Results | None) -> str:
    """Returns percentages, those of better first."""
    if probabilities is None:
        return MISSING
    return "/".join(f"{100 * probabilities[name]:.0f}" for name in reversed(REGIONS))


def question_table(results: Results, question: Results) -> Table:
    """Returns a row for each pair and number of labels."""
    metric = verdict_metric(results)

    def mean(row: Results) -> str:
        model = row["hierarchical"]
        if model is None:
            return MISSING
        return f"{format_difference(metric, model['mean'])} {format_difference_ci(metric, model['ci95'])}"

    def counts(row: Results) -> str:
        return "/".join(str(row["counts"].get(name, 0)) for name in reversed(REGIONS))

    columns = [
        Column("method", lambda row: row["method"], "left"),
        Column("against", lambda row: row["baseline"], "left"),
        Column("labels per class", lambda row: format_budget(row["labels_per_class"])),
        Column("data sets", lambda row: str(len(row["datasets"]))),
        Column(f"mean, {metric.unit}".rstrip(", "), mean),
        Column("median", lambda row: format_difference(metric, row["median"])),
        Column("verdicts +/=/-", counts),
        Column("at least +/-", lambda row: f"{row['replicated']['better']}/{row['replicated']['worse']}"),
        Column("signed rank +/=/-, %", lambda row: _regions(row["signed_rank"]), detail=True),
        Column("another +/=/-, %", lambda row: _regions((row["hierarchical"] or {}).get("next_region")), detail=True),
        Column("p", lambda row: format_p_value(row["p_holm"]), detail=True),
        Column("decided", lambda row: row["decided"] or MISSING, "left"),
    ]
    return Table(columns, question["rows"], keys=3)


def rank_table(results: Results) -> Table:
    """Returns the mean rank of every method with each number of labels that has ranks."""
    budgets = [budget for budget in results["budgets"] if "ranks" in budget]
    names = dict.fromkeys(name for budget in budgets for name in budget["methods"])

    def rank(budget: Results, name: str) -> str:
        if name == "critical difference":
            return format_decimals(budget["ranks"]["critical_difference"], 2)
        if name == "p":
            return format_p_value(budget["ranks"]["p"])
        known = dict(zip(budget["methods"], budget["ranks"]["mean_ranks"], strict=True))
        return format_decimals(known.get(name), 2)

    columns = [Column(format_budget(budget["labels_per_class"]), partial(rank, budget)) for budget in budgets]
    return Table([Column("labels per class", str, "left"), *columns], [*names, "critical difference", "p"])


def score_tables(results: Results, folder: Path | None = None) -> Iterator[tuple[str, Table]]:
    """Yields a title and a table of the score of every method on every data set, for each number of labels.

    In the `folder` of the study, data sets lead to the pages of their comparisons, where there are such pages.
    """
    metric = verdict_metric(results)
    sign = 1 if metric.higher_is_better else -1

    def dataset(cell: Results) -> Cell:
        page = Path(cell["folder"]) / PAGE_FILE
        link = quote(page.as_posix()) if folder and (folder / page).is_file() else ""
        return Cell(cell["dataset"], link=link)

    for budget in results["budgets"]:
        cells = [cell for cell in results["cells"] if cell["labels_per_class"] == budget["labels_per_class"]]
        names = dict.fromkeys(method["name"] for cell in cells for method in cell["methods"])

        def score(name: str, cell: Results) -> str:
            mean = next((method["mean"] for method in cell["methods"] if method["name"] == name), None)
            return format_decimals(None if mean is None else sign * mean, metric.decimals, metric.scale)

        columns = [Column("data set", dataset, "left")]
        columns.append(Column("labels", lambda cell: f"{cell['n_labels']:,}"))
        columns += [Column(name, partial(score, name)) for name in names]
        labels = format_budget(budget["labels_per_class"])
        per_class = "" if labels == "all" else " per class"
        yield f"Test {metric.heading}, {labels} labels{per_class}", Table(columns, cells)


def correlation_table(results: Results) -> Table:
    """Returns a row for each quantity, number of labels and scope of a correlation that could be computed."""
    rows: list[dict[str, Any]] = []
    for entry in results["correlations"]:
        head = {"quantity": entry["quantity"], "labels": format_budget(entry["labels_per_class"])}
        within = entry["within"]
        if within["mean"] is not None:
            rows.append({**head, "over": "methods", **within, "of": len(within["per_dataset"])})
        for method, found in entry["across"].items():
            rows.append({**head, "over": f"data sets, {method}", "mean": found["rho"], **found})
    columns = [
        Column("quantity", lambda row: row["quantity"], "left"),
        Column("labels per class", lambda row: row["labels"]),
        Column("over", lambda row: row["over"], "left"),
        Column("data sets", lambda row: str(row["of"])),
        Column("correlation", lambda row: format_mean_ci(row, scale=1, decimals=2)),
    ]
    return Table(columns, rows, keys=3)


def study_findings(results: Results) -> list[str]:
    """Returns what the data sets decide, a paragraph for each question."""
    return [_answer(question) for question in results["questions"]]


def _answer(question: Results) -> str:
    rows = question["rows"]
    sentences = [question["text"]] if question["text"] else []
    if not rows:
        sentences.append("No data set has both methods of a pair.")
    elif all(len(row["datasets"]) < MIN_DECISION_DATASETS for row in rows):
        sentences += _describe_verdicts(rows)
        sentences.append(f"A decision over data sets needs at least {MIN_DECISION_DATASETS}.")
    else:
        sentences += _describe_decisions(rows)
    return f"{question['name']}: {' '.join(sentences)}"


def _describe_decisions(rows: Sequence[Results]) -> Iterator[str]:
    """Yields the pairs that each region is decided for, with their numbers of labels, and how many are undecided."""
    for region in reversed(REGIONS):
        word = "and" if region == "equivalent" else "than"
        labels: dict[str, list[str]] = {}
        for row in rows:
            if row["decided"] == region:
                pair = f"{row['method']} {word} {row['baseline']}"
                labels.setdefault(pair, []).append(format_budget(row["labels_per_class"]))
        if labels:
            pairs = "; ".join(f"{pair} ({', '.join(found)})" for pair, found in labels.items())
            yield f"{region.capitalize()}: {pairs}."
    yield f"Undecided: {sum(row['decided'] is None for row in rows)} of {len(rows)}."


def _describe_verdicts(rows: Sequence[Results]) -> Iterator[str]:
    """Yields the verdict of each data set with all labels, for each pair of a question."""
    for row in rows:
        by_verdict: dict[str, list[str]] = {}
        for dataset, verdict in zip(row["datasets"], row["verdicts"], strict=True):
            by_verdict.setdefault(verdict, []).append(dataset)
        if row["labels_per_class"] is None:
            found = "; ".join(f"{verdict} on {', '.join(names)}" for verdict, names in by_verdict.items())
            yield f"{row['method']} against {row['baseline']} with all labels: {found}."


def study_caption(results: Results) -> str:
    """Returns the numbers of data sets and trainings, the region of practical equivalence, and how to read findings."""
    metric, cells = verdict_metric(results), results["cells"]
    datasets, trainings = {cell["dataset"] for cell in cells}, {cell["trainings"] for cell in cells}
    count = "-".join(map(str, sorted({min(trainings), max(trainings)})))
    return (
        f"{len(datasets)} data sets, {len(cells)} cells of a data set and a number of labels per class, {count} "
        "trainings each. Region of practical equivalence: differences within "
        f"±{metric.scale * results['margin']:g}, in {metric.difference_unit}. Numbers in brackets are labels per class."
    )


def study_tables(results: Results) -> Iterator[tuple[str, Table, str]]:
    """Yields title, table and caption of everything but the scores of the data sets."""
    for question in results["questions"]:
        if question["rows"]:
            title = ": ".join(filter(None, (question["name"], question["text"])))
            yield title, question_table(results, question), QUESTION_CAPTION
    if any("ranks" in budget for budget in results["budgets"]):
        yield "Ranks", rank_table(results), RANK_CAPTION
    if (correlations := correlation_table(results)).records:
        yield "What goes with accuracy", correlations, CORRELATION_CAPTION


def render_study_markdown(results: Results) -> str:
    """Returns `table.md` of a study."""
    warnings = "\n".join(f"- ⚠ {escape_prose(warning)}" for warning in results["warnings"])
    parts = [f"# {results['title']}", study_caption(results), warnings, *map(escape_prose, study_findings(results))]
    for title, table, caption in study_tables(results):
        parts += [f"## {title}", "" if caption in parts else caption, to_markdown(table)]
    for title, table in score_tables(results):
        parts += [f"## {title}", to_markdown(table)]
    parts.append(format_provenance(results["environment"]))
    return "\n\n".join(filter(None, parts)) + "\n"


def render_study_terminal(results: Results, *, details: bool = False) -> RenderableType:
    """Returns findings and tables of a study for a terminal; `details`: whether to show every table."""
    parts: list[RenderableType] = [Text(results["title"], style="bold"), Paragraph(study_caption(results))]
    parts += [LabelledText("warning", warning, "yellow") for warning in results["warnings"]]
    parts += [Paragraph(finding) for finding in study_findings(results)]
    tables = list(study_tables(results))
    for title, table, _ in tables if details else tables[: len(results["questions"])]:
        parts += [Text(), Text(title, style="bold"), TerminalTable(table, details=details)]
    return Padding(Group(*parts), (1, 0))


def render_plan(plans: Sequence[Results]) -> RenderableType:
    """Returns what `aejax study --list` shows: every comparison with its sizes, label budgets and time."""

    def count(name: str) -> Column:
        return Column(name, lambda plan: f"{plan[name]:,}")

    def budgets(plan: Results) -> str:
        left_out = f" (not {', '.join(map(str, plan['left_out']))})" if plan["left_out"] else ""
        return ", ".join([*map(str, plan["label_budgets"]), "all"]) + left_out

    columns = [
        Column("comparison", lambda plan: plan["name"], "left"),
        *map(count, ("rows", "features", "classes", "methods")),
        Column("labels per class", budgets, "left"),
        Column("minutes", lambda plan: format_decimals(plan["seconds"] / 60, 1)),
        Column("state", lambda plan: "finished" if plan["finished"] else "about", "left"),
    ]
    left, spent = (sum(plan["seconds"] for plan in plans if plan["finished"] is done) / 60 for done in (False, True))
    total = f"{len(plans)} comparisons: about {left:,.0f} minutes left, roughly, on two cores; {spent:,.0f} measured"
    return Padding(Group(TerminalTable(Table(columns, plans)), Paragraph(total)), (1, 0))


def study_page(results: Results, folder: Path | None) -> RunPage:
    """Returns the page of a study: its questions, ranks and correlations, figures, and the scores of the data sets."""
    sections = [
        Section("Figures", read_pictures(folder, STUDY_PICTURES)),
        *(Section(title, [PageTable(title, table, note)]) for title, table, note in study_tables(results)),
        Section("Data sets", [PageTable(title, table) for title, table in score_tables(results, folder)]),
    ]
    return RunPage(
        title=results["title"],
        findings=study_findings(results),
        data_line=study_caption(results),
        warnings=results["warnings"],
        sections=sections,
        caption=format_provenance(results["environment"]),
    )
