"""scikit-learn's own checks, pipelines, searches and pickles hold; equal shapes are compiled once."""

import dataclasses
import pickle
from collections.abc import Callable

import flax.linen as nn
import jax
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from aejax.autoencoders.deterministic import undercomplete
from aejax.autoencoders.spec import reconstruction_spec
from aejax.errors import InputError
from aejax.estimators import AutoencoderClassifier, AutoencoderTransformer
from aejax.methods.registry import register_kind

pytestmark = pytest.mark.usefixtures("restore_registry")
X, Y = load_wine(return_X_y=True, as_frame=True)
SMALL = {"hidden": (8,), "random_state": 0}


@pytest.mark.slow
@parametrize_with_checks(
    [AutoencoderTransformer(epochs=5, **SMALL), AutoencoderClassifier(epochs=20, n_components=8, **SMALL)]
)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def transformer():
    return AutoencoderTransformer(n_components=4, epochs=100, learning_rate=0.01, **SMALL).fit(X)


def test_codes_have_names_and_reconstructions_the_units_of_the_table(transformer):
    codes = clone(transformer).set_output(transform="pandas").fit_transform(X)
    assert codes.columns.tolist() == [f"autoencodertransformer{i}" for i in range(4)]
    np.testing.assert_array_equal(codes, transformer.transform(X))  # the same seed trains the same
    error = np.abs(transformer.inverse_transform(codes.to_numpy()) - X).mean() / X.std()
    assert error.mean() < np.abs(X - X.mean()).mean().div(X.std()).mean()  # than that of the mean row
    assert 0.3 < transformer.score(X) < 1
    assert transformer.feature_names_in_.tolist() == X.columns.tolist()


def test_a_row_does_not_depend_on_the_others_and_pickles_are_equal(transformer):
    together = transformer.transform(X)
    alone = np.concatenate([transformer.transform(X.iloc[i : i + 1]) for i in (0, 3, 177)])
    np.testing.assert_array_equal(alone, together[[0, 3, 177]])
    content = pickle.dumps(transformer)
    assert b"jit" not in content
    np.testing.assert_array_equal(pickle.loads(content).transform(X), together)


def test_a_search_over_a_pipeline_compiles_equal_shapes_once():
    pipeline = make_pipeline(AutoencoderTransformer(epochs=4, **SMALL), LogisticRegression(max_iter=500))
    grid = {"autoencodertransformer__n_components": [2, 5]}
    GridSearchCV(pipeline, grid, cv=3).fit(X.iloc[:177], Y.iloc[:177])
    compiled = []
    jax.monitoring.register_event_duration_secs_listener(lambda event, seconds, **_: compiled.append(event))
    search = GridSearchCV(pipeline, grid, cv=3).fit(X.iloc[:177], Y.iloc[:177])
    assert not [event for event in compiled if event == "/jax/core/compile/backend_compile_duration"]
    assert search.best_score_ > 0.5


def test_a_kind_with_a_lambda_is_compiled_once():
    class Encoder(nn.Module):
        activation: Callable

        @nn.compact
        def __call__(self, inputs, *, train):
            return self.activation(nn.Dense(3)(inputs))

    def make(problem):
        encoder = Encoder(lambda outputs: outputs / 2)  # equal to no other one
        return reconstruction_spec(problem, dataclasses.replace(problem.autoencoder, encoder=encoder))

    register_kind("with-lambda", make)
    fitted = AutoencoderTransformer("with-lambda", epochs=1, n_components=3, **SMALL).fit(X)
    codes = fitted.transform(X)
    with jax.no_tracing():
        np.testing.assert_array_equal(fitted.transform(X), codes)


def test_a_kind_whose_module_has_an_array_is_rejected():
    class Encoder(nn.Module):
        scale: np.ndarray

    def make(problem):
        return reconstruction_spec(problem, dataclasses.replace(problem.autoencoder, encoder=Encoder(np.ones(3))))

    register_kind("with-array", make)
    with pytest.raises(InputError, match="make makes: a module of its model has an attribute that cannot be hashed"):
        AutoencoderTransformer("with-array", epochs=1, **SMALL).fit(X)


def test_early_stopping_keeps_the_lowest_validation_loss():
    fitted = AutoencoderTransformer(
        epochs=200, learning_rate=0.03, early_stopping=True, n_iter_no_change=5, validation_fraction=0.3, **SMALL
    ).fit(X)
    assert fitted.n_iter_ < 200
    losses = fitted.history_["valid_loss"]
    assert losses.argmin() < len(losses) - 5


def test_rows_without_a_label_train_the_autoencoder_only():
    labels = np.where(np.arange(len(Y)) % 4 == 0, Y, -1)
    fitted = AutoencoderClassifier(epochs=60, n_components=6, **SMALL).fit(X, labels)
    assert fitted.classes_.tolist() == [0, 1, 2]
    codes = StandardScaler().fit(fitted.autoencoder_.encode(X.to_numpy())[labels != -1])
    head = LogisticRegression(max_iter=1000).fit(
        codes.transform(fitted.autoencoder_.encode(X.to_numpy())[labels != -1]), labels[labels != -1]
    )
    expected = head.predict_proba(codes.transform(fitted.autoencoder_.encode(X.to_numpy())))
    np.testing.assert_allclose(fitted.predict_proba(X), expected, atol=1e-4)
    assert fitted.score(X, Y) > 0.8


def test_a_kind_that_is_registered_again_encodes_by_its_new_model():
    def with_code(activation):
        def make(problem):
            model = dataclasses.replace(problem.model, code_activation=activation)
            return undercomplete(dataclasses.replace(problem, model=model))

        return make

    for activation in ("linear", "tanh"):
        register_kind("registered-twice", with_code(activation))
        codes = AutoencoderTransformer("registered-twice", epochs=2, n_components=3, **SMALL).fit_transform(X)
        assert (np.abs(codes).max() <= 1) == (activation == "tanh")


def test_settings_that_cannot_be_used_are_named():
    with pytest.raises(InputError, match="l1=-1: expected at least 0"):
        AutoencoderTransformer("sparse-l1", settings={"l1": -1}).fit(X)
    with pytest.raises(InputError, match=r"validation_fraction=0.99: leaves none of 20 rows to train on; lower it"):
        AutoencoderTransformer(validation_fraction=0.99).fit(X[:20])
    with pytest.raises(InputError, match="no such method"):
        AutoencoderTransformer("sparse").fit(X)
