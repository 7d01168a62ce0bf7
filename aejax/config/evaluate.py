"""Statistics of comparisons."""

import dataclasses

from aejax.errors import require


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """Settings of the statistical comparison."""

    margin: float = 0.005
    """Largest difference in accuracy without practical relevance: 0.005 is half a point. A verdict of better or worse
    needs a larger difference; equivalent: the interval lies within it. Choose it before seeing results."""

    def __post_init__(self) -> None:
        require(0 <= self.margin < 1, f"--margin {self.margin}: expected at least 0, below 1; 0.005 is half a point")
