"""Compilation of the programs of later methods in a thread, while earlier methods train and are classified.

`jit` finds what was compiled ahead of time for arguments of equal shapes, dtypes and shardings. Nothing is computed
here, so that results do not depend on it.
"""

import concurrent.futures
import contextlib
from collections.abc import Callable, Iterator, Mapping

import jax

from aejax.data.label_budget import make_seed_labels
from aejax.experiments.compilation import Stopwatch
from aejax.experiments.experiment import Experiment
from aejax.experiments.feature_extraction import compile_features
from aejax.experiments.host_memory import is_large
from aejax.experiments.probes import classifier_name, compile_classifier
from aejax.experiments.schedule import is_finetuned
from aejax.experiments.training import compile_init, compile_training
from aejax.methods.method import Method

CompileSeconds = Callable[[str], float]  # from the name of a method; waits until its programs are compiled


@contextlib.contextmanager
def compile_ahead(experiment: Experiment, methods: Mapping[str, Method]) -> Iterator[CompileSeconds]:
    """Starts to compile the training and the probe of every method, in order, in one thread.

    Yields a function that waits for a method's programs, returns the seconds that they took, and raises what compiling
    them raised. Large data, several processes and runs without `jit` compile nothing ahead: programs would fill the
    memory, or processes could wait for one another.
    """
    if is_large(experiment.examples) or jax.process_count() > 1 or jax.config.jax_disable_jit:  # type: ignore[attr-defined]
        yield lambda name: 0.0
        return
    executor = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="compile-ahead")
    try:
        futures = {
            name: executor.submit(_compile_method, experiment, method)
            for name, method in methods.items()
            if _is_compiled_ahead(method) and not experiment.result_cache.has_result(name)
        }

        def wait(name: str) -> float:
            return futures[name].result() if name in futures else 0.0

        yield wait
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


def _is_compiled_ahead(method: Method) -> bool:
    """Returns whether a method is no classifier that chooses its settings, and makes features on the devices."""
    return not method.supervised and method.fit_predict is None and method.make_features is None


def _compile_method(experiment: Experiment, method: Method) -> float:
    watch = Stopwatch()
    variables = compile_init(experiment, method)
    if method.objective is not None and method.features_of is None and not method.stages:
        compile_training(experiment, method, variables)
    if method.log_probs is None and not method.candidate_widths and not is_finetuned(experiment.config, method):
        chunk, split = experiment.plan.chunks()[0], experiment.split
        features = compile_features(experiment, chunk, method, variables)
        labels = make_seed_labels(experiment.dataset.labels, split.labelled, permuted=False)
        compile_classifier(experiment, chunk, classifier_name(experiment.config.probe, method), features, labels)
    return watch.compile_seconds
