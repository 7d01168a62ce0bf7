"""Classifiers choose weight decay and epochs in folds of their labels, and are fitted on every labelled row."""

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from preparing import configure, prepare
from resuming import EACH, Killed

from aejax.config import to_dict
from aejax.data.batching import Batch
from aejax.data.dataset import make_dataset
from aejax.data.selection_folds import SelectionFolds
from aejax.data.shuffling import shuffle_epoch, steps_per_epoch
from aejax.experiments import classifier_training, training
from aejax.experiments.classifier_training import (
    MIN_EPOCHS,
    WEIGHT_DECAYS,
    ClassifierTraining,
    SelectionGrid,
    choose_settings,
    last_considered_epoch,
    select_settings,
    supervised_spec,
    train_classifier,
)
from aejax.experiments.feature_extraction import scaled_inputs
from aejax.experiments.job import open_run_dir
from aejax.experiments.method_result import fit_and_score
from aejax.experiments.training import TrainingSpec, init_variables, train
from aejax.methods.method import Method
from aejax.methods.registry import METHODS
from aejax.storage.run_identity import RunIdentity
from tests.consoles import quiet

CONFIG = configure(
    scaler="none", labels_per_class=4, hidden=(4,), latent_dim=2, epochs=3, batch_size=4, learning_rate=0.03, seeds=2
)


def make_experiment(config=CONFIG, inputs=None):
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 2
    clouds = (rng.normal(size=(60, 5)) + 0.7 * labels[:, None]).astype(np.float32)
    dataset = make_dataset("made", clouds if inputs is None else inputs, labels, source="made")
    return prepare(config, dataset)


@pytest.fixture(scope="module")
def experiment():
    return make_experiment()


class Fitted(NamedTuple):
    """A classifier that was trained and watched."""

    method: Method
    spec: TrainingSpec
    before: Any  # initial variables of every seed, on the host
    trained: ClassifierTraining
    specs: list[TrainingSpec]  # of selection and refit
    programs: list[set[Any]]  # of each training: the programs that it called, with the shape of their batches


@pytest.fixture(scope="module")
def fitted(experiment):
    method, specs, programs = METHODS["supervised"](experiment.problem), [], []
    make_program = training._epochs_program

    def watched_train(tiled, name, variables, spec):
        specs.append(spec)
        programs.append(set())
        return train(tiled, name, variables, spec)

    def watched_program(*args):
        program = make_program(*args)

        def call(progress, order, *rest):
            programs[-1].add((id(program), order.shape))
            return program(progress, order, *rest)

        return call

    spec = supervised_spec(experiment, method)
    spec = spec._replace(make_optimizer=functools.cache(spec.make_optimizer))  # so that programs are shared
    variables = init_variables(experiment, method)
    before = experiment.plan.to_host(variables)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classifier_training, "train", watched_train)
        patch.setattr(training, "_epochs_program", watched_program)
        trained = train_classifier(experiment, "it", variables, spec)
    return Fitted(method, spec, before, trained, specs, programs)


@functools.partial(jax.jit, static_argnums=0)
def adamw_step(objective, variables, state, batch, decay):
    optimizer = optax.adamw(CONFIG.optimizer.learning_rate, weight_decay=decay)
    params = variables["params"]
    gradient = jax.grad(lambda params: objective.loss({**variables, "params": params}, batch, jax.random.key(0))[0])
    updates, state = optimizer.update(gradient(params), state, params)
    return {**variables, "params": optax.apply_updates(params, updates)}, state


def train_in_a_loop(experiment, method, variables, seed, rows, decay, epochs, valid):
    """Returns the variables after AdamW's epochs on `rows`, and the loss of `valid` after each epoch."""

    def batch_of(some_rows):
        return Batch(jnp.asarray(scaled_inputs(experiment, seed, some_rows)), experiment.examples.labels[some_rows])

    evaluate, held_out, losses = jax.jit(method.objective.evaluate), batch_of(valid), []
    state = optax.adamw(0.0).init(variables["params"])
    for epoch in range(epochs):
        for batch in shuffle_epoch(rows, seed, epoch, CONFIG.train.batch_size):
            variables, state = adamw_step(method.objective, variables, state, batch_of(batch), decay)
        losses.append(evaluate(variables, held_out)["loss"].mean())
    return variables, np.array(losses)


def test_settings_are_those_of_a_loop_over_folds_and_decays_and_the_refit_starts_again_on_all_labels(
    experiment, fitted
):
    folds = experiment.selection_folds
    assert folds.n_folds == 4
    passes = CONFIG.train.epochs * (steps_per_epoch(experiment.split.train.shape[1], 4) // 2)  # two steps each
    run = functools.partial(train_in_a_loop, experiment, fitted.method)
    for seed in range(CONFIG.seeds):
        start = jax.tree.map(lambda leaf, seed=seed: leaf[seed], fitted.before)
        losses = np.zeros((len(WEIGHT_DECAYS), passes))
        for index, decay in enumerate(WEIGHT_DECAYS):
            for train_rows, valid in zip(folds.train[seed], folds.valid[seed], strict=True):
                losses[index] += run(start, seed, train_rows, decay, passes, valid)[1] / 4
        index, epoch = np.unravel_index(losses.argmin(), losses.shape)
        selection = fitted.trained.selection
        assert selection.settings[seed] == {"epochs": epoch + 1, "weight_decay": WEIGHT_DECAYS[index]}
        np.testing.assert_allclose(selection.metrics["valid_loss"][seed], losses[index], rtol=1e-3)
        np.testing.assert_allclose(selection.valid_loss[seed], losses.min(), rtol=1e-3)
        labelled = experiment.split.labelled[seed]
        expected, _ = run(start, seed, labelled, WEIGHT_DECAYS[index], epoch + 1, labelled)
        jax.tree.map(
            lambda leaf, value, seed=seed: np.testing.assert_allclose(leaf[seed], value, rtol=1e-3, atol=1e-5),
            fitted.trained.variables["params"],
            expected["params"],
        )


def test_one_program_trains_all_folds_and_decays_of_all_seeds_and_one_the_refit(fitted):
    selection, refit = fitted.programs
    ((_, selection_shape),), ((_, refit_shape),) = selection, refit
    assert selection_shape[0] == len(WEIGHT_DECAYS) * 4 * CONFIG.seeds
    assert refit_shape[0] == CONFIG.seeds


def test_a_row_that_only_validates_in_the_split_is_fitted():
    # The training labels of a class lie at +3, its validation labels and test rows at -3. Whoever fits the training
    # labels alone takes all test rows for the other class, at 0.
    config = configure(CONFIG, labels_per_class=None, valid_fraction=0.4, hidden=(16,), latent_dim=4, seeds=1)
    split, labels = make_experiment(config).split, np.arange(60) % 2
    inputs = np.random.default_rng(1).normal(scale=0.1, size=(60, 5)).astype(np.float32)
    inputs[:, 0] -= 3 * labels
    in_train = np.isin(np.arange(60), split.labelled_train)
    inputs[in_train, 0] *= -1
    experiment = make_experiment(config, inputs)
    np.testing.assert_array_equal(experiment.split.labelled_train, split.labelled_train)
    result = fit_and_score(experiment, "supervised", METHODS["supervised"](experiment.problem))
    assert result.scores.correct.mean() > 0.9


@pytest.mark.parametrize("calls", [2, 17], ids=["in the selection", "in the refit"])
def test_a_classifier_that_was_killed_continues_bit_for_bit(calls, experiment, fitted, tmp_path, killed_after):
    def trained(folder):
        with open_run_dir(folder, RunIdentity(to_dict(experiment.config)), EACH, quiet(), 0.0) as (_, cache):
            own = dataclasses.replace(experiment, result_cache=cache)
            outcome = train_classifier(own, "it", init_variables(own, fitted.method), fitted.spec)
        return experiment.plan.to_host(outcome.variables), outcome.selection._replace(seconds=0.0)

    whole = experiment.plan.to_host(fitted.trained.variables), fitted.trained.selection._replace(seconds=0.0)
    killed_after(calls)
    with pytest.raises(Killed):
        trained(tmp_path / "cut")
    saved = {path.name for path in (tmp_path / "cut" / "found").glob("*")}
    assert saved == ({".it-selection"} if calls > 15 else set())
    jax.tree.map(np.testing.assert_array_equal, trained(tmp_path / "cut"), whole)


def test_without_validation_rows_all_epochs_are_trained_without_decay(experiment):
    method = METHODS["supervised"](experiment.problem)
    rows = experiment.split.labelled[:, None]
    spec = supervised_spec(experiment, method)
    chosen = select_settings(experiment, "it", {}, spec, SelectionFolds(rows, rows[..., :0]))
    assert chosen.settings == [{"epochs": spec.epochs, "weight_decay": 0.0}] * CONFIG.seeds
    assert np.isnan(chosen.valid_loss).all()


def test_a_cosine_ends_with_the_last_step_of_the_budget():
    optimizer = {"optimizer": "sgd", "momentum": 0.0, "learning_rate": 1.0, "schedule": "cosine"}
    experiment = make_experiment(configure(CONFIG, **optimizer))
    spec = supervised_spec(experiment, METHODS["supervised"](experiment.problem))
    n_steps, rates = 2 * spec.epochs, []  # two batches hold all labels
    transform = spec.make_optimizer(2)
    state = transform.init(jnp.zeros(()))
    for _ in range(n_steps):
        update, state = transform.update(jnp.ones(()), state, jnp.zeros(()), hyper={"weight_decay": 0.0})
        rates.append(-float(update))
    np.testing.assert_allclose(rates, (1 + np.cos(np.pi * np.arange(n_steps) / n_steps)) / 2, atol=1e-6)


def test_a_selection_ends_where_the_first_half_has_the_lowest_loss_and_later_epochs_do_not_matter():
    falling = np.linspace(2.0, 1.0, 300)
    assert last_considered_epoch(falling[None]) is None
    losses = np.concatenate([falling[:40], np.linspace(2.0, 3.0, 60), falling[200:]])[None]
    assert last_considered_epoch(losses) == 80  # the lowest is that of epoch 40
    assert last_considered_epoch(losses[:, :79]) is None
    assert last_considered_epoch(np.concatenate([losses, 0.0 * losses])) == MIN_EPOCHS
    both = np.stack([losses, losses + 0.1])
    decay, epochs = choose_settings(both)
    assert (decay.tolist(), epochs.tolist()) == ([0], [40])
    decay, epochs = choose_settings(both[::-1])
    assert (decay.tolist(), epochs.tolist()) == ([1], [40])


def test_settings_with_which_a_fold_diverged_are_not_chosen_and_ties_go_to_less_decay_and_fewer_epochs():
    losses = np.full((3, 2, 2, 4), 1.0, np.float32)  # decay, fold, seed, epoch
    losses[0, 1, 0, 1:] = np.nan
    losses[1:, :, 0, 2] = 0.5
    losses[2, :, 1, 3] = 0.9
    grid = SelectionGrid(np.array([0.0, 0.1, 1.0]), n_folds=2, seeds=2)
    chosen = grid.choose({"valid_loss": losses.reshape(12, 4)}, 0.0)
    assert chosen.settings == [{"epochs": 3, "weight_decay": 0.1}, {"epochs": 4, "weight_decay": 1.0}]
    decays, epochs = choose_settings(np.full((3, 1, 4), np.inf))
    assert (decays.tolist(), epochs.tolist()) == ([0], [1])
