from typing import Any

import numpy as np
import pytest

from aejax.report.method_tables import REPRESENTATION_FORMATS

ACCURACY = {
    "raw": 0.954,
    "pca": 0.935,
    "random": 0.871,
    "supervised": 0.971,
    "undercomplete": 0.943,
    "denoising": 0.956,
    "sparse-l1": 0.940,
}
CONTROLS = ("raw", "pca", "random", "supervised")


def summary(per_seed: np.ndarray) -> dict[str, Any]:
    mean, half = float(per_seed.mean()), float(per_seed.std())
    return {"per_seed": per_seed.tolist(), "mean": mean, "ci95": [mean - half, mean + half]}


def make_method(name: str, seeds: int) -> dict[str, Any]:
    spread = 0.004 * np.cos(np.arange(seeds) + len(name))
    return {
        "name": name,
        "role": "control" if name in CONTROLS else "autoencoder",
        "features": 64 if name == "raw" else 16,
        "test_accuracy": summary(ACCURACY[name] + spread),
        "test_nll": summary(0.2 - spread),
        "reconstruction_mse": None if name in ("raw", "random", "supervised") else summary(0.0123 + 0 * spread),
        "probe": {
            "l2": [1e-3] * seeds,
            "gradient_norm": [1e-7] * seeds,
            "converged": [True] * seeds,
            "grid_edge": [False] * seeds,
        },
        "diverged_epoch": [None] * seeds,
        "seconds": {"compile": 1.23, "pretrain": 8.7, "probe": 0.6},
    }


def make_comparison(method: str, baseline: str) -> dict[str, Any]:
    difference = ACCURACY[method] - ACCURACY[baseline]
    return {
        "method": method,
        "baseline": baseline,
        "mean_difference": difference,
        "ci95": [difference - 0.003, difference + 0.004],
        "p": 0.01,
        "p_holm": 0.04,
        "verdict": "better" if difference > 0.003 else "worse" if difference < -0.004 else "inconclusive",
    }


@pytest.fixture
def results() -> dict[str, Any]:
    """A run of seven methods and ten seeds in which nothing went wrong."""
    autoencoders = [name for name in ACCURACY if name not in CONTROLS]
    return {
        "schema": 1,
        "dataset": {"name": "digits", "classes": 10, "n_train": 1293, "n_valid": 144, "n_test": 360},
        "config": {},
        "environment": {
            "machine": "AMD EPYC, 2 cores",
            "command": "python scripts/compare.py --dataset digits",
            "seconds": 41.2,
        },
        "methods": [make_method(name, seeds=10) for name in ACCURACY],
        "comparisons": [make_comparison(method, baseline) for method in autoencoders for baseline in CONTROLS],
    }


def make_diagnostics(names: list[str], seeds: int = 4) -> dict[str, Any]:
    """Returns `diagnostics` of results, in which every number differs from every other."""
    generator = np.random.default_rng(0)
    methods: list[dict[str, Any]] = []
    for name in names:
        metrics = {metric: summary(generator.uniform(1, 90, seeds)) for metric in REPRESENTATION_FORMATS}
        methods.append({"name": name, **metrics, "cka_between_seeds": 0.71})
    matrix = generator.uniform(size=(len(names), len(names)))
    similarity = (matrix + matrix.T) / 2
    np.fill_diagonal(similarity, 1)
    cka = {"methods": list(names), "paired_seeds": 3, "matrix": similarity.tolist()}
    return {"rows": 300, "neighbours": 10, "methods": methods, "cka": cka, "seconds": 1.0}


@pytest.fixture
def results_with_diagnostics(results: dict[str, Any]) -> dict[str, Any]:
    """The same run with metrics of every method's features."""
    results["diagnostics"] = make_diagnostics(list(ACCURACY))
    return results
