"""`compare.py --sensitivity`: a comparison, and its verdicts again under every variation of `variations.py`."""

import functools
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from aejax.config import CheckpointConfig, CompareConfig
from aejax.evaluate.sensitivity import compare_verdicts
from aejax.experiments.compare import ComparisonDesign, load_comparison
from aejax.experiments.variations import SENSITIVITY, Variation, make_variations
from aejax.experiments.varied_runs import Analysis, run_with_analyses


def compare_with_sensitivity(
    config: CompareConfig, out: Path, console: Console, checkpoint: CheckpointConfig = CheckpointConfig()
) -> dict[str, Any]:
    """Runs a comparison and its variations and returns its results, with `sensitivity`; as `run_with_analyses`."""
    start_time = time.perf_counter()
    design = load_comparison(config)
    return run_with_analyses(design, [analyze_sensitivity(design)], out, console, checkpoint, start_time)


def analyze_sensitivity(design: ComparisonDesign) -> Analysis:
    """Returns the analysis of a comparison's verdicts under the variations of `variations.py`."""
    variations = make_variations(design.config)
    return Analysis(
        SENSITIVITY,
        variations,
        functools.partial(_is_judged, variations),
        functools.partial(_summarize, design, variations),
    )


def _is_judged(variations: Sequence[Variation], results: Mapping[str, Any]) -> bool:
    saved = results.get(SENSITIVITY, {}).get("variations", [])
    return [entry["settings"] for entry in saved] == [variation.flags for variation in variations]


def _summarize(
    design: ComparisonDesign,
    variations: Sequence[Variation],
    results: Mapping[str, Any],
    varied: Mapping[str, Mapping[str, Any]],
    out: Path,
) -> dict[str, Any]:
    """Returns `sensitivity` of `results.json`."""
    entries = [
        {
            "name": variation.name,
            "settings": variation.flags,
            "methods": [name for name, method in design.methods.items() if variation.affects(name, method)],
            "seconds": varied[variation.name]["environment"]["seconds"],
        }
        for variation in variations
    ]
    comparisons = compare_verdicts(
        results["comparisons"],
        {name: of_variation["comparisons"] for name, of_variation in varied.items()},
        {entry["name"]: entry["methods"] for entry in entries},
    )
    return {"variations": entries, "comparisons": comparisons}
