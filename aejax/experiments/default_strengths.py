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

from aejax.config import SweepConfig
from aejax.config.settings import replace_settings
from aejax.config.validation import require_at_least
from aejax.data.dataset import Dataset
from aejax.errors import require
from aejax.experiments.experiment import Experiment, prepare_experiment
from aejax.experiments.feature_extraction import scaled_inputs
from aejax.experiments.progress import SilentReporter
from aejax.experiments.resolve import resolve_config
from aejax.experiments.schedule import optimizer_for
from aejax.experiments.training import init_variables, train_method
from aejax.methods.autoencoders import autoencoder_method
from aejax.report.tables import format_markdown_table

RIDGE_PENALTIES = np.logspace(-3, 5, 17)
VALID_FRACTION = 0.4
MAX_LOSS = 0.5  # points of accuracy below the highest at which a weaker strength is preferred


class Strength(NamedTuple):
    """A setting of a kind and the values to choose from."""

    kind: str
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
    Strength("denoising", "noise_std", (0.1, 0.2, 0.3, 0.5, 0.8, 1.2)),
    Strength("sparse-l1", "l1", (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)),
    Strength("sparse-kl", "kl_weight", (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)),
    Strength("contractive", "contraction", (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)),
    Strength("k-sparse", "k_encode", (1.0, 1.5, 2.0, 3.0), "k"),
    Strength("beta-vae", "beta", (1.5, 2.0, 3.0, 4.0)),  # 1 is a vae
    Strength("gated", "gate_l1", (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)),
    Strength("jump-relu", "l0_weight", (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)),
    Strength("vq", "commitment", (0.1, 0.25, 0.5, 1.0, 2.0)),
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
    training = {"epochs": config.epochs, "batch_size": config.batch_size, "seeds": config.seeds}
    base = replace_settings(SweepConfig(), {"valid_fraction": VALID_FRACTION, **training})
    resolved = resolve_config(base, dataset)
    experiment = prepare_experiment(resolved, dataset, SilentReporter())
    accuracies = []
    for value in strength.values:
        setting = {strength.field: strength.setting(value, resolved)}
        with_value = resolve_config(replace_settings(base, setting), dataset)
        own = dataclasses.replace(experiment, config=with_value)
        accuracies.append(100 * float(np.mean(_train_and_score(own, strength.kind))))
    return accuracies


def _train_and_score(experiment: Experiment, kind: str) -> list[float]:
    """Returns the accuracy of each seed's codes."""
    method = autoencoder_method(kind, experiment.problem)
    optimizer, variables = optimizer_for(experiment, method), init_variables(experiment, method)
    trained = train_method(experiment, kind, method, optimizer, variables).progress.state
    fitted = experiment.plan.to_host(trained.variables)
    encode, every_row = jax.jit(method.encode), np.arange(experiment.dataset.n_examples)
    accuracies = []
    for seed in range(experiment.config.seeds):
        of_seed = jax.tree.map(lambda leaf, seed=seed: leaf[seed], fitted)
        codes = np.asarray(encode(of_seed, scaled_inputs(experiment, seed, every_row)), np.float64)
        accuracies.append(_ridge_accuracy(codes, experiment, seed))
    return accuracies


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
