"""`compare.py --sensitivity`: a comparison, and its verdicts again under every variation of `variations.py`.

Each variation is a comparison in a folder of its own, `sensitivity/NAME` of the run's folder, which is resumed and
skipped like any other run. What a variation does not change is taken from the run: a variation of the probe trains
nothing, one of penalties trains the kinds that have one.
"""

import dataclasses
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from aejax.config import CheckpointConfig, CompareConfig
from aejax.errors import InputError, require
from aejax.evaluate.sensitivity import compare_verdicts
from aejax.experiments.checkpointing import RESULT_CACHE_DIR
from aejax.experiments.compare import ComparisonDesign, EarlierRun, design_comparison, load_comparison, run_comparison
from aejax.experiments.multihost import broadcast_from_primary, is_primary
from aejax.experiments.variations import SENSITIVITY_DIR, Variation, make_variations
from aejax.report.run_page import rewrite_pages
from aejax.storage.atomic_io import to_jsonable
from aejax.storage.results_file import read_results, write_results
from aejax.storage.run_state import RESULTS_FILE


def compare_with_sensitivity(
    config: CompareConfig, out: Path, console: Console, checkpoint: CheckpointConfig = CheckpointConfig()
) -> dict[str, Any]:
    """Runs a comparison and its variations and returns its results, with `sensitivity`.

    Arguments and errors are those of `run_job`. A finished run gets it, too; since finished runs do not keep weights,
    its variations then train their methods themselves.
    """
    require(config.shard is None, "--sensitivity: judges the run of all shards; leave out --shard")
    start_time = time.perf_counter()
    return run_with_sensitivity(load_comparison(config), out, console, checkpoint, start_time)


def run_with_sensitivity(
    design: ComparisonDesign, out: Path, console: Console, checkpoint: CheckpointConfig, start_time: float
) -> dict[str, Any]:
    """Runs a comparison whose data are loaded, and its variations; arguments and errors are those of `run_job`."""
    variations = make_variations(design.config)
    designs = [_design_variation(design, variation) for variation in variations]
    finished = (out / RESULTS_FILE).exists() and not checkpoint.overwrite
    reusable = broadcast_from_primary(lambda: not finished or (out / RESULT_CACHE_DIR).exists())
    if not broadcast_from_primary(lambda: finished and _is_judged(read_results(out / RESULTS_FILE), variations)):
        console.print(_announce(design, variations, reusable), highlight=False, soft_wrap=True)
    results = run_comparison(design._replace(keep_results=True), out, console, checkpoint, start_time)
    if _is_judged(results, variations):
        return results
    varied: dict[str, dict[str, Any]] = {}
    resumed = dataclasses.replace(checkpoint, overwrite=False, track=())
    for number, (variation, of_variation) in enumerate(zip(variations, designs, strict=True), 1):
        console.print(f"variation {number} of {len(variations)}: {variation.flags}", highlight=False, soft_wrap=True)
        if reusable and variation.scope != "data":
            of_variation = of_variation._replace(earlier=_earlier_run(out, results, design, variation))
        folder = out / SENSITIVITY_DIR / variation.name
        varied[variation.name] = run_comparison(of_variation, folder, console, resumed, time.perf_counter())
    results["sensitivity"] = _summarize(results, design, variations, varied)
    if is_primary():
        write_results(out / RESULTS_FILE, results)
        rewrite_pages(to_jsonable(results), out)
        shutil.rmtree(out / RESULT_CACHE_DIR, ignore_errors=True)
    return results


def _design_variation(design: ComparisonDesign, variation: Variation) -> ComparisonDesign:
    """Returns the design of a variation; raises `InputError` that names it."""
    try:
        return design_comparison(variation.config, design.dataset, design.representations)._replace(figures=False)
    except InputError as error:
        raise InputError(f"--sensitivity ({variation.flags}): {error}") from None


def _announce(design: ComparisonDesign, variations: Sequence[Variation], reusable: bool) -> str:
    """Returns what the variations cost; `reusable`: the run has, or will have, the weights of its methods."""
    same = [{name for name in design.methods if reusable and not variation.retrains(name)} for variation in variations]
    epochs = sum(map(design.count_epochs, same))
    return (
        f"--sensitivity: {len(variations)} more comparisons, which train {epochs:,} epochs besides the "
        f"{design.count_epochs():,} of this one: {'; '.join(variation.flags for variation in variations)}"
    )


def _earlier_run(
    folder: Path, results: Mapping[str, Any], design: ComparisonDesign, variation: Variation
) -> EarlierRun:
    """Returns what a variation with the same rows takes from the run that it varies."""
    return EarlierRun(
        folder,
        results["dataset"]["split_sha256"],
        unchanged=frozenset(name for name, method in design.methods.items() if not variation.affects(name, method)),
        trained=frozenset(name for name in design.methods if not variation.retrains(name)),
    )


def _is_judged(results: Mapping[str, Any], variations: Sequence[Variation]) -> bool:
    """Returns whether the results have the verdicts of these variations already."""
    saved = results.get("sensitivity", {}).get("variations", [])
    return [entry["settings"] for entry in saved] == [variation.flags for variation in variations]


def _summarize(
    results: Mapping[str, Any],
    design: ComparisonDesign,
    variations: Sequence[Variation],
    varied: Mapping[str, Mapping[str, Any]],
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
