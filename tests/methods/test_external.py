"""Features of one's own get the same splits and probe as the methods of the package, and the same guards."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from aejax.config import CompareConfig, DataConfig, ProbeConfig, TrainConfig
from aejax.data.dataset import make_dataset
from aejax.data.leakage import LeakageError
from aejax.data.registry import load_dataset
from aejax.errors import InputError
from aejax.experiments.experiment import prepare_experiment
from aejax.experiments.feature_evaluation import make_external_features
from aejax.experiments.method_result import fit_and_score
from aejax.experiments.progress import SilentReporter
from aejax.experiments.resolve import resolve_config
from aejax.methods.external import DatasetRows, encoder, precomputed
from aejax.methods.registry import METHODS

DATASET = load_dataset(DataConfig(dataset="wine"))
CONFIG = resolve_config(
    CompareConfig(
        data=DataConfig(dataset="wine", scaler="none"),
        probe=ProbeConfig(probe="ridge"),
        train=TrainConfig(epochs=1),
        seeds=3,
    ),
    DATASET,
)


@pytest.fixture(scope="module")
def experiment():
    return prepare_experiment(CONFIG, DATASET, SilentReporter())


def score(experiment, representation):
    return fit_and_score(experiment, "mine", representation.as_method())


def test_the_inputs_as_precomputed_features_score_like_raw(experiment):
    raw = fit_and_score(experiment, "raw", METHODS["raw"](experiment.problem))
    flat = DATASET.inputs
    shared, per_seed = score(experiment, precomputed(flat)), score(experiment, precomputed(np.stack([flat] * 3)))
    by_function = score(experiment, encoder(lambda inputs: inputs, batch_size=50))
    for result in (shared, per_seed, by_function):
        np.testing.assert_allclose(result.scores.log_prob, raw.scores.log_prob, rtol=1e-4, atol=1e-5)
        assert (result.role, result.width) == ("external", 13)
        assert result.representation is not None


def test_features_of_every_seed_reach_that_seed(experiment):
    features = np.stack([np.roll(DATASET.inputs, seed, axis=0) for seed in range(3)])
    together = score(experiment, precomputed(features)).scores.log_prob
    for seed in range(3):
        alone = score(experiment, precomputed(features[seed])).scores.log_prob
        np.testing.assert_allclose(together[seed], alone[seed], rtol=1e-4, atol=1e-5)


class Projection:
    """A transformer without `get_params`."""

    def fit(self, inputs):
        self.mean = inputs.mean(axis=0)
        return self

    def transform(self, inputs):
        return (inputs - self.mean)[:, :2]


@pytest.mark.parametrize("trained_on", ["imagenet", ("imagenet", 1000), None])
def test_an_encoder_may_have_any_attribute_of_its_own(trained_on):
    def encode(inputs):
        return inputs

    encode.trained_on = trained_on
    representation = encoder(encode)
    assert (representation.dataset_sha256, representation.table) == ("", None)


@pytest.mark.parametrize("transformer", [PCA, Projection])
def test_a_transformer_is_fitted_on_each_trainings_rows_only(transformer):
    seen = []

    class Recorder(transformer):
        def fit(self, inputs):
            seen.append(inputs)
            return super().fit(inputs)

    train = np.array([[0, 1, 2, 3], [4, 5, 6, 7]])
    features = encoder(Recorder()).make_features(DatasetRows(DATASET.inputs, train))
    assert features.shape == (2, 178, 4 if transformer is PCA else 2)
    for rows, inputs in zip(train, seen, strict=True):
        np.testing.assert_array_equal(inputs, DATASET.inputs[rows])


def test_functions_get_the_numbers_of_the_source_where_float32_would_merge_them():
    seconds = 1.7e9 + np.arange(60.0)
    dataset = make_dataset("times", np.column_stack([seconds, seconds % 7]), np.arange(60) % 2, source="times")
    assert dataset.offsets is not None
    config = resolve_config(CompareConfig(seeds=2), dataset)
    experiment = prepare_experiment(config, dataset, SilentReporter())
    method = encoder(lambda inputs: inputs - [1.7e9, 0.0]).as_method()
    features = make_external_features(experiment, "mine", method)
    np.testing.assert_array_equal(features, np.column_stack([np.arange(60.0), seconds % 7]))


@pytest.mark.parametrize(
    ("representation", "error", "message"),
    [
        (precomputed(np.ones((5, 2))), InputError, r"mine: features have shape \(5, 2\); expected \(178, width\)"),
        (precomputed(np.full((178, 2), np.nan)), InputError, "mine: features of row 0 are not finite"),
        (encoder(lambda inputs: inputs - inputs.mean(0)), LeakageError, "mine: the features of an example change"),
        (encoder(lambda inputs: inputs[0]), InputError, r"mine: the encoder returned features of shape \(13,\)"),
    ],
)
def test_features_that_cannot_be_used_are_rejected_with_the_methods_name(experiment, representation, error, message):
    with pytest.raises(error, match=message):
        score(experiment, representation)
