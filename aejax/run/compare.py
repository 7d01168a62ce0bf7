"""The main job: every method on the same splits, with the same probe and the same budget."""

import dataclasses
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from aejax.config import CompareConfig, to_dict
from aejax.data.sources import load
from aejax.methods import METHODS
from aejax.report.table import markdown_table
from aejax.run.assemble import declared_pairs, metric_rows, results, scores_npz
from aejax.run.experiment import prepare, setting_of
from aejax.run.pictures import draw_comparison
from aejax.run.progress import reporting
from aejax.run.resolve import check_methods, expand_methods, resolve
from aejax.run.scoring import fit_and_score
from aejax.run.training import total_epochs
from aejax.store.runs import begin_run, close_run, finished_run, write_atomically


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
    epochs = sum(total_epochs(config, method) for method in methods.values())
    with reporting(console, total_epochs=epochs) as reporter:
        experiment = prepare(config, dataset, reporter)
        run = begin_run(out, to_dict(config))
        outcomes = []
        for name, method in methods.items():
            outcome = fit_and_score(experiment, name, method)
            if outcome.trained is not None:
                run.append_metrics(metric_rows(name, outcome.trained))
            outcomes.append((outcome, method))
    scored = [outcome for outcome, _ in outcomes]
    pairs, seconds = declared_pairs(config.methods), time.perf_counter() - began
    found = results(experiment, scored, pairs, seconds, margin=config.evaluation.margin)
    write_atomically(out / "scores.npz", scores_npz(scored))
    draw_comparison(experiment, outcomes, found, out)
    write_atomically(out / "table.md", markdown_table(found).encode())
    close_run(run, found)
    return found
