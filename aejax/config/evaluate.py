"""What a comparison counts as a difference."""

import dataclasses

from aejax.errors import require


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """How comparisons are judged."""

    margin: float = 0.005
    """Differences in accuracy up to this one make no practical difference: 0.005 is half a point. No verdict of better
    or worse within it; equivalent where the interval lies inside it. To be declared before the results are seen."""

    def __post_init__(self) -> None:
        require(0 <= self.margin < 1, f"--margin {self.margin}: expected at least 0, below 1; 0.005 is half a point")
