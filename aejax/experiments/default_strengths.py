"""The protocol that chooses the default strength of each kind, on data sets that no result is about.

Each kind is trained at every strength of a grid, on the training rows of every development set, with the settings that
`compare.py` has by default. A ridge classifier, whose penalty is chosen on the training rows, is fitted to the codes of
the training rows. The default is the weakest strength whose accuracy on validation rows, mean over the sets, is within
half a point of the highest: a smaller difference is without practical relevance, and may be one of a few examples.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float
from sklearn.linear_model import RidgeClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from aejax.config import SplitConfig, SweepConfig, TrainConfig
from aejax.config.sweep_axes import SweepAxis
from aejax.config.validation import require_at_least
from aejax.data.dataset import Dataset
from aejax.data.scalers import apply_scaler
from aejax.errors import require
from aejax.experiments.experiment import Experiment, prepare_experiment, problem_spec_for
from aejax.experiments.progress import SilentReporter
from aejax.experiments.resolve import resolve_config
from aejax.experiments.sweeping.grid import GridPoint, PointGroup, group_points, make_point
from aejax.experiments.sweeping.vectorized import experiment_for_group, method_for_group, slice_point, train_group
from aejax.report.tables import format_markdown_table
from aejax.train.plan import make_plan

RIDGE_PENALTIES = np.logspace(-3, 5, 17)
VALID_FRACTION = 0.4
MAX_LOSS = 0.5  # points of accuracy below the highest at which a weaker strength is preferred


class Strength(NamedTuple):
    """A setting of a kind and the values to choose from."""

    kind: str
    section: str  # of the config
    field: str
    values: tuple[float, ...]
    unit: str = ""  # what a value is multiplied by: `k`, or nothing

    @property
    def name(self) -> str:
        """The flag, with what it is given in."""
        return f"{self.field} / {self.unit}" if self.unit else self.field

    def setting(self, value: float, config: SweepConfig) -> float:
        """Returns the field's value in a resolved config."""
        if not self.unit:
            return value
        width, k = config.model.sparse_dim, config.objective.k
        assert width is not None
        assert k is not None
        return max(1, min(width, round(value * k)))


# Not among them is how sparse a code is (k, the lifetime share): a probe alone would choose the densest.
STRENGTHS = (
    Strength("denoising", "objective", "noise_std", (0.1, 0.2, 0.3, 0.5, 0.8, 1.2)),
    Strength("sparse-l1", "objective", "l1", (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)),
    Strength("sparse-kl", "objective", "kl_weight", (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)),
    Strength("contractive", "objective", "contraction", (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)),
    Strength("k-sparse", "objective", "k_encode", (1.0, 1.5, 2.0, 3.0), "k"),
    Strength("beta-vae", "objective", "beta", (1.5, 2.0, 3.0, 4.0)),  # 1 is a vae
    Strength("gated", "objective", "gate_l1", (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)),
    Strength("jump-relu", "objective", "l0_weight", (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)),
    Strength("vq", "objective", "commitment", (0.1, 0.25, 0.5, 1.0, 2.0)),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ChoiceConfig:
    """Which strengths are chosen, and how long each training is."""

    kinds: tuple[str, ...] = tuple(dict.fromkeys(strength.kind for strength in STRENGTHS))  # kinds of autoencoder
    seeds: int = 2  # trainings at each value, each with its own validation rows
    epochs: int = 100  # passes over the training rows
    batch_size: int = 32  # examples per step

    def __post_init__(self) -> None:
        require_at_least(1, self, "seeds", "epochs", "batch_size")
        known = list(dict.fromkeys(strength.kind for strength in STRENGTHS))
        for kind in self.kinds:
            require(kind in known, f"--kinds {kind}: has no strength to choose; there are {', '.join(known)}")


def validation_accuracies(strength: Strength, dataset: Dataset, config: ChoiceConfig) -> list[float]:
    """Returns the accuracy on validation rows at each value, mean over seeds, in percent."""
    base = SweepConfig(
        split=SplitConfig(valid_fraction=VALID_FRACTION),
        train=TrainConfig(epochs=config.epochs, batch_size=config.batch_size),
        seeds=config.seeds,
    )
    resolved = resolve_config(base, dataset)
    values = tuple(strength.setting(value, resolved) for value in strength.values)
    axis = SweepAxis(strength.section, strength.field, tuple(dict.fromkeys(values)))
    points = [make_point(base, [axis], [value], dataset) for value in axis.values]
    plan = dataclasses.replace(make_plan(base.plan, config.seeds * len(points)), seeds=config.seeds)
    experiment = prepare_experiment(resolved, dataset, SilentReporter(), plan)
    accuracies: dict[Any, float] = {}
    for group in group_points(points, [axis]):
        accuracies |= _group_accuracies(experiment, strength.kind, group)
    return [accuracies[value] for value in values]


def _group_accuracies(experiment: Experiment, kind: str, group: PointGroup) -> dict[Any, float]:
    """Returns the mean accuracy by value, of points that one program trains."""
    experiment = experiment_for_group(experiment, group)
    method = method_for_group(kind, group, problem_spec_for(group.points[0].config, experiment.dataset))
    trained = train_group(experiment, kind, group, method)
    encode = jax.jit(method.encode)
    inputs = experiment.dataset.inputs.reshape(experiment.dataset.n_examples, -1)

    def accuracy(index: int, seed: int) -> float:
        state = slice_point(trained, index, experiment.config.seeds).progress.state
        variables = jax.tree.map(lambda leaf: leaf[seed], state.variables)
        scaler = jax.tree.map(lambda leaf: leaf[seed], experiment.scaler)
        codes = np.asarray(encode(variables, apply_scaler(scaler, inputs)), np.float64)
        return _ridge_accuracy(codes, experiment, seed)

    def value(point: GridPoint) -> Any:
        return next(iter(point.values.values()))

    seeds = range(experiment.config.seeds)
    return {
        value(point): 100 * float(np.mean([accuracy(index, seed) for seed in seeds]))
        for index, point in enumerate(group.points)
    }


def _ridge_accuracy(codes: Float[np.ndarray, "n width"], experiment: Experiment, seed: int) -> float:
    if not np.isfinite(codes).all():
        return 0.0
    train, valid = experiment.split.train[seed], experiment.split.valid[seed]
    labels = experiment.dataset.labels
    classifier = make_pipeline(StandardScaler(), RidgeClassifierCV(alphas=RIDGE_PENALTIES))
    return float(classifier.fit(codes[train], labels[train]).score(codes[valid], labels[valid]))


def describe_choice(strength: Strength, accuracies: Sequence[Sequence[float]], names: Sequence[str]) -> dict[str, Any]:
    """Returns an entry of `defaults.json`: the chosen value, and the accuracy on each set at each value."""
    means = np.mean(accuracies, axis=0)
    best = int(np.argmax(means >= means.max() - MAX_LOSS))  # the first, as values ascend
    return {
        "kind": strength.kind,
        "field": strength.field,
        "unit": strength.unit,
        "chosen": strength.values[best],
        "grid_edge": best in (0, len(means) - 1),
        "values": list(strength.values),
        "mean": means.tolist(),
        "accuracy": {name: list(row) for name, row in zip(names, accuracies, strict=True)},
    }


def render_choices(entries: Sequence[dict[str, Any]]) -> str:
    """Returns a Markdown page with a table for each strength; the chosen value is bold, and in italics at an edge."""
    lines = ["# Default strengths", "", (__doc__ or "").partition("\n\n")[2].replace("\n", " ").strip(), ""]
    lines += ["Accuracy on validation rows, in percent."]
    for entry in entries:
        unit = f", times {entry['unit']}" if entry["unit"] else ""
        mark = "***" if entry["grid_edge"] else "**"
        headings = [f"{mark}{value:g}{mark}" if value == entry["chosen"] else f"{value:g}" for value in entry["values"]]
        rows = [[name, *(f"{value:.1f}" for value in row)] for name, row in entry["accuracy"].items()]
        rows.append(["mean", *(f"{value:.1f}" for value in entry["mean"])])
        table = format_markdown_table(["data", *headings], "l" + "r" * len(headings), rows)
        lines += ["", f"## {entry['kind']}: {entry['field']}{unit}", "", table, "", f"Made by `{entry['command']}`."]
    return "\n".join(lines) + "\n"
