"""A run stops where an example's features depend on others, and where what it fits would see held-out rows."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from preparing import configure, prepare

from aejax.autoencoders.registry import KINDS
from aejax.data.dataset import UNLABELLED
from aejax.data.description import DataDescription
from aejax.data.leakage import LeakageError
from aejax.experiments import experiment as experiment_module
from aejax.experiments.experiment import prepare_experiment
from aejax.experiments.feature_evaluation import require_evaluation_mode
from aejax.experiments.method_result import fit_and_score
from aejax.experiments.progress import SilentReporter
from aejax.experiments.schedule import optimizer_for
from aejax.experiments.training import TrainingSpec, init_variables, train
from aejax.methods.method import Method
from aejax.methods.registry import METHODS
from aejax.report.data_line import format_data_line

CONFIG = configure(
    dataset="wine", hidden=(8,), latent_dim=3, batch_norm=True, epochs=1, batch_size=16, probe_c=1.0, seeds=2
)


def leaky(encode) -> Method:
    return Method(init=lambda key, inputs: {}, encode=encode)


def in_training_mode(experiment) -> Method:
    """A random encoder with batch normalisation that is left in training mode."""
    model = KINDS["undercomplete"](experiment.problem).model
    return Method(init=lambda key, inputs: model.init(key), encode=lambda v, inputs: model.train_encode(v, inputs)[0])


LEAKY = {
    "batch normalisation in training mode": in_training_mode,
    "the batch's mean": lambda _: leaky(lambda _, inputs: inputs - jnp.mean(inputs, axis=0, keepdims=True)),
    "an example's rank in the batch": lambda _: leaky(
        lambda _, inputs: jnp.argsort(jnp.argsort(inputs, axis=0), axis=0).astype(jnp.float32)
    ),
}


@pytest.mark.parametrize("make", LEAKY.values(), ids=LEAKY)
def test_an_encoder_that_looks_at_the_batch_is_stopped_by_name(make, experiment):
    with pytest.raises(LeakageError, match=r"^mine: the result of an example changes by up to .* evaluation mode"):
        fit_and_score(experiment, "mine", make(experiment))


def test_a_classifier_of_its_own_that_looks_at_the_batch_is_stopped_too(experiment):
    def log_probs(variables, inputs):
        return nn.log_softmax((inputs - jnp.mean(inputs, axis=0, keepdims=True))[:, :3])

    method = dataclasses.replace(leaky(lambda _, inputs: inputs), log_probs=log_probs)
    with pytest.raises(LeakageError, match=r"^mine: "):
        fit_and_score(experiment, "mine", method)


def test_an_encoder_that_keeps_to_the_example_passes(experiment):
    outcome = fit_and_score(experiment, "random", METHODS["random"](experiment.problem))  # it has batch normalisation
    assert jax.tree.leaves(outcome.variables["batch_stats"])


def test_infinities_of_a_seed_that_diverged_are_not_taken_for_a_leak_and_what_is_finite_beside_them_is(experiment):
    def encode(_, inputs):
        return inputs[:, :3] - jnp.mean(inputs[:, :3], axis=0, keepdims=True)

    alone = np.full((4, 3), np.inf, np.float32)
    require_evaluation_mode(experiment, "mine", encode, {}, alone)
    alone[:2] = 0.0  # an example's distance from the mean of itself
    with pytest.raises(LeakageError, match=r"^mine: "):
        require_evaluation_mode(experiment, "mine", encode, {}, alone)


def with_a_leak(split, role):
    """The split with one row too many, as code that goes round its construction could make it."""
    leaked = dataclasses.replace(split)
    rows = split.train.copy()
    rows[1, 0] = split.test[1, 0] if role == "test" else split.valid[1, 0]
    object.__setattr__(leaked, "train", rows)
    return leaked


@pytest.mark.parametrize("role", ["test", "validation"])
@pytest.mark.parametrize("what", ["a scaler", "a closed form", "a model"])
def test_nothing_is_fitted_on_a_held_out_row(what, role, experiment, monkeypatch):
    leaked = with_a_leak(experiment.split, role)
    own, model = dataclasses.replace(experiment, split=leaked), METHODS["undercomplete"](experiment.problem)
    monkeypatch.setattr(experiment_module, "make_split", lambda *_: leaked)
    optimizer = optimizer_for(own, model)
    spec = TrainingSpec(model.objective, lambda _: optimizer, leaked.train, leaked.valid, epochs=1, batch_size=16)
    fits = {
        "a scaler": lambda: prepare_experiment(experiment.config, experiment.dataset, SilentReporter()),
        "a closed form": lambda: init_variables(own, METHODS["pca"](experiment.problem)),
        "a model": lambda: train(own, "it", {}, spec),
    }
    with pytest.raises(LeakageError, match=f"a row that {what}.* is fitted on and a {role} row"):
        fits[what]()


def test_what_was_understood_of_the_data_is_in_the_results_and_reported_once(experiment):
    data = experiment.dataset
    inputs, labels = data.inputs.copy(), data.labels.copy()
    inputs[:, 0] = np.arange(len(labels))
    unlabelled = experiment.split.train[0, :5]
    labels[unlabelled] = UNLABELLED
    description = DataDescription(label_source="the last column", notes=("dropped: 'x'",), warnings=("beware",))
    groups = np.arange(len(labels), dtype=np.int32) // 2
    changed = dataclasses.replace(data, inputs=inputs, labels=labels, groups=groups, description=description)

    class Recorder(SilentReporter):
        def describe(self, label, text, warnings=()):
            reported.append((label, text, warnings))

    reported = []
    described = prepare_experiment(experiment.config, changed, Recorder()).describe_data()
    assert described["rows"] == len(labels)
    assert described["features"] == data.inputs[0].size
    assert described["unlabelled"] == 5
    assert described["groups"] == len(np.unique(groups))
    assert described["class_counts"] == [np.sum(labels == label) for label in range(data.n_classes)]
    assert described["label_source"] == "the last column"
    assert described["notes"] == ("dropped: 'x'",)
    assert described["warnings"][0] == "beware"
    assert "only rises or falls" in described["warnings"][1]
    ((label, text, warnings), (device, *_)) = reported
    assert f"{label}: {text}" == format_data_line(described)
    assert device == "device"
    assert warnings == list(described["warnings"])


def test_the_dataset_of_the_results_counts_duplicates_and_says_what_chance_is(experiment):
    experiment = prepare(configure(CONFIG, design="holdout"))
    described = experiment.describe_data()
    assert described["duplicates"] == {"train_test": 0, "dropped": 0, "near_train_test": 0, "near_dropped": 0}
    test = experiment.split.test[0]
    assert described["majority_share"] == np.bincount(experiment.dataset.labels[test]).max() / len(test)
    inputs = experiment.dataset.inputs.copy()
    row = int(experiment.split.train[0, 0])
    inputs[row] = inputs[test[0]]
    near = int(experiment.split.train[0, 1])
    inputs[near] = inputs[test[1]] * np.float32(1 + 1e-5)
    twin = dataclasses.replace(experiment.dataset, inputs=inputs)
    for how, expected in (("keep", (1, 0, 1, 0)), ("drop", (0, 1, 1, 0)), ("drop-near", (0, 1, 0, 1))):
        own = prepare(configure(experiment.config, duplicates=how), twin)
        assert tuple(own.describe_data()["duplicates"].values()) == expected
        assert (row in own.split.train[0]) == (how == "keep")
        assert (near in own.split.train[0]) == (how != "drop-near")
