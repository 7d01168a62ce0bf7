"""What all experiments share: the identity of a run; a finished one is read, or else its folder is filled."""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console

from aejax.config import CheckpointConfig, CompareConfig, ExperimentConfig, SweepConfig, absent_values, to_dict
from aejax.data.dataset import Dataset
from aejax.experiments.checkpointing import WORKING_DIRS, ResultCache
from aejax.experiments.experiment import Experiment
from aejax.experiments.multihost import is_primary, require_same_run
from aejax.experiments.progress import ProgressReporter, open_reporter
from aejax.experiments.run_dir import load_finished, open_run_dir
from aejax.methods.external import Representation
from aejax.report.tracking import log_epochs, log_results, open_trackers, require_tracker_packages
from aejax.storage.run_identity import RunIdentity
from aejax.storage.run_state import RESULTS_FILE
from aejax.storage.runs import Run

FillRun = Callable[[Run, ResultCache], dict[str, Any]]  # writes a run's files and returns its results
COMPARISON_PROTOCOL = 2  # of comparisons and sweeps: 1 until version 0.1.0, 2 with the methods and designs since


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
    require_tracker_packages(checkpoint.track)
    require_same_run(job.identity.settings, job.identity.hashes)
    finished = load_finished(out, job.identity, checkpoint, console, job.results_file, job.remove)
    if finished is not None:
        return finished
    with open_reporter(console) as reporter:
        fill = job.prepare(reporter)
        reporter.describe("folder", str(out))
        trackers = checkpoint.track if is_primary() else ()
        with (
            open_run_dir(out, job.identity, checkpoint, console, start_time) as (run, result_cache),
            open_trackers(trackers, run.folder, job.identity.settings) as opened,
        ):
            run.metrics_listeners += [functools.partial(log_epochs, tracker) for tracker in opened]
            results = fill(run, result_cache)
            result_cache.flush()
            run.finish(results, remove=job.remove, results_file=job.results_file)
            for tracker in opened:
                log_results(tracker, results, run.folder)
    return results


def hash_data(dataset: Dataset) -> dict[str, str]:
    """Returns the SHA-256 of the examples, and of their names, by name in `HASH_SUBJECTS`."""
    names: list[Any] = [dataset.class_names, dataset.feature_names]
    if dataset.table is not None:  # one-hot categories are names of features, too; the codes of others are only here
        names.append([[column.name, column.categories] for column in dataset.table.columns])
    digest = hashlib.sha256(json.dumps(names).encode()).hexdigest()
    hashes = {"data": dataset.sha256, "names": digest}
    return hashes if dataset.stream is None else {**hashes, "stream": dataset.stream.fingerprint}


def identify_run(
    config: ExperimentConfig, dataset: Dataset, representations: Mapping[str, Representation] | None = None
) -> RunIdentity:
    """Returns the identity of a run of a resolved config on this dataset, with representations of the user's."""
    hashes = hash_data(dataset)
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
