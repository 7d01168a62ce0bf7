"""`aejax study`: comparisons on many data sets, with several numbers of labels, and what they show together.

Each data set is a comparison with its label budgets in a folder of its own, which is resumed and skipped like any other
run. A study may grow: data sets and budgets that are added to its file are run, and the others are kept.
"""

import contextlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Int
from rich.console import Console

from aejax.config import CheckpointConfig
from aejax.config.experiment import parse_shard
from aejax.data.splits import make_split
from aejax.errors import InputError, require
from aejax.experiments.compare import ComparisonDesign, compare, load_comparison, prepare_comparison
from aejax.experiments.environment import command_line, describe_machine
from aejax.experiments.label_curve import compare_with_label_curve, find_largest_budget
from aejax.experiments.progress import SilentReporter, format_clock
from aejax.experiments.study_cells import budget_entries, cell_warnings, read_cells
from aejax.experiments.study_file import Study, StudyRun
from aejax.experiments.study_statistics import analyze_cells
from aejax.experiments.work import comparison_works
from aejax.report.page.blocks import PAGE_FILE
from aejax.report.run_page import write_page
from aejax.report.study_figures import STUDY_FIGURES
from aejax.report.study_table import render_study_markdown
from aejax.report.style import save_figure
from aejax.report.terminal import RunConsole
from aejax.storage.atomic_io import to_jsonable, write_atomically
from aejax.storage.results_file import read_results, write_results
from aejax.storage.run_folder import RESULTS_FILE, acquire_lock, identify_lock, make_output_folder, require_in_place
from aejax.storage.runs import CONFIG_FILE


class PlannedRun(NamedTuple):
    """What a comparison of a study will do; the arguments of `describe_plan`."""

    run: StudyRun
    design: ComparisonDesign
    label_budgets: tuple[int, ...]  # those for which every class has labels enough
    test_rows: Int[np.ndarray, "trainings n_test"]


def plan_run(run: StudyRun) -> PlannedRun:
    """Loads the data of a comparison and draws its split. Raises `InputError`, which names the data set."""
    try:
        design = load_comparison(run.config)
        split = make_split(design.dataset, design.config.split, design.config.seeds)
        largest = find_largest_budget(design, split)
    except InputError as error:
        raise InputError(f"{run.folder}: {error}") from None
    return PlannedRun(run, design, tuple(budget for budget in run.label_budgets if budget <= largest), split.test)


def plan_runs(runs: Sequence[StudyRun]) -> Iterator[PlannedRun]:
    """Yields the plan of each comparison. Raises as `plan_run`, or as a variant has other test rows than its set."""
    test_rows: dict[str, Int[np.ndarray, "trainings n_test"]] = {}
    for run in runs:  # data are loaded again when they are needed, as all of them may be large
        planned = plan_run(run)
        expected = test_rows.setdefault(run.dataset, planned.test_rows)
        require(
            np.array_equal(planned.test_rows, expected),
            f"{run.folder}: is tested on other rows than {run.dataset}; a [[variant]] changes neither seeds nor split",
        )
        yield planned


def estimate_seconds(planned: PlannedRun) -> float:
    """Returns roughly how many seconds a comparison and its label budgets take on two cores."""
    design, config = planned.design, planned.design.config
    experiment = prepare_comparison(design, SilentReporter())
    unlabelled = {name for name, method in design.methods.items() if not method.supervised}

    def total(known: set[str]) -> float:
        works = comparison_works(experiment, design.methods, config.tune, known)
        return sum(sum(work.seconds.values()) for work in works)

    return total(set()) + len(planned.label_budgets) * total(unlabelled)


def describe_plan(planned: PlannedRun, out: Path) -> dict[str, Any]:
    """Returns what `--list` shows of a comparison: sizes, budgets, and its seconds: measured, or else estimated."""
    run, dataset = planned.run, planned.design.dataset
    path = out / run.folder / RESULTS_FILE
    finished = read_results(path) if path.exists() else None
    have = {entry["labels_per_class"] for entry in budget_entries(finished or {})}
    is_complete = finished is not None and have.issuperset(planned.label_budgets)
    return {
        "name": run.folder,
        "dataset": dataset.name,
        "rows": len(dataset.labels),
        "features": dataset.inputs[0].size,
        "classes": dataset.n_classes,
        "methods": len(planned.design.methods),
        "label_budgets": list(planned.label_budgets),
        "left_out": [budget for budget in run.label_budgets if budget not in planned.label_budgets],
        "finished": is_complete,
        "seconds": _measured_seconds(finished) if finished and is_complete else estimate_seconds(planned),
    }


def _measured_seconds(results: dict[str, Any]) -> float:
    budgets = sum(entry.get("seconds", 0.0) for entry in budget_entries(results))
    return float(results["environment"]["seconds"] + budgets)


def list_study(study: Study, out: Path) -> Iterator[dict[str, Any]]:
    """Yields `describe_plan` of each comparison. Raises `InputError` where one cannot be run."""
    for planned in plan_runs(study.runs):
        yield describe_plan(planned, out)
        jax.clear_caches()


def run_study(
    study: Study,
    out: Path,
    console: Console,
    checkpoint: CheckpointConfig = CheckpointConfig(),
    shard: str | None = None,
) -> dict[str, Any] | None:
    """Runs the comparisons of a study and returns its results; what has finished is skipped.

    Settings and data of all comparisons are checked before the first is run. One that fails later is recorded in
    `not_run` of the results, and the others go on; the same call tries it again.

    Args:
        study: what to run.
        out: folder of the study; each comparison has a folder in it, with `label-curve/N` for N labels per class.
        console: for progress and messages.
        checkpoint: whether to replace earlier runs, and how often to save.
        shard: I/N: run the I-th of every N comparisons only, and return None.

    Raises:
        InputError: a comparison or the folder cannot be used, none could be run, one of a shard could not, or the
            folder was moved or deleted meanwhile.
        Preempted: a signal came; the same call continues.
    """
    start_time = time.perf_counter()
    runs = study.runs if shard is None else parse_shard(shard).select(study.runs)
    _check_folder(out, study)
    with acquire_lock(out) if shard is None else contextlib.nullcontext():  # shards may fill one folder
        lock = identify_lock(out) if shard is None else None
        runs = [planned.run._replace(label_budgets=planned.label_budgets) for planned in plan_runs(runs)]
        failures = dict(_run_all(runs, out, lock, console, checkpoint))
        if shard is not None:
            failed = [f"{name} ({reason})" for name, reason in failures.items()]
            require(not failed, f"--shard {shard}: not run: {'; '.join(failed)}; the same command tries them again")
            return None
        finished = [run for run in runs if run.folder not in failures]
        require(finished, f"no comparison could be run: {next(iter(failures.values()), '')}")
        results = _build_results(study, finished, out, failures, time.perf_counter() - start_time)
        _write_study(results, out)
        return results


def _check_folder(out: Path, study: Study) -> None:
    others = make_output_folder(out, (RESULTS_FILE, PAGE_FILE, "table.md", *STUDY_FIGURES))
    others -= {run.folder for run in study.runs}
    foreign = sorted(name for name in others if not (out / name / CONFIG_FILE).exists())
    require(not foreign, f"--out {out}: holds {foreign[:1]}, which is of no study; give another --out")


def _run_all(
    runs: Sequence[StudyRun],
    out: Path,
    lock_identity: tuple[int, int] | None,
    console: Console,
    checkpoint: CheckpointConfig,
) -> Iterator[tuple[str, str]]:
    """Runs every comparison; yields the name and the error of each that failed. Raises if `out` is no longer there."""
    start_time = time.perf_counter()
    verbose = isinstance(console, RunConsole) and console.output.verbose
    of_run = console if verbose else Console(quiet=True)
    for number, run in enumerate(runs, 1):
        require_in_place(out, lock_identity)  # the comparison would make it again
        passed = format_clock(time.perf_counter() - start_time)
        budgets = ", ".join(map(str, run.label_budgets))
        labels = f"{budgets} and all labels per class" if budgets else "all labels"
        console.print(f"{passed}  {number}/{len(runs)} {run.folder}: {labels}", soft_wrap=True)
        try:
            if run.label_budgets:
                compare_with_label_curve(run.config, run.label_budgets, out / run.folder, of_run, checkpoint)
            else:
                compare(run.config, out / run.folder, of_run, checkpoint)
        except InputError as error:
            console.print(f"{run.folder}: not run: {error}", soft_wrap=True)
            yield run.folder, str(error)
        jax.clear_caches()
    require_in_place(out, lock_identity)


def _build_results(
    study: Study, finished: Sequence[StudyRun], out: Path, failures: dict[str, str], seconds: float
) -> dict[str, Any]:
    """Returns `results.json` of a study."""
    cells = read_cells(finished, out)
    evaluation = study.config.evaluation
    measured = sum(_measured_seconds(read_results(out / run.folder / RESULTS_FILE)) for run in finished)
    return {
        "schema": 2,
        "kind": "study",
        "title": study.title,
        "metric": evaluation.metric,
        "margin": evaluation.margin,
        "config": study.declared,
        "environment": {"machine": describe_machine(), "command": command_line(), "seconds": max(seconds, measured)},
        "not_run": [{"name": name, "reason": reason} for name, reason in failures.items()],
        "warnings": [
            *(f"{name} was not run: {reason}" for name, reason in failures.items()),
            *cell_warnings(cells),
        ],
        **analyze_cells(cells, study.questions, evaluation),
    }


def _write_study(results: dict[str, Any], out: Path) -> None:
    """Writes `results.json`, `table.md`, the figures and `report.html`."""
    write_results(out / RESULTS_FILE, results)
    shown = to_jsonable(results)
    write_atomically(out / "table.md", render_study_markdown(shown).encode())
    for name, draw in STUDY_FIGURES.items():
        if (figure := draw(shown)) is not None:
            save_figure(figure, out / name)
    write_page(shown, out)
