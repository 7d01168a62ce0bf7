"""From trained variables to per-example scores: features, the probe, the test touched once."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from aejax.data.examples import Batch, Examples, map_rows
from aejax.data.scalers import Scaler
from aejax.evaluate.codes import explained_variance
from aejax.evaluate.metrics import Scores, score
from aejax.methods import Method
from aejax.models.parts import Variables
from aejax.objectives.reconstruction import per_example_mse
from aejax.run.classifying import Classified, Reports, classifier_of
from aejax.run.compiler import forget_programs, program_maker
from aejax.run.diagnosing import Diagnosis, diagnose_features
from aejax.run.encoding import Run, at_rows, rows_program
from aejax.run.experiment import Experiment
from aejax.run.features import has_codes, read_classifier, read_features
from aejax.run.heads import finetune
from aejax.run.keeping import Course
from aejax.run.training import optimizer_for, start, train_method
from aejax.train.plan import Plan


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


@program_maker
def _recon_program(plan: Plan, reconstruct: Run) -> Callable[..., Any]:
    """Mean squared reconstruction error and explained variance at given rows, for every seed."""

    def of_seed(variables: Variables, scaler: Scaler, rows: Array, examples: Examples) -> tuple[Array, Array]:
        def both(batch: Batch) -> tuple[Array, Array]:
            return reconstruct(variables, batch.inputs), batch.inputs

        recon, target = map_rows(both, examples, scaler, rows)
        return jnp.mean(per_example_mse(recon, target)), explained_variance(recon, target)

    return plan.over(of_seed, shared=(2, 3))


class Fidelity(NamedTuple):
    """How near a method's reconstructions of the test rows are."""

    mse: Float[np.ndarray, " seeds"]  # mean squared error, in squared scaled input units
    explained_variance: Float[np.ndarray, " seeds"]


def reconstruction_fidelity(experiment: Experiment, reconstruct: Run, variables: Variables) -> Fidelity:
    """Error and explained variance of every seed's reconstructions of the test rows."""
    program = _recon_program(experiment.plan, reconstruct)
    args = (variables, experiment.seed_scaler, experiment.test, experiment.examples)
    return Fidelity(*experiment.plan.fetch(experiment.compiler(program, *args)))


def reported_of(experiment: Experiment, method: Method, variables: Variables) -> dict[str, Float[np.ndarray, " seeds"]]:
    """What a method's kind reports of the test rows, mean over them; nothing where it reports nothing."""
    if method.report is None:
        return {}
    program = rows_program(experiment.plan, method.report)
    args = (variables, experiment.seed_scaler, experiment.test, experiment.examples)
    reported = experiment.plan.fetch(experiment.compiler(program, *args))
    return {name: values.mean(axis=1, dtype=np.float64) for name, values in reported.items()}


def fit_and_score(experiment: Experiment, name: str, method: Method, lender: Outcome | None = None) -> Outcome:
    """Start, train if it trains, encode, classify, score: the whole of one method for every seed.

    With a `lender`, which has the same features, its variables are taken as they are.
    """
    experiment.reporter.begin(name)
    if lender is not None:
        borrowed = experiment.plan.put_seeded(lender.variables)
        outcome = score_method(experiment, name, method, borrowed, lender.course, 0.0)._replace(borrowed=True)
        experiment.reporter.end(summary_line(outcome))
        forget_programs(experiment.examples)
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
    forget_programs(experiment.examples)
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
    tuned = _finetuned(experiment, name, method, variables)
    if method.log_probs is not None:
        read = read_classifier(experiment, name, method, variables, fetched)
    else:
        classifier = None if tuned else classifier_of(experiment.config.probe, method)
        read = read_features(experiment, name, method, fetched, classifier)
    fidelity = None
    measures: dict[str, Float[np.ndarray, " seeds"]] = {}
    if method.reconstruct is not None:
        fidelity = reconstruction_fidelity(experiment, method.reconstruct, variables)
        measures["explained_variance"] = fidelity.explained_variance
    if has_codes(method):
        measures |= read.measures | reported_of(experiment, method, variables)
    probe_seconds = time.perf_counter() - clock - (compiler.seconds - compiled_before)
    seconds = {"compile": compiler.take_seconds(), "pretrain": pretrain_seconds, "probe": probe_seconds}
    classified = tuned or read.classified
    assert classified is not None
    return Outcome(
        name=name,
        features=read.width,
        scores=score(classified.log_probs, experiment.dataset.labels[experiment.split.test]),
        reconstruction_mse=None if fidelity is None else fidelity.mse,
        measures=measures,
        reports=classified.reports,
        features_of=method.of,
        course=course,
        borrowed=False,
        variables=fetched,
        seconds=seconds,
        diagnosis=None if read.diagnosed is None else diagnose_features(experiment, read.diagnosed),
    )


def _finetuned(experiment: Experiment, name: str, method: Method, variables: Variables) -> Classified | None:
    """What a fine-tuned encoder says of the test rows, where the config asks for that and the method has one."""
    wanted = experiment.config.probe.probe == "finetune" and method.log_probs is None
    if not wanted or method.model is None or method.of is not None:
        return None
    tuned = finetune(experiment, f"{name}-finetune", method.model, variables)
    log_probs = at_rows(experiment, tuned.classifier.log_probs, tuned.variables, experiment.split.test)
    return Classified(log_probs, Reports(finetuned=tuned.report))


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
