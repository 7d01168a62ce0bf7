"""One kind of autoencoder at every combination of some settings: the frontier of reconstruction and accuracy."""

import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

from aejax.config import SweepConfig, to_dict
from aejax.config.axes import parse_axes, rows_at_once
from aejax.data.sources import load
from aejax.methods import Method
from aejax.report.frontier import frontier
from aejax.report.style import save
from aejax.report.sweep_table import markdown_sweep
from aejax.run.assemble import method_entry, metric_rows, scores_npz
from aejax.run.experiment import Experiment, prepare, setting_of
from aejax.run.progress import reporting
from aejax.run.resolve import resolve
from aejax.run.scoring import Outcome, fit_and_score
from aejax.run.sweeping.assemble import Entry, point_entry, sweep_results
from aejax.run.sweeping.points import Group, choose_kind, groups_of, points_of
from aejax.run.sweeping.references import references_of
from aejax.run.sweeping.together import at_group, method_at, outcomes_of
from aejax.run.training import optimizer_for, total_epochs
from aejax.store.runs import Run, begin_run, close_run, finished_run, write_atomically
from aejax.train.plan import make_plan


def sweep(config: SweepConfig, out: Path, console: Console, *, overwrite: bool = False) -> dict[str, Any]:
    """Run a sweep into a folder and return its results; a finished run of the same config is just read.

    Args:
        config: what to sweep, and over what.
        out: the run folder.
        console: where progress goes.
        overwrite: replace another run in that folder.

    Raises:
        InputError: what is asked for cannot be done; nothing has been trained.
    """
    began = time.perf_counter()
    axes = parse_axes(config.axis)
    dataset = load(config.data)
    points = points_of(config, axes, dataset)
    groups = groups_of(points, axes)
    kind = choose_kind(config, axes, dataset)
    resolved = dataclasses.replace(resolve(config, dataset), method=kind)
    if finished := finished_run(out, to_dict(resolved), overwrite=overwrite):
        console.print(f"{out} holds this run already; --overwrite makes it again", highlight=False, soft_wrap=True)
        return finished.results()
    methods = [method_at(kind, group, setting_of(group.points[0].config, dataset)) for group in groups]
    trainings = list(zip(groups, methods, strict=True))
    references = references_of(kind, axes, groups, dataset)
    plan = dataclasses.replace(make_plan(config.plan, rows_at_once(config)), seeds=config.seeds)
    epochs = sum(total_epochs(group.points[0].config, method) for group, method in trainings)
    with reporting(console, total_epochs=epochs) as reporter:
        experiment = prepare(resolved, dataset, reporter, plan)
        for group, method in trainings:
            optimizer_for(at_group(experiment, group), method)  # refuses a schedule that does not fit any group
        run = begin_run(out, to_dict(resolved))
        held = [refer(experiment, name, method) for name, method in references.methods.items()]
        swept = [scored for group, method in trainings for scored in score_group(experiment, group, method, run)]
    place = {point.name: index for index, point in enumerate(points)}
    swept.sort(key=lambda scored: place[scored[0]["name"]])  # as the axes were given, however they were trained
    found = sweep_results(experiment, axes, groups, swept, held, references.of_point)
    found["environment"]["seconds"] = time.perf_counter() - began
    write_atomically(out / "scores.npz", scores_npz([outcome for _, outcome in [*held, *swept]]))
    save(frontier(found), out / "frontier.png")
    write_atomically(out / "table.md", markdown_sweep(found).encode())
    close_run(run, found)
    return found


def refer(experiment: Experiment, name: str, method: Method) -> tuple[Entry, Outcome]:
    """One of the methods that points are held against: its entry, and what statistics need."""
    outcome = fit_and_score(experiment, name, method)
    return method_entry(outcome), without_weights(outcome)


def score_group(experiment: Experiment, group: Group, method: Method, run: Run) -> Iterator[tuple[Entry, Outcome]]:
    """The same of every point of a group, its epochs written to the run."""
    for point, outcome in outcomes_of(experiment, group, method):
        assert outcome.trained is not None
        run.append_metrics(metric_rows(point.name, outcome.trained))
        yield point_entry(point, outcome), without_weights(outcome)


def without_weights(outcome: Outcome) -> Outcome:
    """What statistics need: a sweep would fill the memory with the weights of all of its points."""
    return outcome._replace(variables={}, trained=None)
