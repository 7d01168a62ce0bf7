"""What all experiments share: the identity of a run, and its folder.

A finished run is read. Otherwise its folder is locked, filled, and marked with the state in which it ended. Of several
processes the primary reads and writes for all.
"""

import contextlib
import dataclasses
import functools
import hashlib
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from rich.console import Console

from aejax.config import CheckpointConfig, CompareConfig, ExperimentConfig, SweepConfig, absent_values, to_dict
from aejax.data.dataset import Dataset
from aejax.errors import InputError
from aejax.evaluate.metrics import Scores
from aejax.evaluate.tuning import TuningReport
from aejax.experiments.checkpointing import (
    RESULT_CACHE_DIR,
    WORKING_DIRS,
    ResultCache,
    TrainingHistory,
)
from aejax.experiments.classifier_training import ClassifierSelection
from aejax.experiments.environment import provenance
from aejax.experiments.experiment import Experiment
from aejax.experiments.method_result import MethodResult
from aejax.experiments.multihost import broadcast_from_primary, is_primary, raise_on_lost_process, require_same_run
from aejax.experiments.preemption import call_before_exit
from aejax.experiments.probes import ClassifierReport, FinetuneReport, KNNReport, ProbeReport, TopUnitsReport
from aejax.experiments.progress import ProgressReporter, open_reporter
from aejax.experiments.representation_metrics import RepresentationMetrics
from aejax.methods.external import Representation
from aejax.methods.registry import registered_kinds
from aejax.report.tracking import log_epochs, log_results, open_trackers, require_tracker_packages
from aejax.storage.manifest import CorruptedFileError
from aejax.storage.pytree_io import load_tree
from aejax.storage.run_folder import RESULTS_FILE
from aejax.storage.run_identity import FUNCTIONS_KEY, RunIdentity
from aejax.storage.runs import Run, load_finished_results, open_run
from aejax.storage.serialization import classes_by_name, deserialize

FillRun = Callable[[Run, ResultCache], dict[str, Any]]  # writes a run's files and returns its results
COMPARISON_PROTOCOL = 2  # of comparisons and sweeps: 1 until version 0.1.0, 2 with the methods and designs since
RECORD_CLASSES = classes_by_name(
    MethodResult,
    Scores,
    TrainingHistory,
    RepresentationMetrics,
    ClassifierReport,
    TopUnitsReport,
    ProbeReport,
    KNNReport,
    FinetuneReport,
    ClassifierSelection,
    TuningReport,
)  # the only classes that are built from saved results


class Job(NamedTuple):
    """An experiment that fills one run folder."""

    identity: RunIdentity  # a folder with the same identity holds the same run
    prepare: Callable[[ProgressReporter], FillRun]  # checks everything that can be checked before the folder is opened
    results_file: str = RESULTS_FILE  # written last: a folder that has it is complete
    remove: tuple[str, ...] = WORKING_DIRS  # folders that a finished run does not need


def run_job(job: Job, out: Path, console: Console, checkpoint: CheckpointConfig, start_time: float) -> dict[str, Any]:
    """Fills the run folder `out` and returns the results; reads them if the folder has them already.

    Args:
        job: what to do.
        out: the run folder.
        console: for progress and messages.
        checkpoint: whether to replace an earlier run, and how often to save.
        start_time: `time.perf_counter()` when this attempt began.

    Raises:
        InputError: the settings or the folder cannot be used; nothing has been trained.
        Preempted: a signal came; the same call continues the run.
    """
    identity, settings = job.identity, job.identity.settings
    require_tracker_packages(checkpoint.track)
    require_same_run(settings, identity.hashes)
    load = functools.partial(load_finished_results, results_file=job.results_file, remove=job.remove)
    finished = broadcast_from_primary(lambda: load(out, identity, overwrite=checkpoint.overwrite))
    if finished is not None:
        _print_line(console, f"{out} holds this run already; --overwrite makes it again")
        return finished
    with open_reporter(console) as reporter:
        fill = job.prepare(reporter)
        reporter.describe("folder", str(out))
        trackers = checkpoint.track if is_primary() else ()
        with (
            open_run_dir(out, identity, checkpoint, console, start_time) as (run, result_cache),
            open_trackers(trackers, run.folder, settings) as opened,
        ):
            run.metrics_listeners += [functools.partial(log_epochs, tracker) for tracker in opened]
            results = fill(run, result_cache)
            result_cache.flush()
            run.finish(results, results_file=job.results_file, remove=job.remove)
            for tracker in opened:
                log_results(tracker, results, run.folder)
    return results


@contextlib.contextmanager
def open_run_dir(
    out: Path, identity: RunIdentity, checkpoint: CheckpointConfig, console: Console, start_time: float
) -> Iterator[tuple[Run, ResultCache]]:
    """Yields the locked folder and its saved results; everything is written when the block has ended.

    Of several processes only the primary writes the folder. The others do the same work in a temporary folder. The
    arguments are those of `run_job`.

    Raises:
        InputError: another process fills the folder, or it cannot be written.
        ProcessLost: another process of this run has ended.
    """
    with contextlib.ExitStack() as stack:
        runs: list[Run] = []

        def begin() -> None:
            opened = open_run(out, identity, overwrite=checkpoint.overwrite, attempt_info=provenance())
            run = stack.enter_context(opened)
            run.figure_format = checkpoint.figure_format
            stack.enter_context(call_before_exit(lambda: run.set_state("interrupted")))
            runs.append(run)

        broadcast_from_primary(begin)
        if not runs:
            scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="aejax-process-"))
            runs.append(stack.enter_context(open_run(Path(scratch) / "run", identity)))
        run = runs[0]
        run.start_time = start_time
        if is_primary():
            if run.resumed:
                _print_line(console, f"{out}: goes on where it was interrupted")
            if run.warning:
                _print_line(console, f"{out}: {run.warning}")
        cache = ResultCache(run, checkpoint, RECORD_CLASSES, lambda line: _print_line(console, line))
        try:
            with raise_on_lost_process():
                yield run, cache
        except BaseException:
            with contextlib.suppress(InputError):  # the error that ended the block is reported
                cache.flush()
            raise
        cache.flush()


def _print_line(console: Console, line: str) -> None:
    console.print(line, highlight=False, soft_wrap=True)


def load_kept_result(folder: Path, name: str) -> Any:
    """Returns the result of a method that a run kept, or None if it kept none or the files are damaged."""

    def load() -> Any:
        kept = folder / RESULT_CACHE_DIR / name
        try:
            return deserialize(load_tree(kept), RECORD_CLASSES) if kept.exists() else None
        except CorruptedFileError:
            return None

    return broadcast_from_primary(load, RECORD_CLASSES)


def hash_data(dataset: Dataset) -> dict[str, str]:
    """Returns the SHA-256 of the examples, and of their names, by name in `HASH_SUBJECTS`."""
    names: list[Any] = [dataset.class_names, dataset.feature_names]
    if dataset.table is not None:  # one-hot categories are names of features, too; the codes of others are only here
        names.append([[column.name, column.categories] for column in dataset.table.columns])
    digest = hashlib.sha256(json.dumps(names).encode()).hexdigest()
    hashes = {"data": dataset.sha256, "names": digest}
    return hashes if dataset.stream is None else {**hashes, "stream": dataset.stream.fingerprint}


def hash_own_functions(methods: Iterable[str], made: Mapping[str, str] = MappingProxyType({})) -> dict[str, str]:
    """Returns the SHA-256 of the user's functions, if there are any, by name in `HASH_SUBJECTS`.

    Args:
        methods: names of methods; counted are the kinds of autoencoder among them that the user has registered.
        made: SHA-256 of functions and transformers that make features, by name.
    """
    functions = {**registered_kinds(methods), **made}
    digest = hashlib.sha256(json.dumps(sorted(functions.items())).encode()).hexdigest()
    return {FUNCTIONS_KEY: digest} if functions else {}


def identify_run(
    config: ExperimentConfig,
    dataset: Dataset,
    methods: Iterable[str],
    representations: Mapping[str, Representation] | None = None,
) -> RunIdentity:
    """Returns the identity of a run of a resolved config on this dataset.

    Args:
        config: resolved.
        dataset: the examples.
        methods: names of what is trained; kinds that the user has registered are identified by their functions.
        representations: of the user's, by name.
    """
    made = {name: one.function_sha256 for name, one in (representations or {}).items() if one.function_sha256}
    hashes = hash_data(dataset) | hash_own_functions(methods, made)
    if representations:
        named = sorted((name, one.sha256) for name, one in representations.items())
        hashes["representations"] = hashlib.sha256(json.dumps(named).encode()).hexdigest()
    protocol = COMPARISON_PROTOCOL if isinstance(config, CompareConfig | SweepConfig) else 1
    return RunIdentity(to_dict(config), hashes, absent_values(type(config)()), protocol)


def open_experiment(experiment: Experiment, run: Run, cache: ResultCache) -> Experiment:
    """Returns the experiment with what an earlier attempt at the run saved.

    Raises:
        InputError: the earlier attempt drew another split, as another version may.
    """
    run.require_hash("split", experiment.split.sha256)
    warnings = (run.warning,) if run.warning else ()
    attempts = tuple(run.describe_attempts())
    return dataclasses.replace(experiment, result_cache=cache, attempts=attempts, run_warnings=warnings)
