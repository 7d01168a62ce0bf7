"""What a comparison can detect, with the variances that a finished run has measured or with assumed ones."""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from aejax.errors import require
from aejax.evaluate.power import (
    ASSUMED,
    ASSUMPTION,
    DesignSizes,
    VarianceComponents,
    design_resolution,
    estimate_components,
)
from aejax.experiments.rejudge import assume_design
from aejax.report.run_page import read_run
from aejax.storage.saved_scores import read_scores


class MeasuredPower(NamedTuple):
    """Variances of differences, the design and the size of a family that a plan starts from."""

    sources: dict[str, VarianceComponents]  # by words: where the variances are from
    sizes: DesignSizes
    family_size: int


# What `compare.py` assumes, for a holdout design.
ASSUMED_POWER = MeasuredPower({f"assumed: {ASSUMPTION}": ASSUMED}, DesignSizes("holdout", 10, 360), family_size=6)


def measure_power(folder: Path) -> MeasuredPower:
    """Returns the variances of the differences in accuracy between every method and its controls in a finished run.

    The worst and the median are of what the run's own design detects.

    Raises:
        InputError: the folder has no finished comparison with saved scores.
    """
    results, scores = read_run(folder), read_scores(folder)
    design = scores.design or assume_design(results, scores)
    correct = dict(zip(scores.methods, scores.correct.astype(np.float64), strict=True))
    pairs = [(row["method"], row["baseline"]) for row in results["comparisons"]]
    require(pairs, f"--from {folder}: has no comparisons; give a run of compare.py with an autoencoder and controls")
    components = {
        f"{method} - {baseline}": estimate_components(correct[method] - correct[baseline], design)
        for method, baseline in pairs
    }
    family_size = max(Counter(row.get("family", row["method"]) for row in results["comparisons"]).values())
    sizes = DesignSizes.of(design)
    enough = sizes._replace(trainings=max(sizes.trainings, 10))
    ranked = sorted(components, key=lambda name: design_resolution(enough, family_size, components[name]) or 0.0)
    chosen = {"median": ranked[(len(ranked) - 1) // 2], "worst": ranked[-1]}
    sources = {f"{word} of {folder}, {name}": components[name] for word, name in chosen.items()}
    return MeasuredPower(sources, sizes, family_size)
