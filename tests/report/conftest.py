from typing import Any

import numpy as np
import pytest

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
