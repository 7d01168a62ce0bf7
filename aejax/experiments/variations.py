"""The variations of `compare.py --sensitivity`, declared before any result is seen.

A choice that a reader could have made otherwise is made otherwise, one at a time, and everything is judged again:

- `standardization`: whether the probe standardises its features;
- `draw-1`, `draw-2`: other test examples or folds, by `--test-seed`; with an official test set, other validation rows
  and labels;
- `penalty-x10`, `penalty-x0.1`: ten times and a tenth of the penalty of each kind that has one;
- `probe-logistic`, `probe-ridge`, `probe-knn`: the other families of probes.

Noise and widths are no penalties; they are axes of `sweep.py`.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from aejax.config import CompareConfig, to_dict
from aejax.config.validation import flag_name
from aejax.methods.method import Method
from aejax.methods.tuning_space import is_tuned_by_probe
from aejax.storage.run_identity import setting_differences

Scope = Literal["probe", "labels", "penalty", "data"]
"""What a variation changes: probes, all classifiers, some trainings, or everything."""

SENSITIVITY = "sensitivity"  # field of results, and folder of a run that has a run of each variation
PENALTIES = {
    "sparse-l1": "l1",
    "sparse-kl": "kl_weight",
    "contractive": "contraction",
    "beta-vae": "beta",
    "gated": "gate_l1",
    "jump-relu": "l0_weight",
    "vq": "commitment",
}
_PENALIZED_PREFIXES = ("knn", "permuted", "frozen-decoder")  # of other methods whose features depend on it


class Variation(NamedTuple):
    """A comparison with another setting."""

    name: str  # of its folder
    scope: Scope
    config: CompareConfig
    flags: str  # the settings that differ, as on the command line

    def affects(self, name: str, method: Method) -> bool:
        """Returns whether a method's predictions can change."""
        if self.scope == "labels":
            return True
        return self.retrains(name, method) or (self.scope == "probe" and uses_probe(method))

    def retrains(self, name: str, method: Method) -> bool:
        """Returns whether a method's features can change; those that --tune chooses by the probe change with it."""
        if self.keeps_training:
            tuned = self.config.tune is not None and is_tuned_by_probe(name)
            return tuned or (self.scope == "labels" and not learns_without_labels(method))
        return self.scope == "data" or penalty_field(name) is not None

    @property
    def keeps_training(self) -> bool:
        """Whether all methods that learn without labels are trained as without the variation."""
        return self.scope in ("probe", "labels")


def uses_probe(method: Method) -> bool:
    """Returns whether the settings of the probe matter to a method."""
    return method.log_probs is None and method.fit_predict is None and method.classifier == "probe"


def learns_without_labels(method: Method) -> bool:
    """Returns whether the features, if there are any, do not depend on labels."""
    return not method.supervised and method.fit_predict is None


def penalty_field(name: str) -> str | None:
    """Returns the field of `ObjectiveConfig` that is the penalty of a method's training; None if it has none."""
    for kind, field in PENALTIES.items():
        if name in (kind, *(f"{prefix}-{kind}" for prefix in _PENALIZED_PREFIXES)):
            return field
    return None


def _standardize(config: CompareConfig) -> CompareConfig:
    return _replace(config, "probe", probe_standardize=not config.probe.probe_standardize)


def _draw(offset: int, config: CompareConfig) -> CompareConfig:
    if config.split.split == "tutorial":  # whose one test set no seed draws
        return config
    return _replace(config, "split", test_seed=config.split.test_seed + offset)


def _scale_penalties(factor: float, config: CompareConfig) -> CompareConfig:
    fields = {field for name in config.methods if (field := penalty_field(name)) is not None}
    return _replace(config, "objective", **{field: factor * getattr(config.objective, field) for field in fields})


def _probe(name: str, config: CompareConfig) -> CompareConfig:
    return _replace(config, "probe", probe=name)


def _replace(config: CompareConfig, section: str, **fields: Any) -> CompareConfig:
    return dataclasses.replace(config, **{section: dataclasses.replace(getattr(config, section), **fields)})


VARIATIONS: tuple[tuple[str, Scope, Callable[[CompareConfig], CompareConfig]], ...] = (
    ("standardization", "probe", _standardize),
    ("draw-1", "data", functools.partial(_draw, 1)),
    ("draw-2", "data", functools.partial(_draw, 2)),
    ("penalty-x10", "penalty", functools.partial(_scale_penalties, 10)),
    ("penalty-x0.1", "penalty", functools.partial(_scale_penalties, 0.1)),
    *((f"probe-{name}", "probe", functools.partial(_probe, name)) for name in ("logistic", "ridge", "knn")),
)


def make_variations(config: CompareConfig) -> list[Variation]:
    """Returns the variations of a resolved config that differ from it."""
    variations = [make_variation(name, scope, config, change(config)) for name, scope, change in VARIATIONS]
    # nearest neighbours have no loss to tune by
    return [one for one in variations if one.flags and not (one.config.tune and one.config.probe.probe == "knn")]


def make_variation(name: str, scope: Scope, config: CompareConfig, varied: CompareConfig) -> Variation:
    """Returns the variation of a resolved config that has the settings of `varied`."""
    differences = setting_differences(to_dict(config), to_dict(varied), {})
    return Variation(name, scope, varied, " ".join(_format_flag(path[-1], value) for path, _, value in differences))


def _format_flag(field: str, value: Any) -> str:
    if isinstance(value, bool):
        return flag_name(field) if value else flag_name(f"no_{field}")
    return f"{flag_name(field)} {value:g}" if isinstance(value, float) else f"{flag_name(field)} {value}"
