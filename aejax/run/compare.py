"""The main job: every method on the same splits, with the same probe and the same budget."""

import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

from aejax.config import CompareConfig, KeepingConfig, to_dict
from aejax.data.sources import load
from aejax.methods import METHODS, Method
from aejax.report.table import markdown_table
from aejax.run.assemble import declared_pairs, metric_rows, results, scores_npz
from aejax.run.experiment import Experiment, prepare, setting_of
from aejax.run.folder import filling, finished
from aejax.run.guards import require_choice
from aejax.run.keeping import WORKING
from aejax.run.pictures import draw_comparison
from aejax.run.processes import in_turn
from aejax.run.progress import reporting
from aejax.run.resolve import check_methods, expand_methods, resolve
from aejax.run.scoring import Outcome, fit_and_score, report_found
from aejax.run.training import total_epochs
from aejax.store.files import write_atomically


def fit_all(experiment: Experiment, methods: dict[str, Method]) -> Iterator[Outcome]:
    """Every method's outcome. Methods that have the same features are trained once, under the first one's name.

    A method that gives its features to others comes before them, wherever it stands in the table.
    """
    lenders: dict[str, Outcome] = {}
    for name in sorted(methods, key=lambda name: methods[name].of in methods):
        features_of = methods[name].of or name
        outcome = experiment.keeper.found(name)
        if outcome is None:
            outcome = fit_and_score(experiment, name, methods[name], lenders.get(features_of))
            experiment.keeper.keep(name, outcome)
        else:
            report_found(experiment, outcome)
        lenders.setdefault(features_of, outcome)
        yield outcome


def compare(
    config: CompareConfig, out: Path, console: Console, keeping: KeepingConfig = KeepingConfig()
) -> dict[str, Any]:
    """Run a comparison into a folder and return its results.

    A finished run of the same config is just read; one that was interrupted goes on between and inside methods.

    Args:
        config: what to compare.
        out: the run folder.
        console: where progress goes.
        keeping: what becomes of an earlier run, and how often to save.

    Raises:
        InputError: what is asked for cannot be done; nothing has been trained.
        Stopped: a signal came; the same call goes on.
    """
    began = time.perf_counter()
    config.data.require_in_memory("compare.py")
    check_methods(config.methods)
    dataset = in_turn(lambda: load(config.data))
    config = dataclasses.replace(resolve(config, dataset), methods=expand_methods(config.methods, dataset))
    if (known := finished(out, to_dict(config), keeping, console)) is not None:
        return known
    setting = setting_of(config, dataset)
    methods = {name: METHODS[name](setting) for name in config.methods}
    trainings = {method.of or name: method for name, method in methods.items()}
    epochs = sum(total_epochs(config, method) for method in trainings.values())
    with reporting(console, total_epochs=epochs) as reporter:
        experiment = prepare(config, dataset, reporter)
        require_choice(experiment, methods)
        with filling(out, to_dict(config), keeping, console, began) as (run, keeper):
            experiment = dataclasses.replace(experiment, keeper=keeper)
            scored = []
            for outcome in fit_all(experiment, methods):
                if outcome.course is not None and not outcome.borrowed:
                    run.append_metrics(metric_rows(outcome.name, outcome.course))
                scored.append(outcome)
            scored.sort(key=lambda outcome: config.methods.index(outcome.name))
            outcomes = [(outcome, methods[outcome.name]) for outcome in scored]
            pairs = declared_pairs(config.methods)
            found = results(experiment, scored, pairs, run.seconds, margin=config.evaluation.margin)
            write_atomically(run.folder / "scores.npz", scores_npz(scored))
            draw_comparison(experiment, outcomes, found, run.folder)
            write_atomically(run.folder / "table.md", markdown_table(found).encode())
            keeper.settle()
            run.finish(found, drop=WORKING)
    return found
