"""The variations of `compare.py --sensitivity`, declared before any result is seen.

A choice that a reader could have made otherwise is made otherwise, one at a time, and everything is judged again:

- `standardization`: whether the probe standardises its features, if it is one that can;
- `draw-1`, `draw-2`: other test examples or folds, by `--test-seed`; with an official test set, other validation rows
  and labels; without one, not for features that were given for each training or encoders that were trained on the data,
  which know rows of this draw;
- `penalty-x10`, `penalty-x0.1`: ten times and a tenth of the penalty of each kind that has one;
- `probe-logistic`, `probe-ridge`, `probe-knn`: the other families of probes.

Noise and widths are no penalties; they are axes of `sweep.py`.
"""

import functools
from collections.abc import Callable, Mapping
from pathlib import Path

from aejax.config import CompareConfig
from aejax.config.settings import replace_settings
from aejax.errors import InputError, list_names
from aejax.evaluate.verdicts import compare_verdicts
from aejax.experiments.compare import ComparisonDesign
from aejax.experiments.own_rows import is_trained_on
from aejax.experiments.varied_runs import Analysis, Scope, Variation, make_variation, penalty_field
from aejax.report.results import Results

SENSITIVITY = "sensitivity"  # field of results, and folder of a run that has a run of each variation


def _standardize(config: CompareConfig) -> CompareConfig:
    if config.probe.probe == "knn":  # which standardises no features
        return config
    return replace_settings(config, {"probe_standardize": not config.probe.probe_standardize})


def _draw(offset: int, config: CompareConfig) -> CompareConfig:
    if config.split.split == "tutorial":  # whose one test set no seed draws
        return config
    return replace_settings(config, {"test_seed": config.split.test_seed + offset})


def _scale_penalties(factor: float, config: CompareConfig) -> CompareConfig:
    fields = {field for name in config.methods if (field := penalty_field(name)) is not None}
    return replace_settings(config, {field: factor * getattr(config.objective, field) for field in fields})


VARIATIONS: tuple[tuple[str, Scope, Callable[[CompareConfig], CompareConfig]], ...] = (
    ("standardization", "probe", _standardize),
    ("draw-1", "data", functools.partial(_draw, 1)),
    ("draw-2", "data", functools.partial(_draw, 2)),
    ("penalty-x10", "penalty", functools.partial(_scale_penalties, 10)),
    ("penalty-x0.1", "penalty", functools.partial(_scale_penalties, 0.1)),
    *(
        (f"probe-{name}", "probe", functools.partial(replace_settings, settings={"probe": name}))
        for name in ("logistic", "ridge", "knn")
    ),
)


def make_variations(config: CompareConfig) -> list[Variation]:
    """Returns the variations of a resolved config that differ from it.

    Raises:
        InputError: a setting of a variation is out of range.
    """
    variations = []
    for name, scope, change in VARIATIONS:
        try:
            variations.append(make_variation(name, scope, config, change(config)))
        except InputError as error:
            raise InputError(f"--sensitivity ({name}): {error}; leave --sensitivity out, or change the value") from None
    # nearest neighbours have no loss to tune by
    return [one for one in variations if one.flags and not (one.config.tune and one.config.probe.probe == "knn")]


def analyze_sensitivity(design: ComparisonDesign) -> Analysis:
    """Returns the analysis of a comparison's verdicts under the variations of `variations.py`."""
    variations, note = make_variations(design.config), ""
    fitted = [
        name
        for name, one in design.representations.items()
        if design.dataset.test_rows is None and (one.per_training or is_trained_on(one, design.dataset))
    ]
    if fitted:
        variations = [one for one in variations if one.scope != "data"]
        note = (
            "--sensitivity has no other draws of test rows: what makes the features of "
            f"{list_names(fitted)} may have been fitted to rows that another draw tests."
        )

    def is_complete(results: Results) -> bool:
        saved = results.get(SENSITIVITY, {}).get("variations", [])
        return [entry["settings"] for entry in saved] == [variation.flags for variation in variations]

    def summarize(results: Results, varied: Mapping[str, Results], out: Path) -> Results:
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

    return Analysis(SENSITIVITY, variations, is_complete, summarize, note=note)
