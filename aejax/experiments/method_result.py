"""From trained variables to per-example scores: features, the probe, the test touched once."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from aejax.data.batching import Batch, Examples, map_rows
from aejax.data.scalers import Scaler
from aejax.evaluate.code_metrics import explained_variance
from aejax.evaluate.metrics import Scores, score_predictions
from aejax.experiments.checkpointing import TrainingHistory
from aejax.experiments.compilation import cached_jit, clear_compiled
from aejax.experiments.experiment import Experiment
from aejax.experiments.feature_evaluation import evaluate_features, evaluate_own_classifier, has_own_codes
from aejax.experiments.feature_extraction import ApplyFn, apply_to_rows, row_program
from aejax.experiments.finetune import finetune
from aejax.experiments.probes import ClassifierReport, Predictions, classifier_name
from aejax.experiments.representation_metrics import RepresentationMetrics, evaluate_representation
from aejax.experiments.training import init_variables, optimizer_for, train_method
from aejax.methods import Method, Role
from aejax.models.submodules import Variables
from aejax.objectives.reconstruction import per_example_mse
from aejax.train.plan import Plan


class MethodResult(NamedTuple):
    """Everything a comparison needs of one method, on the host."""

    name: str
    width: int  # width of what was classified
    scores: Scores
    reconstruction_mse: Float[np.ndarray, " seeds"] | None
    measures: dict[str, Float[np.ndarray, " seeds"]]  # by name, what else is said of an autoencoder
    classifier_report: ClassifierReport  # how it was classified
    features_of: str | None  # the method that has the same features, where it is another one
    history: TrainingHistory | None  # of its training, if it has one
    shared_training: bool  # the training is another row's
    variables: Variables  # of every seed, as they were classified
    seconds: dict[str, float]  # compile, pretrain, probe
    representation: RepresentationMetrics | None  # of its features, unless they are another method's
    role: Role = "control"  # of the method; results that version 0.1.0 kept have none


@cached_jit
def _reconstruction_program(plan: Plan, reconstruct: ApplyFn) -> Callable[..., Any]:
    """Mean squared reconstruction error and explained variance at given rows, for every seed."""

    def of_seed(variables: Variables, scaler: Scaler, rows: Array, examples: Examples) -> tuple[Array, Array]:
        def both(batch: Batch) -> tuple[Array, Array]:
            return reconstruct(variables, batch.inputs), batch.inputs

        recon, target = map_rows(both, examples, scaler, rows)
        return jnp.mean(per_example_mse(recon, target)), explained_variance(recon, target)

    return plan.map_seeds(of_seed, replicated_argnums=(2, 3))


class ReconstructionMetrics(NamedTuple):
    """How near a method's reconstructions of the test rows are."""

    mse: Float[np.ndarray, " seeds"]  # mean squared error, in squared scaled input units
    explained_variance: Float[np.ndarray, " seeds"]


def evaluate_reconstruction(
    experiment: Experiment, reconstruct: ApplyFn, variables: Variables
) -> ReconstructionMetrics:
    """Error and explained variance of every seed's reconstructions of the test rows."""
    program = _reconstruction_program(experiment.plan, reconstruct)
    args = (variables, experiment.device_scaler, experiment.test_rows, experiment.examples)
    return ReconstructionMetrics(*experiment.plan.to_host(experiment.compiler(program, *args)))


def evaluate_method_report(
    experiment: Experiment, method: Method, variables: Variables
) -> dict[str, Float[np.ndarray, " seeds"]]:
    """What a method's kind reports of the test rows, mean over them; nothing where it reports nothing."""
    if method.extra_metrics is None:
        return {}
    program = row_program(experiment.plan, method.extra_metrics)
    args = (variables, experiment.device_scaler, experiment.test_rows, experiment.examples)
    reported = experiment.plan.to_host(experiment.compiler(program, *args))
    return {name: values.mean(axis=1, dtype=np.float64) for name, values in reported.items()}


def fit_and_score(
    experiment: Experiment, name: str, method: Method, shared_from: MethodResult | None = None
) -> MethodResult:
    """Start, train if it trains, encode, classify, score: the whole of one method for every seed.

    With a `lender`, which has the same features, its variables are taken as they are.
    """
    experiment.reporter.start_method(name)
    if shared_from is not None:
        borrowed = experiment.plan.shard(shared_from.variables)
        outcome = score_method(experiment, name, method, borrowed, shared_from.history, 0.0)._replace(
            shared_training=True
        )
        experiment.reporter.finish_method(summary_line(outcome))
        clear_compiled(experiment.examples)
        return outcome
    clock = time.perf_counter()
    variables = init_variables(experiment, method)
    trained = None
    if method.objective is not None:
        trained = train_method(experiment, name, method, optimizer_for(experiment, method), variables)
    if trained is not None:
        variables = trained.progress.best if method.supervised else trained.progress.state.variables
    jax.block_until_ready(variables)
    seconds = time.perf_counter() - clock - experiment.compiler.seconds
    outcome = score_method(experiment, name, method, variables, trained and trained.history, seconds)
    experiment.reporter.finish_method(summary_line(outcome))
    clear_compiled(experiment.examples)
    return outcome


def score_method(
    experiment: Experiment,
    name: str,
    method: Method,
    variables: Variables,
    history: TrainingHistory | None,
    pretrain_seconds: float,
) -> MethodResult:
    """Classify with fitted variables and score the test rows, once.

    A seed that diverged is classified with its last finite weights; `Outcome.course` marks it.

    Raises:
        LeakError: what an example's features are depends on the examples beside it.
    """
    experiment.reporter.set_status("classifying")
    compiler = experiment.compiler
    clock, compiled_before = time.perf_counter(), compiler.seconds
    fetched = experiment.plan.to_host(variables)
    tuned = _finetune_and_predict(experiment, name, method, variables)
    if method.log_probs is not None:
        read = evaluate_own_classifier(experiment, name, method, variables, fetched)
    else:
        classifier = None if tuned else classifier_name(experiment.config.probe, method)
        read = evaluate_features(experiment, name, method, fetched, classifier)
    fidelity = None
    measures: dict[str, Float[np.ndarray, " seeds"]] = {}
    if method.reconstruct is not None:
        fidelity = evaluate_reconstruction(experiment, method.reconstruct, variables)
        measures["explained_variance"] = fidelity.explained_variance
    if has_own_codes(method):
        measures |= read.measures | evaluate_method_report(experiment, method, variables)
    probe_seconds = time.perf_counter() - clock - (compiler.seconds - compiled_before)
    seconds = {"compile": compiler.pop_seconds(), "pretrain": pretrain_seconds, "probe": probe_seconds}
    classified = tuned or read.predictions
    assert classified is not None
    return MethodResult(
        name=name,
        width=read.width,
        scores=score_predictions(classified.log_probs, experiment.dataset.labels[experiment.split.test]),
        reconstruction_mse=None if fidelity is None else fidelity.mse,
        measures=measures,
        classifier_report=classified.classifier_report,
        features_of=method.features_of,
        history=history,
        shared_training=False,
        variables=fetched,
        seconds=seconds,
        representation=None
        if read.diagnostic_features is None
        else evaluate_representation(experiment, read.diagnostic_features),
        role=method.role,
    )


def _finetune_and_predict(
    experiment: Experiment, name: str, method: Method, variables: Variables
) -> Predictions | None:
    """What a fine-tuned encoder says of the test rows, where the config asks for that and the method has one."""
    wanted = experiment.config.probe.probe == "finetune" and method.log_probs is None
    if not wanted or method.model is None or method.features_of is not None:
        return None
    tuned = finetune(experiment, f"{name}-finetune", method.model, variables)
    log_probs = apply_to_rows(experiment, tuned.classifier.log_probs, tuned.variables, experiment.split.test)
    return Predictions(log_probs, ClassifierReport(finetuned=tuned.report))


def report_cached(experiment: Experiment, result: MethodResult) -> None:
    """Show a method that an earlier attempt at this run has ended."""
    experiment.reporter.start_method(result.name)
    if result.history is not None and not result.shared_training:
        experiment.reporter.advance(result.history.epochs, float("nan"))
    experiment.reporter.finish_method(f"{summary_line(result)}, from before")


def summary_line(result: MethodResult) -> str:
    """What a progress display says of a method that has ended."""
    accuracy = 100 * result.scores.correct.mean()
    parts = [f"{result.width} features", f"test accuracy {accuracy:.2f} %"]
    if result.history is not None and not result.shared_training:
        diverged = int(np.count_nonzero(result.history.diverged_epoch))
        parts.append(f"{result.history.epochs} epochs")
        parts += [f"{diverged} seed(s) diverged"] if diverged else []
    return ", ".join([*parts, f"{sum(result.seconds.values()):.1f} s"])
