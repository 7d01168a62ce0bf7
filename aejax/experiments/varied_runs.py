"""Further comparisons of the same methods under other settings, in folders of a run, and what they add to its results.

Each is resumed and skipped like any other run. What a variation does not change is taken from the run: one of the probe
or of the number of labels trains no autoencoder, one of penalties trains the kinds that have one.
"""

import contextlib
import dataclasses
import functools
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from matplotlib.figure import Figure
from rich.console import Console

from aejax.config import CheckpointConfig, CompareConfig, to_dict
from aejax.config.validation import flag_name
from aejax.errors import InputError, require
from aejax.experiments.checkpointing import RESULT_CACHE_DIR
from aejax.experiments.compare import ComparisonDesign, EarlierRun, design_comparison, run_comparison
from aejax.experiments.multihost import broadcast_from_primary, is_primary
from aejax.experiments.schedule import is_finetuned
from aejax.methods.method import Method
from aejax.methods.tuning_space import is_tuned_by_probe
from aejax.report.results import Results
from aejax.report.run_page import FigureFiles, rewrite_pages
from aejax.report.style import describe_design
from aejax.storage.atomic_io import to_jsonable
from aejax.storage.results_file import write_results
from aejax.storage.run_folder import CONFIG_FILE, RESULTS_FILE, remove_with_empty_parents, require_in_place
from aejax.storage.run_identity import setting_differences
from aejax.storage.runs import load_finished_results

Scope = Literal["probe", "labels", "penalty", "data"]
"""What a variation changes: probes, all classifiers, some trainings, or everything."""

PENALTIES = {
    "sparse-l1": "l1",
    "sparse-kl": "kl_weight",
    "contractive": "contraction",
    "beta-vae": "beta",
    "gated": "gate_l1",
    "jump-relu": "l0_weight",
    "vq": "commitment",
}
_PENALIZED_PREFIXES = ("knn", "permuted", "frozen-decoder")  # of other methods whose features depend on it


class Variation(NamedTuple):
    """A comparison with another setting."""

    name: str  # of its folder
    scope: Scope
    config: CompareConfig
    flags: str  # the settings that differ, as on the command line

    def affects(self, name: str, method: Method) -> bool:
        """Returns whether a method's predictions can change."""
        if self.scope == "labels":
            return True
        has_probe = method.log_probs is None and method.fit_predict is None and method.classifier == "probe"
        has_probe = has_probe and not is_finetuned(self.config, method)  # its head sees codes that are not standardised
        return self.retrains(name, method) or (self.scope == "probe" and has_probe)

    def retrains(self, name: str, method: Method) -> bool:
        """Returns whether a method's features can change; those that --tune chooses by the probe change with it."""
        if self.keeps_training:
            tuned = self.config.tune is not None and is_tuned_by_probe(method.features_of or name)
            return tuned or (self.scope == "labels" and (method.supervised or method.fit_predict is not None))
        return self.scope == "data" or penalty_field(name) is not None

    @property
    def keeps_training(self) -> bool:
        """Whether all methods that learn without labels are trained as without the variation."""
        return self.scope in ("probe", "labels")


def penalty_field(name: str) -> str | None:
    """Returns the field of `ObjectiveConfig` that is the penalty of a method's training; None if it has none."""
    for kind, field in PENALTIES.items():
        if name in (kind, *(f"{prefix}-{kind}" for prefix in _PENALIZED_PREFIXES)):
            return field
    return None


def make_variation(name: str, scope: Scope, config: CompareConfig, varied: CompareConfig) -> Variation:
    """Returns the variation of a resolved config that has the settings of `varied`."""
    differences = setting_differences(to_dict(config), to_dict(varied), {})
    return Variation(name, scope, varied, " ".join(_format_flag(path[-1], value) for path, _, value in differences))


def _format_flag(field: str, value: Any) -> str:
    if isinstance(value, bool):
        return flag_name(field) if value else flag_name(f"no_{field}")
    return f"{flag_name(field)} {value:g}" if isinstance(value, float) else f"{flag_name(field)} {value}"


class Source(NamedTuple):
    """A run whose trainings variations take: the run that they vary, or one of them."""

    folder: Path
    results: Results
    variation: Variation | None = None

    def earlier_run(self, design: ComparisonDesign, variation: Variation) -> EarlierRun:
        """Returns what another variation takes from this run: what neither of both changes."""
        changes = [one for one in (self.variation, variation) if one is not None]
        methods, dataset = design.methods.items(), self.results["dataset"]
        same_labels = all(one.scope != "labels" for one in changes)
        return EarlierRun(
            self.folder,
            dataset["split_sha256"] if same_labels else dataset.get("unlabelled_split_sha256", ""),
            unchanged=frozenset(name for name, one in methods if not any(by.affects(name, one) for by in changes)),
            trained=frozenset(name for name, one in methods if not any(by.retrains(name, one) for by in changes)),
        )


class Analysis(NamedTuple):
    """Variations of a comparison, and what they show together."""

    field: str  # of `results.json`; with hyphens the folder of the variations' runs, and the flag
    variations: Sequence[Variation]
    is_complete: Callable[[Results], bool]  # whether results have these variations already
    summarize: Callable[[Results, Mapping[str, Results], Path], Results]
    """Returns the field from the results of the run, those of each variation by name, and the run's folder."""
    figures: Mapping[str, Callable[[Results], Figure]] = MappingProxyType({})  # of the results with it, by file name
    note: str = ""  # about variations that are left out, for the terminal and the warnings of the results

    @property
    def flag(self) -> str:
        """The flag that asks for it."""
        return flag_name(self.field)

    def folder(self, out: Path, variation: Variation) -> Path:
        """Returns the folder of a variation of the run in `out`."""
        return out / self.field.replace("_", "-") / variation.name


def run_with_analyses(
    design: ComparisonDesign,
    analyses: Sequence[Analysis],
    out: Path,
    console: Console,
    checkpoint: CheckpointConfig,
    start_time: float,
) -> Results:
    """Runs a comparison and its variations and returns its results with the analyses; an interrupted run continues.

    Arguments and errors are those of `run_job`. A finished run gets them, too; since finished runs do not keep weights,
    the first variation then trains the methods.
    """
    for analysis in analyses:
        require(design.config.shard is None, f"{analysis.flag}: is about the run of all shards; leave out --shard")
    designs = [[_vary(design, analysis, variation) for variation in analysis.variations] for analysis in analyses]
    load = functools.partial(load_finished_results, out, design.identity, overwrite=checkpoint.overwrite)
    saved = broadcast_from_primary(lambda: load() if analyses else None)
    kept = broadcast_from_primary(lambda: saved is None or (out / RESULT_CACHE_DIR).exists())
    for analysis in analyses:
        if not analysis.is_complete(saved or {}):
            console.print(_announce(design, analysis, kept), highlight=False, soft_wrap=True)
    results = run_comparison(design._replace(keep_results=bool(analyses)), out, console, checkpoint, start_time)
    for analysis, varied_designs in zip(analyses, designs, strict=True):
        if analysis.is_complete(results):
            continue
        source = Source(out, results) if kept else None
        varied = dict(_run_variations(design, analysis, varied_designs, source, out, console, checkpoint))
        summary = broadcast_from_primary(functools.partial(analysis.summarize, results, varied, out))
        notes = {"warnings": [*results.get("warnings", []), analysis.note]} if analysis.note else {}
        results = to_jsonable({**results, **notes, analysis.field: summary})
        if is_primary():
            files = FigureFiles(out, checkpoint.figure_format, describe_design(results))
            for name, draw in analysis.figures.items() if design.figures else ():
                files.write(name, functools.partial(draw, results))
            files.add_warnings(results)
            rewrite_pages(results, out)
            write_results(out / RESULTS_FILE, results)
    folders = [analysis.folder(out, variation) for analysis in analyses for variation in analysis.variations]
    for folder in (out, *folders) if is_primary() and analyses else ():
        shutil.rmtree(folder / RESULT_CACHE_DIR, ignore_errors=True)
    return results


def _run_variations(
    design: ComparisonDesign,
    analysis: Analysis,
    varied_designs: Sequence[ComparisonDesign],
    source: Source | None,
    out: Path,
    console: Console,
    checkpoint: CheckpointConfig,
) -> Iterator[tuple[str, Results]]:
    """Yields the name and the results of each variation."""
    resumed = dataclasses.replace(checkpoint, overwrite=False, track=())
    count = len(analysis.variations)
    for number, (variation, varied) in enumerate(zip(analysis.variations, varied_designs, strict=True), 1):
        console.print(f"variation {number} of {count}: {variation.flags}", highlight=False, soft_wrap=True)
        folder = analysis.folder(out, variation)
        keep = source is None and variation.keeps_training
        if source is not None and variation.scope != "data":
            varied = varied._replace(earlier=source.earlier_run(design, variation))
        with _guard_run(out, folder):
            results = run_comparison(varied._replace(keep_results=keep), folder, console, resumed, time.perf_counter())
        if keep and broadcast_from_primary((folder / RESULT_CACHE_DIR).exists):  # not kept if it had finished before
            source = Source(folder, results, variation)
        yield variation.name, results


@contextlib.contextmanager
def _guard_run(out: Path, folder: Path) -> Iterator[None]:
    """Raises `InputError` if a run is deleted before or while a variation fills a folder in it, which is deleted then.

    The variation makes its folder with missing parents, so that the run's would be made again without the run.
    """
    broadcast_from_primary(functools.partial(require_in_place, out, None))
    try:
        yield
    finally:
        if is_primary() and not (out / CONFIG_FILE).exists():
            remove_with_empty_parents(folder, out)
            require_in_place(out, None)


def _vary(design: ComparisonDesign, analysis: Analysis, variation: Variation) -> ComparisonDesign:
    """Returns the design of a variation; raises `InputError` that names it."""
    try:
        return design_comparison(variation.config, design.dataset, design.representations)._replace(figures=False)
    except InputError as error:
        raise InputError(f"{analysis.flag} ({variation.flags}): {error}") from None


def _announce(design: ComparisonDesign, analysis: Analysis, kept: bool) -> str:
    """Returns what the variations cost; `kept`: the run has, or will have, the weights of its methods."""
    epochs = 0
    for variation in analysis.variations:
        known = {name for name, one in design.methods.items() if kept and not variation.retrains(name, one)}
        epochs += design.count_epochs(known)
        kept = kept or variation.keeps_training
    cost = (
        f"{analysis.flag}: {len(analysis.variations)} more comparisons, which train {epochs:,} epochs besides the "
        f"{design.count_epochs():,} of this one: {'; '.join(variation.flags for variation in analysis.variations)}"
    )
    return f"{cost}\n{analysis.note}" if analysis.note else cost
