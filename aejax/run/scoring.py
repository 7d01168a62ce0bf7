"""From trained variables to per-example scores: features, the probe, the test touched once."""

import functools
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from aejax.data.examples import Batch, Examples, map_rows
from aejax.data.labels import labels_seen
from aejax.data.scalers import Scaler
from aejax.evaluate.codes import code_measures, explained_variance
from aejax.evaluate.metrics import Scores, score
from aejax.methods import Method
from aejax.models.parts import Variables
from aejax.objectives.reconstruction import per_example_mse
from aejax.run.classifying import Classified, Reports, classifier_of, classify_features
from aejax.run.diagnosing import Diagnosis, diagnose_rows, taken
from aejax.run.experiment import Experiment, rows_on_device
from aejax.run.guards import TOGETHER, require_evaluation_mode
from aejax.run.heads import finetune
from aejax.run.keeping import Course
from aejax.run.training import optimizer_for, start, train_method
from aejax.train.plan import Plan

Run = Callable[[Variables, Float[Array, "batch d"]], Float[Array, "batch ..."]]


class Outcome(NamedTuple):
    """Everything a comparison needs of one method, on the host."""

    name: str
    features: int  # width of what was classified
    scores: Scores
    reconstruction_mse: Float[np.ndarray, " seeds"] | None
    measures: dict[str, Float[np.ndarray, " seeds"]]  # by name, what else is said of an autoencoder
    reports: Reports  # how it was classified
    features_of: str | None  # the method that has the same features, where it is another one
    course: Course | None  # of its training, if it has one
    borrowed: bool  # the training is another row's
    variables: Variables  # of every seed, as they were classified
    seconds: dict[str, float]  # compile, pretrain, probe
    diagnosis: Diagnosis | None  # of its features on the diagnosed rows, unless they are another method's


@functools.lru_cache(maxsize=128)
def _rows_program(plan: Plan, run: Run) -> Callable[..., Any]:
    """`run` of the scaled examples at given rows, for every seed."""

    def of_seed(variables: Variables, scaler: Scaler, rows: Array, examples: Examples) -> Any:
        return map_rows(lambda batch: run(variables, batch.inputs), examples, scaler, rows)

    return plan.over(of_seed, shared=(2, 3))


@functools.lru_cache(maxsize=128)
def _recon_program(plan: Plan, reconstruct: Run) -> Callable[..., Any]:
    """Mean squared reconstruction error and explained variance at given rows, for every seed."""

    def of_seed(variables: Variables, scaler: Scaler, rows: Array, examples: Examples) -> tuple[Array, Array]:
        def both(batch: Batch) -> tuple[Array, Array]:
            return reconstruct(variables, batch.inputs), batch.inputs

        recon, target = map_rows(both, examples, scaler, rows)
        return jnp.mean(per_example_mse(recon, target)), explained_variance(recon, target)

    return plan.over(of_seed, shared=(2, 3))


@functools.lru_cache(maxsize=128)
def _codes_program(plan: Plan) -> Callable[..., Any]:
    """`code_measures` of features, for every seed."""

    def of_seed(features: Array, train: Array, test: Array) -> dict[str, Array]:
        return code_measures(jnp.take(features, train, axis=0), jnp.take(features, test, axis=0))

    return plan.over(of_seed, shared=(2,))


class Features(NamedTuple):
    """Features of every row, on the devices."""

    values: Array  # (n, d) if shared, else (seeds, n, d)
    shared: bool  # no seed changes them


def features_of(experiment: Experiment, method: Method, variables: Variables) -> Features:
    """What a method makes of every row; once, where no seed changes it."""
    every_row = experiment.plan.put_shared(np.arange(len(experiment.dataset.labels), dtype=np.int32))
    if method.seedless and experiment.scaler.shift.shape[1] == 1:
        scaler = jax.tree.map(lambda leaf: leaf[0], experiment.scaler)
        encode_all = jax.jit(
            lambda rows, examples: map_rows(lambda batch: method.encode({}, batch.inputs), examples, scaler, rows)
        )
        return Features(experiment.compiler(encode_all, every_row, experiment.examples), True)
    program = _rows_program(experiment.plan, method.encode)
    args = variables, experiment.seed_scaler, every_row, experiment.examples
    return Features(experiment.compiler(program, *args), False)


def at_rows(
    experiment: Experiment, run: Run, variables: Variables, rows: Int[np.ndarray, " m"]
) -> Float[np.ndarray, "seeds m ..."]:
    """`run` of `rows` on the host, for every seed: features, or what a model's own classifier says."""
    program = _rows_program(experiment.plan, run)
    placed = experiment.plan.put_shared(rows.astype(np.int32))
    return experiment.plan.fetch(
        experiment.compiler(program, variables, experiment.seed_scaler, placed, experiment.examples)
    )


class Fidelity(NamedTuple):
    """How near a method's reconstructions of the test rows are."""

    mse: Float[np.ndarray, " seeds"]  # mean squared error, in squared scaled input units
    explained_variance: Float[np.ndarray, " seeds"]


def reconstruction_fidelity(experiment: Experiment, reconstruct: Run, variables: Variables) -> Fidelity:
    """Error and explained variance of every seed's reconstructions of the test rows."""
    program = _recon_program(experiment.plan, reconstruct)
    args = (variables, experiment.seed_scaler, experiment.test, experiment.examples)
    return Fidelity(*experiment.plan.fetch(experiment.compiler(program, *args)))


def measures_of(
    experiment: Experiment, method: Method, variables: Variables, features: Features | None
) -> dict[str, Float[np.ndarray, " seeds"]]:
    """What else is said of a trained autoencoder: use of its code, and what its kind reports of the test rows."""
    plan, found = experiment.plan, {}
    if features is not None:
        program = _codes_program(plan)
        rows = rows_on_device(experiment, experiment.split.train)
        found = plan.fetch(experiment.compiler(program, features.values, rows, experiment.test))
    if method.report is not None:
        program = _rows_program(plan, method.report)
        args = (variables, experiment.seed_scaler, experiment.test, experiment.examples)
        reported = plan.fetch(experiment.compiler(program, *args))
        found |= {name: values.mean(axis=1, dtype=np.float64) for name, values in reported.items()}
    return found


def fit_and_score(experiment: Experiment, name: str, method: Method, lender: Outcome | None = None) -> Outcome:
    """Start, train if it trains, encode, classify, score: the whole of one method for every seed.

    With a `lender`, which has the same features, its variables are taken as they are.
    """
    experiment.reporter.begin(name)
    if lender is not None:
        borrowed = experiment.plan.put_seeded(lender.variables)
        outcome = score_method(experiment, name, method, borrowed, lender.course, 0.0)._replace(borrowed=True)
        experiment.reporter.end(summary_line(outcome))
        return outcome
    clock = time.perf_counter()
    variables = start(experiment, method)
    trained = None
    if method.objective is not None:
        trained = train_method(experiment, name, method, optimizer_for(experiment, method), variables)
    if trained is not None:
        variables = trained.fit.best if method.labelled else trained.fit.state.variables
    jax.block_until_ready(variables)
    seconds = time.perf_counter() - clock - experiment.compiler.seconds
    outcome = score_method(experiment, name, method, variables, trained and trained.course, seconds)
    experiment.reporter.end(summary_line(outcome))
    return outcome


def score_method(
    experiment: Experiment,
    name: str,
    method: Method,
    variables: Variables,
    course: Course | None,
    pretrain_seconds: float,
) -> Outcome:
    """Classify with fitted variables and score the test rows, once.

    A seed that diverged is classified with its last finite weights; `Outcome.course` marks it.

    Raises:
        LeakError: what an example's features are depends on the examples beside it.
    """
    experiment.reporter.note("classifying")
    compiler = experiment.compiler
    clock, compiled_before = time.perf_counter(), compiler.seconds
    fetched = experiment.plan.fetch(variables)
    features = None if method.log_probs is not None else features_of(experiment, method, variables)
    classified = _classify(experiment, name, method, variables, features)
    _require_evaluation_mode(experiment, name, method, fetched, features, classified)
    fidelity = None
    measures: dict[str, Float[np.ndarray, " seeds"]] = {}
    if method.reconstruct is not None:
        fidelity = reconstruction_fidelity(experiment, method.reconstruct, variables)
        measures["explained_variance"] = fidelity.explained_variance
    if method.objective is not None and not method.labelled and method.of is None:
        measures |= measures_of(experiment, method, variables, features)
    probe_seconds = time.perf_counter() - clock - (compiler.seconds - compiled_before)
    seconds = {"compile": compiler.take_seconds(), "pretrain": pretrain_seconds, "probe": probe_seconds}
    return Outcome(
        name=name,
        features=_width(experiment, method, variables, features),
        scores=score(classified.log_probs, experiment.dataset.labels[experiment.split.test]),
        reconstruction_mse=None if fidelity is None else fidelity.mse,
        measures=measures,
        reports=classified.reports,
        features_of=method.of,
        course=course,
        borrowed=False,
        variables=fetched,
        seconds=seconds,
        diagnosis=_diagnosis(experiment, method, variables, features),
    )


def _classify(
    experiment: Experiment, name: str, method: Method, variables: Variables, features: Features | None
) -> Classified:
    """By the method's own classifier, else by the one that the config asks for."""
    if features is None:
        assert method.log_probs is not None
        return Classified(at_rows(experiment, method.log_probs, variables, experiment.split.test))
    config = experiment.config.probe
    if config.probe == "finetune" and method.model is not None and method.of is None:
        tuned = finetune(experiment, f"{name}-finetune", method.model, variables)
        log_probs = at_rows(experiment, tuned.classifier.log_probs, tuned.variables, experiment.split.test)
        return Classified(log_probs, Reports(finetuned=tuned.report))
    labels = labels_seen(experiment.dataset.labels, experiment.split.labelled, permuted=method.permuted)
    return classify_features(experiment, classifier_of(config, method), *features, labels)


def _require_evaluation_mode(
    experiment: Experiment,
    name: str,
    method: Method,
    fetched: Variables,
    features: Features | None,
    classified: Classified,
) -> None:
    """Hold the first test rows' results to what they are side by side."""
    few = experiment.split.test[:TOGETHER]
    if features is None:
        assert method.log_probs is not None
        require_evaluation_mode(experiment, name, method.log_probs, fetched, classified.log_probs[0, :TOGETHER])
    else:
        alone = features.values[few] if features.shared else features.values[0, few]
        require_evaluation_mode(experiment, name, method.encode, fetched, experiment.plan.fetch_shared(alone))


def _width(experiment: Experiment, method: Method, variables: Variables, features: Features | None) -> int:
    """Numbers in one example's features."""
    if features is not None:
        return features.values.shape[-1]
    one = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), variables)
    inputs = jax.ShapeDtypeStruct((1, experiment.setting.features), np.float32)
    return jax.eval_shape(method.encode, one, inputs).shape[1]


def _diagnosis(
    experiment: Experiment, method: Method, variables: Variables, features: Features | None
) -> Diagnosis | None:
    """What the features look like; features that are another row's are described there."""
    if method.of is not None:
        return None
    if features is None:
        return diagnose_rows(experiment, lambda rows: at_rows(experiment, method.encode, variables, rows))
    return diagnose_rows(experiment, lambda rows: taken(experiment, *features, rows))


def report_found(experiment: Experiment, outcome: Outcome) -> None:
    """Show a method that an earlier attempt at this run has ended."""
    experiment.reporter.begin(outcome.name)
    if outcome.course is not None and not outcome.borrowed:
        experiment.reporter.epochs(outcome.course.epochs, float("nan"))
    experiment.reporter.end(f"{summary_line(outcome)}, from before")


def summary_line(outcome: Outcome) -> str:
    """What a progress display says of a method that has ended."""
    accuracy = 100 * outcome.scores.correct.mean()
    parts = [f"{outcome.features} features", f"test accuracy {accuracy:.2f} %"]
    if outcome.course is not None and not outcome.borrowed:
        diverged = int(np.count_nonzero(outcome.course.diverged_epoch))
        parts.append(f"{outcome.course.epochs} epochs")
        parts += [f"{diverged} seed(s) diverged"] if diverged else []
    return ", ".join([*parts, f"{sum(outcome.seconds.values()):.1f} s"])
