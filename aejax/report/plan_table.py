"""The tables of `plan.py`: differences that numbers of seeds and of test examples detect."""

from collections.abc import Sequence
from functools import partial

from rich.console import Group
from rich.text import Text

from aejax.evaluate.power import DesignSizes, VarianceComponents, design_resolution, examples_needed
from aejax.report.formatting import MISSING
from aejax.report.tables import Column, Table, TerminalTable

EXAMPLES = (100, 360, 1000, 3000, 10_000)


def plan_table(
    gap: float,
    seeds: Sequence[int],
    sizes: DesignSizes,
    family_size: int,
    components: VarianceComponents,
    power: float,
) -> Table:
    """Returns a row for each number of seeds: detectable differences in points, and the test examples for the gap.

    Args:
        gap: difference to be found, a fraction.
        seeds: numbers of trainings.
        sizes: design and folds.
        family_size: comparisons that are adjusted together.
        components: variances of the difference.
        power: with which a difference is found.
    """

    def resolution(examples: int, trainings: int) -> str:
        planned = sizes._replace(trainings=trainings, examples=examples)
        found = design_resolution(planned, family_size, components, power)
        return "no verdict" if found is None else f"{100 * found:.2f}"

    def needed(trainings: int) -> str:
        examples = examples_needed(gap, sizes._replace(trainings=trainings), family_size, components, power)
        return MISSING if examples is None else f"{examples:,}"

    columns = [Column("seeds", str)]
    columns += [Column(f"{examples:,}", partial(resolution, examples)) for examples in EXAMPLES]
    return Table([*columns, Column(f"needed for {100 * gap:g}", needed)], seeds)


def render_plan(
    gap: float,
    seeds: Sequence[int],
    sizes: DesignSizes,
    family_size: int,
    sources: dict[str, VarianceComponents],
    power: float,
) -> Group:
    """Returns a table and a sentence for each source of variances; arguments are those of `plan_table`."""
    parts: list[Text | TerminalTable] = []
    for source, components in sources.items():
        parts += [
            Text(
                f"\n{source} ({sizes.name}, family of {family_size}). Difference in points that a number of test "
                f"examples finds at {100 * power:g} % power:\n"
            ),
            TerminalTable(plan_table(gap, seeds, sizes, family_size, components, power)),
            Text("\n" + _sentence(gap, seeds, sizes, family_size, components, power)),
        ]
    return Group(*parts)


def _sentence(
    gap: float,
    seeds: Sequence[int],
    sizes: DesignSizes,
    family_size: int,
    components: VarianceComponents,
    power: float,
) -> str:
    by_seeds = {
        count: examples_needed(gap, sizes._replace(trainings=count), family_size, components, power) for count in seeds
    }
    found = {count: examples for count, examples in by_seeds.items() if examples is not None}
    if not found:
        return (
            f"A gap of {100 * gap:g} points needs more than {max(seeds)} seeds, however many test examples there are."
        )
    few, many = min(found), max(found)
    options = [f"{count} seeds with {found[count]:,} test examples" for count in dict.fromkeys((few, many))]
    return f"A gap of {100 * gap:g} points needs {' or '.join(options)}."
