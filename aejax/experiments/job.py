"""The steps that all experiments share: read a finished run, or open its folder, fill it, and close it."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console

from aejax.config import CheckpointConfig
from aejax.experiments.checkpointing import WORKING_DIRS, ResultCache
from aejax.experiments.multihost import is_primary, require_same_run
from aejax.experiments.progress import ProgressReporter, open_reporter
from aejax.experiments.run_dir import load_finished, open_run_dir
from aejax.report.tracking import log_epochs, log_results, open_trackers, require_tracker_packages
from aejax.storage.run_identity import RunIdentity
from aejax.storage.run_state import RESULTS_FILE
from aejax.storage.runs import Run

FillRun = Callable[[Run, ResultCache], dict[str, Any]]  # writes a run's files and returns its results


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
