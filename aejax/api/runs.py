"""Finished runs, opened, and the probe as a function."""

import dataclasses
from pathlib import Path
from typing import Any

import pandas as pd
from numpy.typing import ArrayLike

from aejax.api.arguments import argument_errors
from aejax.api.comparison import ComparisonResult, compare, load_comparison
from aejax.api.data import DATA_SETTINGS, make_dataset
from aejax.api.pretraining import TrainedAutoencoder, load_trained
from aejax.errors import require
from aejax.report.results import Results
from aejax.report.run_page import read_run
from aejax.storage.results_file import read_results, results_kind
from aejax.storage.run_folder import RESULTS_FILE


def load_run(folder: str | Path) -> ComparisonResult | TrainedAutoencoder:
    """Opens the folder of a finished comparison or pretraining, of this version or an earlier one.

    Raises:
        aejax.InputError: it is no such folder, or its files are damaged.
    """
    path = Path(folder).expanduser()
    with argument_errors():
        require((path / RESULTS_FILE).is_file(), f"{path}: holds no {RESULTS_FILE}; give the folder of a finished run")
        results = read_results(path / RESULTS_FILE)
        kind = results_kind(results)
        require(kind in ("compare", "pretrain"), f"{path}: holds a run of kind {kind}; expected compare or pretrain")
        return load_trained(path) if kind == "pretrain" else load_comparison(read_run(path), path)


@dataclasses.dataclass(frozen=True, repr=False)
class ProbeResult:
    """How well a linear probe classifies features, on examples that it was not fitted on."""

    results: Results

    @property
    def accuracy(self) -> float:
        """Mean test accuracy over the trainings."""
        return float(self._method["test_accuracy"]["mean"])

    @property
    def interval(self) -> tuple[float, float]:
        """The accuracy's 95 % interval, for other draws of training and test examples."""
        low, high = self._method["test_accuracy"]["ci95"]
        return float(low), float(high)

    @property
    def per_seed(self) -> pd.DataFrame:
        """A row for each training: accuracy and NLL; of a convex probe, the penalty's strength and its certificate.

        `gap` bounds the objective's relative distance from its minimum.
        """
        method = self._method
        fitted = method["probe"] or {}
        probe = {name: fitted[name] for name in ("l2", "gradient_norm", "gap", "converged") if name in fitted}
        scores = {name: method[f"test_{name}"]["per_seed"] for name in ("accuracy", "nll")}
        return pd.DataFrame({**scores, **probe})

    def __repr__(self) -> str:
        low, high = self.interval
        return f"ProbeResult(accuracy {self.accuracy:.4f} [{low:.4f}, {high:.4f}])"

    @property
    def _method(self) -> Results:
        method: Results = self.results["methods"][0]
        return method


def probe(features: ArrayLike, labels: ArrayLike, *, test: Any = None, seeds: int = 10, **settings: Any) -> ProbeResult:
    """Classifies features by the certified linear probe of this package.

    Args:
        features: `(n, width)`, of any origin.
        labels: `(n,)`, of any type.
        test: a mask `(n,)` or a pair `(features, labels)`; None: cross-validation.
        seeds: number of trainings.
        settings: by the names of the flags: `probe="ridge"`, `probe_c=1.0`, `label_fraction=0.1`, ...; those of the
            data as for `make_dataset`.

    Raises:
        aejax.InputError: the features or a setting cannot be used.

    Example:
        >>> from sklearn.datasets import load_wine
        >>> probe(*load_wine(return_X_y=True), seeds=5).accuracy > 0.9
        True
    """
    require("methods" not in settings, "methods: there is one, the probe; compare takes methods")
    of_data = {name: settings.pop(name) for name in DATA_SETTINGS & settings.keys()}
    data = make_dataset(features, labels, test=test, name="features", **of_data)
    settings = {"scaler": "none", **settings}
    return ProbeResult(compare(data, methods=["raw"], seeds=seeds, **settings).results)
