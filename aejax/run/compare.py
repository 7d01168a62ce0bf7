"""The main job: every method on the same splits, with the same probe and the same budget."""

import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

from aejax.config import CompareConfig, to_dict
from aejax.data.sources import load
from aejax.methods import METHODS, Method
from aejax.report.table import markdown_table
from aejax.run.assemble import declared_pairs, metric_rows, results, scores_npz
from aejax.run.experiment import Experiment, prepare, setting_of
from aejax.run.guards import require_choice
from aejax.run.pictures import draw_comparison
from aejax.run.progress import reporting
from aejax.run.resolve import check_methods, expand_methods, resolve
from aejax.run.scoring import Outcome, fit_and_score
from aejax.run.training import total_epochs
from aejax.store.runs import begin_run, close_run, finished_run, write_atomically


def fit_all(experiment: Experiment, methods: dict[str, Method]) -> Iterator[Outcome]:
    """Every method's outcome. Methods that have the same features are trained once, under the first one's name.

    A method that gives its features to others comes before them, wherever it stands in the table.
    """
    lenders: dict[str, Outcome] = {}
    for name in sorted(methods, key=lambda name: methods[name].of in methods):
        features_of = methods[name].of or name
        outcome = fit_and_score(experiment, name, methods[name], lenders.get(features_of))
        lenders.setdefault(features_of, outcome)
        yield outcome


def compare(config: CompareConfig, out: Path, console: Console, *, overwrite: bool = False) -> dict[str, Any]:
    """Run a comparison into a folder and return its results; a finished run of the same config is just read.

    Args:
        config: what to compare.
        out: the run folder.
        console: where progress goes.
        overwrite: replace another run in that folder.

    Raises:
        InputError: what is asked for cannot be done; nothing has been trained.
    """
    began = time.perf_counter()
    check_methods(config.methods)
    dataset = load(config.data)
    config = dataclasses.replace(resolve(config, dataset), methods=expand_methods(config.methods, dataset))
    if finished := finished_run(out, to_dict(config), overwrite=overwrite):
        console.print(f"{out} holds this run already; --overwrite makes it again", highlight=False, soft_wrap=True)
        return finished.results()
    setting = setting_of(config, dataset)
    methods = {name: METHODS[name](setting) for name in config.methods}
    trainings = {method.of or name: method for name, method in methods.items()}
    epochs = sum(total_epochs(config, method) for method in trainings.values())
    with reporting(console, total_epochs=epochs) as reporter:
        experiment = prepare(config, dataset, reporter)
        require_choice(experiment, methods)
        run = begin_run(out, to_dict(config))
        scored = []
        for outcome in fit_all(experiment, methods):
            if outcome.trained is not None and not outcome.borrowed:
                run.append_metrics(metric_rows(outcome.name, outcome.trained))
            scored.append(outcome)
    scored.sort(key=lambda outcome: config.methods.index(outcome.name))
    outcomes = [(outcome, methods[outcome.name]) for outcome in scored]
    pairs, seconds = declared_pairs(config.methods), time.perf_counter() - began
    found = results(experiment, scored, pairs, seconds, margin=config.evaluation.margin)
    write_atomically(out / "scores.npz", scores_npz(scored))
    draw_comparison(experiment, outcomes, found, out)
    write_atomically(out / "table.md", markdown_table(found).encode())
    close_run(run, found)
    return found
