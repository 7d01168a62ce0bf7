"""The data sets on which defaults are chosen: always the same, with labels that can be learned, but not from chance."""

import numpy as np
import pytest
from sklearn.linear_model import RidgeClassifierCV
from sklearn.model_selection import cross_val_score

from aejax.data.development import DEVELOPMENT_SETS, N_EXAMPLES
from aejax.data.registry import NAMED_DATASETS


@pytest.mark.parametrize("make", DEVELOPMENT_SETS, ids=lambda make: make.__name__)
def test_a_development_set_is_reproducible_and_can_be_learned_in_part(make):
    dataset, again = make(), make()
    assert dataset.sha256 == again.sha256
    assert dataset.name not in NAMED_DATASETS  # results are about those
    counts = np.bincount(dataset.labels)
    assert counts.sum() == N_EXAMPLES
    assert counts.max() < 1.2 * counts.min()
    inputs = dataset.inputs.reshape(N_EXAMPLES, -1).astype(float)
    pixels = RidgeClassifierCV(alphas=np.logspace(-1, 7, 5) if inputs.max() > 200 else np.logspace(-3, 3, 5))
    accuracy = cross_val_score(pixels, inputs, dataset.labels, cv=3).mean()
    assert 1.2 / dataset.n_classes < accuracy < 0.97  # neither chance nor easy
