"""With many labels in common, seeds with the same features share one classifier; with few, each chooses for itself."""

import numpy as np
import pytest
from preparing import configure

from aejax.experiments import feature_evaluation
from aejax.experiments.compare import compare
from tests.consoles import quiet


@pytest.fixture
def losses_by_seed(monkeypatch, tmp_path):
    """Returns a function that returns each seed's test loss of two classifiers of `raw`."""

    def run(many: int, **split) -> dict[str, np.ndarray]:
        monkeypatch.setattr(feature_evaluation, "MAX_SELECTION_ROWS", (many, 0))
        drawn = {"design": "holdout", "valid_fraction": 0.3, **split}
        config = configure(dataset="wine", scaler="none", **drawn, probe="ridge", methods=("raw", "permuted"), seeds=4)
        methods = compare(config, tmp_path / f"{many}-{len(split)}", quiet())["methods"]
        return {method["name"]: np.array(method["test_nll"]["per_seed"]) for method in methods}

    return run


def test_seeds_share_a_classifier_only_with_the_same_labels_and_many_of_them(losses_by_seed):
    own, shared = losses_by_seed(1000), losses_by_seed(100)
    assert len(np.unique(own["raw"])) > 1
    np.testing.assert_array_equal(shared["raw"], np.repeat(own["raw"][:1], 4))
    np.testing.assert_array_equal(shared["permuted"], own["permuted"])  # whose labels differ between seeds
    fewer = losses_by_seed(10, label_fraction=0.5)
    assert len(np.unique(fewer["raw"])) > 1
