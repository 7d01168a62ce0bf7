"""A training in stages: each layer by itself, then the whole, counted and remembered as one."""

import dataclasses
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest
from preparing import prepare

from aejax.autoencoders.spec import Stage
from aejax.config import (
    CompareConfig,
    DataConfig,
    ModelConfig,
    ObjectiveConfig,
    OptimizerConfig,
    SplitConfig,
    TrainConfig,
)
from aejax.data.dataset import make_dataset
from aejax.data.shuffling import steps_per_epoch
from aejax.data.splits import make_split
from aejax.experiments import training
from aejax.experiments.schedule import epoch_budget, optimizer_for, total_epochs
from aejax.experiments.training import TrainingResult, TrainingSpec, init_variables, train_method
from aejax.methods.method import Method
from aejax.methods.registry import METHODS
from aejax.objectives.objective import Objective

CONFIG = CompareConfig(
    data=DataConfig(scaler="none"),
    split=SplitConfig(valid_fraction=0.4),
    model=ModelConfig(hidden=(6,), latent_dim=3, activation="tanh"),
    objective=ObjectiveConfig(layer_epochs=2),
    train=TrainConfig(epochs=7, batch_size=8),
    optimizer=OptimizerConfig(optimizer="sgd", learning_rate=0.1, schedule="cosine", warmup_epochs=1.0),
    seeds=3,
)
LAYERS = [{"encoder/hidden/Dense_0", "decoder/output"}, {"encoder/code", "decoder/hidden/Dense_0"}]


class Call(NamedTuple):
    """One training of the run."""

    spec: TrainingSpec
    previous: TrainingResult | None
    before: Any  # variables of every seed, on the host
    after: Any
    trained: TrainingResult


class Run(NamedTuple):
    """A method trained by `train_method`, watched from within."""

    calls: list[Call]
    trained: TrainingResult  # what came back
    survivors: list[int]  # seeds that never meet the poisoned row
    diverging: list[int]


def poisoned():
    """Sixty examples, of which one overflows every square, and is held out by some seeds and not by others."""
    rng = np.random.default_rng(0)
    inputs, labels = rng.normal(size=(60, 8)).astype(np.float32), np.arange(60) % 3
    split = make_split(make_dataset("plain", inputs, labels, source="plain"), CONFIG.split, CONFIG.seeds)
    held_out = np.array([[row in rows for rows in split.valid] for row in range(60)])
    in_test = np.isin(np.arange(60), split.test[0])
    row = next(row for row in range(60) if not in_test[row] and 0 < held_out[row].sum() < CONFIG.seeds)
    inputs[row] = 1e30
    survivors = np.flatnonzero(held_out[row]).tolist()
    return make_dataset("poisoned", inputs, labels, source="poisoned"), survivors


def never(history) -> bool:
    return False


@pytest.fixture(scope="module")
def run():
    dataset, survivors = poisoned()
    experiment = prepare(CONFIG, dataset)
    method, calls, train = METHODS["stacked"](experiment.problem), [], training.train

    def watched(experiment, name, variables, spec, previous=None):
        before = experiment.plan.to_host(variables)
        trained = train(experiment, name, variables, spec, previous)
        assert all(leaf.is_deleted() for leaf in jax.tree.leaves(variables))  # they would take memory until the end
        calls.append(Call(spec, previous, before, experiment.plan.to_host(trained.progress.state.variables), trained))
        return trained

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "train", watched)
        trained = train_method(
            experiment, "stacked", method, optimizer_for(experiment, method), init_variables(experiment, method), never
        )
    return Run(calls, trained, survivors, [seed for seed in range(CONFIG.seeds) if seed not in survivors])


def layers_that_moved(call: Call, seed: int) -> set[str]:
    """The layers of which any number changed."""
    before, after = (
        {jax.tree_util.keystr(path, simple=True, separator="/"): leaf[seed] for path, leaf in leaves}
        for leaves in map(jax.tree_util.tree_leaves_with_path, (call.before["params"], call.after["params"]))
    )
    return {name.rpartition("/")[0] for name in before if not np.array_equal(before[name], after[name])}


def test_in_each_stage_its_layer_alone_changes_and_all_others_are_bit_equal_and_then_all_change(run):
    assert len(run.calls) == 3
    for seed in run.survivors:
        moved = [layers_that_moved(call, seed) for call in run.calls]
        assert moved == [*LAYERS, LAYERS[0] | LAYERS[1]]


def test_only_the_training_end_to_end_may_end_before_its_last_epoch(run):
    assert [call.spec.is_finished is never for call in run.calls] == [False, False, True]


def test_every_training_goes_on_from_where_the_one_before_it_ended(run):
    for earlier, later in zip(run.calls, run.calls[1:], strict=False):
        jax.tree.map(np.testing.assert_array_equal, later.before, earlier.after)
        assert later.previous is earlier.trained
    final = jax.tree.map(np.asarray, run.trained.progress.state.variables)
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a[: CONFIG.seeds], b), final, run.calls[-1].after)


def test_epochs_and_steps_are_counted_through_and_the_history_has_them_all(run):
    assert [call.spec.epochs for call in run.calls] == [2, 2, 3]
    assert run.trained.history.epochs == 7
    assert [call.trained.history.epochs for call in run.calls] == [2, 4, 7]
    for name in ("train_loss", "valid_loss", "valid_mse"):
        history = run.trained.history.metrics[name]
        assert history.shape == (3, 7)
        np.testing.assert_array_equal(history[:, :4], run.calls[1].trained.history.metrics[name])
    steps = run.trained.progress.state.step[np.array(run.survivors)]
    np.testing.assert_array_equal(steps, 7 * steps_per_epoch(28, 8))


def test_every_stage_reduces_its_own_loss(run):
    losses = run.trained.history.metrics["train_loss"][run.survivors]
    assert np.isfinite(losses).all()
    for first, last in [(0, 1), (2, 3), (4, 6)]:
        assert np.all(losses[:, last] < losses[:, first])


def test_a_seed_that_diverges_in_a_stage_stays_marked_and_where_it_was_through_all_others(run):
    assert run.diverging
    for seed in run.diverging:
        assert run.trained.history.diverged_epoch[seed] == 1
        assert np.isnan(run.trained.history.metrics["train_loss"][seed]).all()
        for call in run.calls:
            assert layers_that_moved(call, seed) == set()
    np.testing.assert_array_equal(run.trained.history.diverged_epoch[run.survivors], 0)


def test_stages_are_trained_at_the_constant_peak_rate_and_the_whole_by_the_schedule(run):
    # The first step of a warm-up has a rate of zero; that of a stage has the peak's.
    first_moves = [first_move(call) for call in run.calls]
    for layers, moves in zip(LAYERS, first_moves, strict=False):
        for name, move in moves.items():
            np.testing.assert_allclose(move, -0.1 if name.rpartition("/")[0] in layers else 0.0, rtol=1e-6)
    assert all(np.all(move == 0) for move in first_moves[2].values())


def first_move(call: Call) -> dict[str, Any]:
    """What a training's optimizer makes of a gradient of ones at its start, by parameter."""
    params = jax.tree.map(lambda leaf: leaf[0], call.before["params"])
    optimizer = call.spec.make_optimizer(1)
    moves, _ = optimizer.update(jax.tree.map(np.ones_like, params), optimizer.init(params), params)
    leaves = jax.tree_util.tree_leaves_with_path(moves)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in leaves}


@pytest.mark.parametrize(
    ("epochs", "stages", "layer_epochs", "each", "whole"),
    [
        pytest.param(100, 0, None, 0, 100, id="no stages"),
        pytest.param(100, 0, 7, 0, 100, id="no stages, whatever is asked of them"),
        pytest.param(100, 3, None, 16, 52, id="half for the stages, and the whole has what is left"),
        pytest.param(10, 2, 3, 3, 4, id="as asked"),
        pytest.param(2, 3, None, 1, 1, id="at least one each"),
        pytest.param(5, 2, 10, 10, 1, id="at least one for the whole"),
    ],
)
def test_epochs_are_shared_among_stages_and_the_whole_as_the_config_says(epochs, stages, layer_epochs, each, whole):
    config = dataclasses.replace(
        CONFIG,
        train=TrainConfig(epochs=epochs),
        objective=ObjectiveConfig(layer_epochs=layer_epochs),
    )
    nothing = Objective(loss=lambda *_: None, evaluate=lambda *_: None)
    method = Method(
        init=lambda key, inputs: {},
        encode=lambda variables, inputs: inputs,
        objective=nothing,
        stages=(Stage(nothing, ()),) * stages,
    )
    assert epoch_budget(config, method) == (each, whole)
    assert total_epochs(config, method) == stages * each + whole
    assert total_epochs(config, dataclasses.replace(method, objective=None)) == 0
