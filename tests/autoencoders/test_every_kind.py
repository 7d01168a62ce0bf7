"""Every kind learns, runs for many seeds at once, and consists of arrays only."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from aejax.autoencoders.registry import IMAGE_KINDS, KINDS
from aejax.autoencoders.spec import AutoencoderSpec
from aejax.data.batching import Batch, Examples
from aejax.data.scalers import Scaler
from aejax.data.shuffling import shuffle_epochs
from aejax.storage.pytree_io import load_variables, save_variables
from aejax.train.epoch import SeedData, make_train_epochs
from aejax.train.keys import seed_keys
from aejax.train.optimizers import train_selected
from aejax.train.state import init_progress

SEEDS, EPOCHS, BATCH_SIZE = 2, 2, 32
# Other kinds that are trained here have all of their parts, or tests/test_methods.py trains them.
VARIANTS = ("overcomplete", "linear", "batch-top-k", "beta-vae", "conv-denoising")
every_kind = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in VARIANTS else ()) for name in KINDS]
)


class Trained(NamedTuple):
    """One kind after two epochs of every stage and of the whole."""

    kind: AutoencoderSpec
    start: Any  # variables of each seed, in front of every leaf
    variables: Any
    histories: list[dict[str, Any]]  # of each stage and of the whole, (seeds, epochs)
    diverged: Any  # of each seed, after the whole


@pytest.fixture(scope="module")
def trained(digits, digits_setting):
    """Returns a function that trains a kind by name, once."""
    examples = Examples(digits[0], jnp.zeros(len(digits[0]), jnp.int32))
    rows = np.stack([np.arange(len(digits[0]))] * SEEDS)
    ones = np.ones((SEEDS, 1), np.float32)
    data = SeedData(seed_keys(SEEDS, "noise"), Scaler(0 * ones, ones), np.zeros((SEEDS, 0), np.int32))

    @functools.cache
    def of_kind(name: str) -> Trained:
        kind = KINDS[name](digits_setting())
        adam = optax.adam(2e-3)
        trainings = [
            (s.objective, train_selected(adam, functools.partial(is_in, s.trainable_paths))) for s in kind.stages
        ]
        trainings.append((kind.objective, adam))

        def of_seed(key, order, own):
            start = kind.model.init(key)
            variables, histories = start, []
            for objective, optimizer in trainings:
                fit, history = make_train_epochs(objective, optimizer)(
                    init_progress(variables, optimizer), order, own, examples
                )
                variables = fit.state.variables
                histories.append(history)
            return start, variables, histories, fit.diverged_epoch

        order = shuffle_epochs(rows, 0, EPOCHS, BATCH_SIZE)
        return Trained(kind, *jax.jit(jax.vmap(of_seed))(seed_keys(SEEDS, "init"), order, data))

    return of_kind


def is_in(chosen, path) -> bool:
    return any(path[: len(prefix)] == prefix for prefix in chosen)


@every_kind
def test_it_learns_in_two_epochs(name, trained):
    run = trained(name)
    assert len(run.histories) == len(run.kind.stages) + 1
    np.testing.assert_array_equal(run.diverged, 0)
    for history in run.histories:
        losses = np.asarray(history["train_loss"]).mean(axis=0)
        assert losses[1] < losses[0]


class Evaluation(NamedTuple):
    """Loss, gradient and metrics of a trained kind, for all seeds at once and for the second alone."""

    vmapped: dict[str, Any]
    solo: dict[str, Any]
    start_error: Any  # mean squared error of each seed's reconstructions, before training


@pytest.fixture(scope="module")
def evaluation(trained, digits):
    """Returns a function that evaluates a trained kind on other examples, once."""
    batch, others = Batch(digits[0][:64], jnp.zeros(64, jnp.int32)), Batch(digits[1], jnp.zeros(360, jnp.int32))

    @functools.cache
    def of_kind(name: str) -> Evaluation:
        run = trained(name)
        kind = run.kind

        def error(variables):
            return jnp.mean(jnp.square(kind.model.reconstruct(variables, others.inputs) - others.inputs))

        def of_seed(variables):
            def loss(params):
                return kind.objective.loss({**variables, "params": params}, batch, jax.random.key(5))[0]

            value, gradient = jax.value_and_grad(loss)(variables["params"])
            report = {} if kind.extra_metrics is None else kind.extra_metrics(variables, others.inputs)
            evaluated = kind.objective.evaluate(variables, others)
            return {"loss": value, "gradient": gradient, "evaluated": evaluated | report, "error": error(variables)}

        def every(variables, start):
            alone = of_seed(jax.tree.map(lambda leaf: leaf[1], variables))
            return Evaluation(jax.vmap(of_seed)(variables), alone, jax.vmap(error)(start))

        return jax.jit(every)(run.variables, run.start)

    return of_kind


@every_kind
def test_reconstructions_of_others_are_nearer_than_before_training(name, evaluation):
    assert np.all(evaluation(name).vmapped["error"] < 0.9 * evaluation(name).start_error)


@every_kind
def test_training_changes_every_parameter_that_it_should_and_not_the_structure(name, trained):
    run = trained(name)
    assert jax.tree.structure(run.variables) == jax.tree.structure(run.start)
    for before, after in zip(*map(jax.tree.leaves, (run.start, run.variables)), strict=True):
        assert (before.shape, before.dtype) == (after.shape, after.dtype)
        assert before.dtype in (jnp.float32, jnp.int32)
    moved = jax.tree.map(lambda a, b: bool(np.any(a != b)), run.start["params"], run.variables["params"])
    assert all(jax.tree.leaves(moved)), moved


@every_kind
def test_a_vmapped_seeds_loss_gradient_and_evaluation_are_its_solo_ones(name, evaluation):
    vmapped, solo, _ = evaluation(name)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a[1], b, rtol=2e-3, atol=1e-4), vmapped, solo)
    assert all(np.any(values[0] != values[1]) for values in vmapped["evaluated"].values())  # seeds differ


@every_kind
def test_evaluation_and_report_give_a_finite_number_for_each_example(name, evaluation):
    metrics = evaluation(name).solo["evaluated"]
    variational = {"elbo", "kl", "importance_weighted"}
    assert metrics.keys() == {"loss", "mse"} | (variational if "vae" in name else set())
    for values in metrics.values():
        assert values.shape == (360,)
        assert np.all(np.isfinite(values))
        assert len(np.unique(values)) > 300


@every_kind
def test_a_checkpoint_round_trips_and_holds_arrays_only(name, trained, tmp_path):
    from orbax.checkpoint import v1 as ocp

    run = trained(name)
    save_variables(tmp_path / "c", run.variables)
    assert all(type(leaf) is np.ndarray for leaf in jax.tree.leaves(ocp.load((tmp_path / "c").absolute())))
    one = jax.eval_shape(run.kind.model.init, jax.random.key(0))
    like = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((SEEDS, *leaf.shape), leaf.dtype), one)
    loaded = load_variables(tmp_path / "c", like)
    assert jax.tree.structure(loaded) == jax.tree.structure(run.variables)
    jax.tree.map(np.testing.assert_array_equal, loaded, run.variables)


@pytest.mark.parametrize("name", [name for name in KINDS if name not in IMAGE_KINDS])
def test_every_dense_kind_accepts_unbounded_tables(name, make_problem_spec):
    # By shapes alone: what differs from images is decided before anything is computed.
    kind = KINDS[name](make_problem_spec((7,), model={"hidden": (5,)}))
    variables = jax.eval_shape(kind.model.init, jax.random.key(0))
    batch = Batch(jax.ShapeDtypeStruct((9, 7), jnp.float32), jax.ShapeDtypeStruct((9,), jnp.int32))
    for objective in (kind.objective, *(stage.objective for stage in kind.stages)):
        (value, aux) = jax.eval_shape(objective.loss, variables, batch, jax.random.key(0))
        assert value.shape == ()
        assert jax.tree.structure(aux.batch_stats) == jax.tree.structure(variables["batch_stats"])
        assert jax.eval_shape(objective.evaluate, variables, batch)["loss"].shape == (9,)
