"""Classifiers choose weight decay and epochs in folds of their labels, and are fitted on every labelled row."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from aejax.config import CompareConfig, DataConfig, ModelConfig, OptimizerConfig, SplitConfig, TrainConfig
from aejax.data.batching import Batch
from aejax.data.dataset import make_dataset
from aejax.data.selection_folds import make_selection_folds
from aejax.data.shuffling import shuffle_epoch, steps_per_epoch
from aejax.experiments import training
from aejax.experiments.classifier_selection import WEIGHT_DECAYS
from aejax.experiments.classifier_training import supervised_task, train_classifier
from aejax.experiments.experiment import prepare_experiment
from aejax.experiments.feature_extraction import scaled_inputs
from aejax.experiments.progress import SilentReporter
from aejax.experiments.resolve import resolve_config
from aejax.experiments.training import init_variables
from aejax.methods.registry import METHODS

CONFIG = CompareConfig(
    data=DataConfig(scaler="none"),
    split=SplitConfig(labels_per_class=4),
    model=ModelConfig(hidden=(4,), latent_dim=2),
    train=TrainConfig(epochs=3, batch_size=4),
    optimizer=OptimizerConfig(learning_rate=0.03),
    seeds=2,
)


def make_experiment(config=CONFIG):
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 2
    inputs = (rng.normal(size=(60, 5)) + 0.7 * labels[:, None]).astype(np.float32)
    dataset = make_dataset("two clouds", inputs, labels, source="made")
    return prepare_experiment(resolve_config(config, dataset), dataset, SilentReporter())


@pytest.fixture(scope="module")
def experiment():
    return make_experiment()


@pytest.fixture(scope="module")
def fitted(experiment):
    """A classifier, its initial variables on the host, and the specs of its trainings."""
    method, specs, train = METHODS["supervised"](experiment.problem), [], training.train
    variables = init_variables(experiment, method)
    before = experiment.plan.to_host(variables)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "aejax.experiments.classifier_training.train", lambda *args: specs.append(args[3]) or train(*args)
        )
        trained = train_classifier(experiment, "it", variables, supervised_task(experiment, method))
    return method, before, specs, trained


def loop(experiment, method, variables, seed, rows, decay, passes, valid=None):
    """AdamW in a loop: the weights after all passes over `rows`, and the loss of `valid` after each."""
    optimizer = optax.adamw(experiment.config.optimizer.learning_rate, weight_decay=decay)
    params, losses = variables["params"], []
    state = optimizer.init(params)

    @jax.jit
    def step(params, state, batch):
        def loss(params):
            return method.objective.loss({**variables, "params": params}, batch, jax.random.key(0))[0]

        updates, state = optimizer.update(jax.grad(loss)(params), state, params)
        return optax.apply_updates(params, updates), state

    def batch_of(some_rows):
        return Batch(jnp.asarray(scaled_inputs(experiment, seed, some_rows)), experiment.examples.labels[some_rows])

    for epoch in range(passes):
        for batch in shuffle_epoch(rows, seed, epoch, experiment.config.train.batch_size):
            params, state = step(params, state, batch_of(batch))
        if valid is not None:
            losses.append(method.objective.evaluate({**variables, "params": params}, batch_of(valid))["loss"].mean())
    return params, np.array(losses)


def test_the_settings_are_those_of_a_loop_over_folds_and_decays_and_the_refit_is_its_training_on_all_labels(
    experiment, fitted
):
    method, before, _, trained = fitted
    folds = make_selection_folds(experiment.dataset, experiment.split)
    assert folds.n_folds == 4
    passes = CONFIG.train.epochs * (steps_per_epoch(experiment.split.train.shape[1], 4) // 2)  # two steps each
    for seed in range(CONFIG.seeds):
        start = jax.tree.map(lambda leaf, seed=seed: leaf[seed], before)
        losses = np.zeros((len(WEIGHT_DECAYS), passes))
        for index, decay in enumerate(WEIGHT_DECAYS):
            for fold in zip(folds.train[seed], folds.valid[seed], strict=True):
                losses[index] += loop(experiment, method, start, seed, fold[0], decay, passes, fold[1])[1] / 4
        index, epoch = np.unravel_index(losses.argmin(), losses.shape)
        chosen = trained.selection.settings[seed]
        assert chosen == {"epochs": epoch + 1, "weight_decay": WEIGHT_DECAYS[index]}
        np.testing.assert_allclose(trained.selection.valid_loss[seed], losses.min(), rtol=1e-4)
        labelled = experiment.split.labelled[seed]
        expected, _ = loop(experiment, method, start, seed, labelled, chosen["weight_decay"], chosen["epochs"])
        jax.tree.map(
            lambda leaf, value, seed=seed: np.testing.assert_allclose(leaf[seed], value, rtol=1e-3, atol=1e-5),
            trained.variables["params"],
            expected,
        )


def test_one_program_trains_all_folds_and_decays_and_another_one_the_refit(fitted):
    _, _, (selection, refit), _ = fitted
    assert selection.train_rows.shape == (4 * CONFIG.seeds, 6)  # repeated on the devices for each decay
    np.testing.assert_array_equal(np.sort(refit.train_rows), np.sort(make_experiment().split.labelled))
    assert refit.validation_rows.size == 0
