"""Whether verdicts hold under other settings than the ones that gave them."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from aejax.evaluate.verdicts import Verdict

# By verdict: the verdicts that contradict it. "inconclusive" and "too few seeds" claim nothing.
CONTRADICTIONS: Mapping[str, tuple[str, ...]] = {
    "better": ("worse",),
    "worse": ("better",),
    "equivalent": ("better", "worse"),
    "not worse": ("worse",),
}


class VerdictSensitivity(NamedTuple):
    """How one comparison's verdict fares under the variations that can change it."""

    holds: int  # variations with the same verdict
    of: int  # variations that change the method or its baseline; the others would hold by construction
    fragile: bool  # at least one variation contradicts a decisive verdict
    reversed_by: list[str]  # the names of those that do
    verdicts: dict[str, Verdict | None]  # by variation; None where neither method changes


def judge_sensitivity(verdict: Verdict, verdicts: Mapping[str, Verdict | None]) -> VerdictSensitivity:
    """Compares a verdict with those under variations; see the fields of `VerdictSensitivity`.

    >>> judge_sensitivity("better", {"ridge": "better", "other test": "worse", "l1 x10": None})[:4]
    (1, 2, True, ['other test'])
    """
    changed = {name: varied for name, varied in verdicts.items() if varied is not None}
    contradicted = [name for name, varied in changed.items() if varied in CONTRADICTIONS.get(verdict, ())]
    return VerdictSensitivity(
        holds=sum(varied == verdict for varied in changed.values()),
        of=len(changed),
        fragile=bool(contradicted),
        reversed_by=contradicted,
        verdicts=dict(verdicts),
    )


def compare_verdicts(
    comparisons: Sequence[Mapping[str, Any]],
    varied: Mapping[str, Sequence[Mapping[str, Any]]],
    changed_methods: Mapping[str, Sequence[str]],
) -> list[dict[str, Any]]:
    """Returns, for each comparison, its pair and family with the fields of `VerdictSensitivity`.

    Args:
        comparisons: `comparisons` of `results.json`.
        varied: the same of each variation, by its name.
        changed_methods: by variation, the methods whose predictions it can change.
    """

    def key(row: Mapping[str, Any]) -> dict[str, str]:
        return {name: row[name] for name in ("method", "baseline", "family")}

    def verdict_of(row: Mapping[str, Any], variation: str) -> Verdict | None:
        if not {row["method"], row["baseline"]} & set(changed_methods[variation]):
            return None
        return next(other["verdict"] for other in varied[variation] if key(other) == key(row))

    return [
        key(row)
        | judge_sensitivity(row["verdict"], {variation: verdict_of(row, variation) for variation in varied})._asdict()
        for row in comparisons
    ]
