"""The tables of `plan.py`: differences that numbers of seeds and of test examples detect."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

from rich.console import Group
from rich.text import Text

from aejax.evaluate.power import DesignSizes, VarianceComponents, design_resolution, examples_needed
from aejax.report.formatting import MISSING
from aejax.report.tables import Column, Table, TerminalTable

EXAMPLES = (100, 360, 1000, 3000, 10_000)


class Plan(NamedTuple):
    """A difference to be found, and the designs that may find it."""

    gap: float  # a fraction
    seeds: Sequence[int]  # numbers of trainings
    sizes: DesignSizes  # design and folds
    family_size: int  # comparisons that are adjusted together
    power: float  # with which a difference is found


def render_plan(plan: Plan, sources: Mapping[str, VarianceComponents]) -> Group:
    """Returns a table with a row for each number of seeds, and a sentence, for each source of variances."""
    parts: list[Text | TerminalTable] = []
    for source, components in sources.items():
        needed = {
            trainings: examples_needed(
                plan.gap, plan.sizes._replace(trainings=trainings), plan.family_size, components, plan.power
            )
            for trainings in plan.seeds
        }
        columns = [Column("seeds", str)]
        columns += [Column(f"{count:,}", partial(_format_resolution, plan, components, count)) for count in EXAMPLES]
        columns.append(Column(f"needed for {100 * plan.gap:g}", partial(_format_needed, needed)))
        parts += [
            Text(
                f"\n{source} ({plan.sizes.name}, family of {plan.family_size}). Difference in points that a number of "
                f"test examples finds at {100 * plan.power:g} % power:\n"
            ),
            TerminalTable(Table(columns, plan.seeds)),
            Text("\n" + _describe_needed(plan, needed)),
        ]
    return Group(*parts)


def _format_resolution(plan: Plan, components: VarianceComponents, examples: int, trainings: int) -> str:
    """Returns the detectable difference in points."""
    sizes = plan.sizes._replace(trainings=trainings, examples=examples)
    found = design_resolution(sizes, plan.family_size, components, plan.power)
    return "no verdict" if found is None else f"{100 * found:.2f}"


def _format_needed(needed: Mapping[int, int | None], trainings: int) -> str:
    examples = needed[trainings]
    return MISSING if examples is None else f"{examples:,}"


def _describe_needed(plan: Plan, needed: Mapping[int, int | None]) -> str:
    found = {count: examples for count, examples in needed.items() if examples is not None}
    if not found:
        return (
            f"A gap of {100 * plan.gap:g} points needs more than {max(plan.seeds)} seeds, however many test examples "
            "there are."
        )
    few, many = min(found), max(found)
    options = [f"{count} seeds with {found[count]:,} test examples" for count in dict.fromkeys((few, many))]
    return f"A gap of {100 * plan.gap:g} points needs {' or '.join(options)}."
