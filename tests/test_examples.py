"""The example of features from elsewhere fits them on training rows alone."""

import functools
import importlib.util
from pathlib import Path

import numpy as np
import pytest

EXAMPLE = Path(__file__).parents[1] / "scripts" / "examples" / "peer_features.py"


def test_features_do_not_depend_on_rows_outside_training():
    pytest.importorskip("torch")
    spec = importlib.util.spec_from_file_location("peer_features", EXAMPLE)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    train = np.arange(40)
    images = np.random.default_rng(0).random((60, 8, 8), np.float32)
    changed = images.copy()
    changed[40:] = 0
    fits = {
        (60, 64): functools.partial(example.fit_autoencoder, epochs=1),
        (60, 512): functools.partial(example.fit_patches, size=3),
    }
    for shape, fit in fits.items():
        features = fit(images, train)
        assert features.shape == shape
        np.testing.assert_array_equal(features[train], fit(changed, train)[train])
        assert (features[train[0]] != fit(changed, np.arange(60))[train[0]]).any()
