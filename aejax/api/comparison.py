"""A comparison as a function: data in, DataFrames, sentences and figures out."""

import dataclasses
import io
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from rich.console import Console

from aejax.api.arguments import argument_errors
from aejax.api.data import as_dataset
from aejax.config import CheckpointConfig, CompareConfig
from aejax.config.settings import replace_settings
from aejax.data import splits
from aejax.data.dataset import Dataset
from aejax.errors import require
from aejax.experiments.compare import design_comparison, prepare_comparison, score_comparison
from aejax.experiments.experiment import require_classes
from aejax.experiments.label_curve import analyze_label_curve, read_budgets
from aejax.experiments.progress import open_reporter
from aejax.experiments.resolve import resolve_config
from aejax.experiments.results import serialize_scores
from aejax.experiments.variations import analyze_sensitivity
from aejax.experiments.varied_runs import run_with_analyses
from aejax.methods.external import Representation
from aejax.methods.registry import register_kind
from aejax.recipes import compare_defaults
from aejax.report import comparison_figures
from aejax.report.comparison_table import render_comparison_markdown, render_comparison_terminal
from aejax.report.findings import describe_findings
from aejax.report.frames import label_curve_frame, methods_frame, per_seed_frame, verdicts_frame
from aejax.report.results import Results, with_roles
from aejax.report.run_page import figure_to_svg, render_run_page
from aejax.report.style import add_description, describe_design
from aejax.storage.atomic_io import to_jsonable, write_atomically
from aejax.storage.results_file import write_results

MethodLike = str | Representation | Callable[..., Any]
PLOTS: dict[str, Callable[[Results], Figure]] = {
    "accuracy": comparison_figures.plot_accuracy,
    "differences": comparison_figures.plot_differences,
    "diagnostics": comparison_figures.plot_representations,
    "label_curve": comparison_figures.plot_label_curve,
}
PLOT_NEEDS = {"diagnostics": "a method that has features, such as raw", "label_curve": "compare(..., label_curve=True)"}


@dataclasses.dataclass(frozen=True, repr=False)
class ComparisonResult:
    """What a comparison found.

    Attributes:
        results: the content of `results.json`.
        scores: the content of `scores.npz`, from which any statistic can be computed again; `correct` and `log_prob`
            are `(method, training, n_test)`; empty for a run that was loaded without it.
        folder: of the run, if it has one.
    """

    results: Results
    scores: Mapping[str, np.ndarray]
    folder: Path | None = None

    @property
    def verdicts(self) -> pd.DataFrame:
        """A row for each comparison: difference, 95 % interval, verdict and its reason; 0.01 is a point of accuracy."""
        return verdicts_frame(self.results)

    @property
    def methods(self) -> pd.DataFrame:
        """A row for each method: role, features, metrics with 95 % intervals, seconds."""
        return methods_frame(self.results)

    @property
    def per_seed(self) -> pd.DataFrame:
        """A row for each method and seed, with every metric."""
        return per_seed_frame(self.results)

    @property
    def label_curve(self) -> pd.DataFrame:
        """A row for each method or comparison and number of labels, with intervals; of `compare(label_curve=True)`."""
        require("label_curve" in self.results, "label_curve: there is none; call compare with label_curve=True")
        return label_curve_frame(self.results)

    @property
    def summary(self) -> str:
        """The finding in sentences, one for each row that is no control."""
        return "\n".join(describe_findings(self.results))

    def plot(self, name: str = "differences") -> Figure:
        """Returns a figure: `differences`, `accuracy`, `diagnostics` or `label_curve`.

        Raises `InputError` for another name, and where there are no diagnostics or no label curve.
        """
        require(name in PLOTS, f"plot({name!r}): there are {', '.join(PLOTS)}")
        require(name not in PLOT_NEEDS or name in self.results, f"plot({name!r}): needs {PLOT_NEEDS.get(name)}")
        return add_description(PLOTS[name](self.results), describe_design(self.results))

    def save(self, folder: str | Path) -> Path:
        """Writes results, scores, table and page to a folder, which is made, and returns it."""
        path = Path(folder).expanduser()
        path.mkdir(parents=True, exist_ok=True)
        write_results(path / "results.json", self.results)
        if self.scores:
            buffer = io.BytesIO()
            np.savez_compressed(buffer, **dict(self.scores))  # type: ignore[arg-type]
            write_atomically(path / "scores.npz", buffer.getvalue())
        write_atomically(path / "table.md", render_comparison_markdown(self.results).encode())
        self.to_html(path / "report.html")
        return path

    def to_html(self, file: str | Path) -> Path:
        """Writes one self-contained page and returns its path."""
        path = Path(file).expanduser()
        write_atomically(path, render_run_page(self.results, self.folder, self.scores or None).encode())
        return path

    def __repr__(self) -> str:
        methods = ", ".join(method["name"] for method in self.results["methods"])
        return f"ComparisonResult({self.results['dataset']['name']}: {methods})\n{self.summary}"

    def __str__(self) -> str:
        console = Console(file=io.StringIO(), width=100)
        console.print(render_comparison_terminal(self.results))
        return console.file.getvalue()  # type: ignore[attr-defined]

    def _repr_html_(self) -> str:
        import html

        sentences = "".join(f"<p>{html.escape(sentence)}</p>" for sentence in describe_findings(self.results))
        return sentences + figure_to_svg(self.plot()) + self.methods.to_html(index=False, float_format="%.4g")


def compare(
    data: Any,
    y: Any = None,
    methods: Sequence[MethodLike] | Mapping[str, MethodLike] | None = None,
    *,
    out: str | Path | None = None,
    progress: bool = False,
    overwrite: bool = False,
    sensitivity: bool = False,
    label_curve: bool | Iterable[int] = False,
    track: str | Sequence[str] = (),
    **settings: Any,
) -> ComparisonResult:
    """Compares autoencoders, or representations of one's own, with controls: same splits, probe and label budget.

    Args:
        data: a `Dataset` from `make_dataset` or `load_dataset`, the name of one (`"digits"`), or examples `(n, ...)`.
        y: `(n,)` labels of examples, or the name of a DataFrame's column.
        methods: names (see `--methods`), representations (`precomputed`, `encoder`) and kinds of one's own (functions
            of a `ProblemSpec`), the latter by name: `{"raw": "raw", "mine": aejax.precomputed(array)}`. A function
            in a list has its own name, which no other one there has. None: the default controls and kinds.
        out: folder for everything that `compare.py` leaves; the call continues an interrupted run. None: no files.
        progress: show a bar, and the data as they were understood.
        overwrite: replace a run in `out`. One of other settings, data, functions or kinds is rejected otherwise; what a
            function reads elsewhere, as from files, is not noticed.
        sensitivity: judge every verdict again under other draws, probes and penalties, as `--sensitivity` does.
        label_curve: compare again with fewer labels, 2, 4, ... of each class, as `--label-curve` does, or with these.
        track: tools that get losses, figures and verdicts of the run in `out`: `"tensorboard"`, `"wandb"`, `"trackio"`,
            `"mlflow"`.
        settings: by the names of the flags: `seeds=10`, `epochs=100`, `latent_dim=16`, `label_fraction=0.1`,
            `metric="balanced_accuracy"`, `versus=["pca"]`, `l1=...`, ... Those of the data (`label_column`, `missing`,
            `group_column`, ...) are those of `load_dataset` and `make_dataset`; a `Dataset` has its own already.

    Returns:
        A `ComparisonResult`, with DataFrames, sentences and figures.

    Raises:
        aejax.InputError: the data or a setting cannot be used; nothing has been trained.

    Example:
        >>> from sklearn.datasets import load_wine
        >>> X, y = load_wine(return_X_y=True)
        >>> result = compare(X, y, methods=["raw", "undercomplete"], seeds=5, epochs=2)
        >>> list(result.verdicts["baseline"])
        ['raw']
    """
    start = time.perf_counter()
    with argument_errors():
        dataset = _labelled_dataset(data, y, settings)
        names, representations = _read_methods(methods)
        config = _configure(dataset, settings | ({"methods": names} if names else {}))
        require(config.shard is None, "shard: is for the command line; give methods")
        design = design_comparison(config, dataset, representations)
        analyses = [analyze_sensitivity(design)] if sensitivity else []
        if (budgets := read_budgets(label_curve)) is not None:
            analyses.append(analyze_label_curve(design, budgets))
        console, checkpoint = Console(quiet=not progress), make_checkpoint(out, overwrite, track)

        def run_in(folder: Path) -> ComparisonResult:
            return load_comparison(run_with_analyses(design, analyses, folder, console, checkpoint, start), folder)

        if out is not None:
            return run_in(Path(out).expanduser())
        if analyses:
            with tempfile.TemporaryDirectory(prefix="aejax-") as temporary:
                return dataclasses.replace(run_in(Path(temporary, "run")), folder=None)
        with open_reporter(console) as reporter:
            experiment = prepare_comparison(design, reporter)
            method_results, results = score_comparison(experiment, design, lambda: time.perf_counter() - start)
    scores = dict(np.load(io.BytesIO(serialize_scores(method_results, experiment.design))))
    return ComparisonResult(with_roles(to_jsonable(results)), scores)


def make_split(data: Any, y: Any = None, **settings: Any) -> splits.Split:
    """Draws the rows that `compare` trains and tests on, for features that are fitted elsewhere.

    Args:
        data: as for `compare`.
        y: as for `compare`.
        settings: as for `compare`; those of the data, those of the split and `seeds` matter.

    Returns:
        A `Split` of the dataset's row numbers (those of `X`, see `make_dataset`), a row for each training: `train` for
        everything that is fitted without labels, `labelled_train` for what sees labels, `valid` and `labelled_valid`
        for choices, `test` for nothing.

    Raises:
        aejax.InputError: the data or a setting cannot be used.

    Example:
        >>> make_split("wine", seeds=5).train.shape
        (5, 129)
    """
    with argument_errors():
        dataset = _labelled_dataset(data, y, settings)
        config = resolve_config(_configure(dataset, settings), dataset)
        return splits.make_split(dataset, config.split, config.seeds)


def make_checkpoint(out: str | Path | None, overwrite: bool, track: str | Sequence[str]) -> CheckpointConfig:
    """Returns how a run's folder is handled. Raises `InputError` for an unknown tracker, or one without a folder."""
    names = [track] if isinstance(track, str) else list(track)
    require(out is not None or not names, "track: needs the folder of a run; give out")
    return replace_settings(CheckpointConfig(), {"overwrite": overwrite, "track": names})


def load_comparison(results: Results, folder: Path) -> ComparisonResult:
    """Returns the comparison of a folder, with the content of its `results.json`."""
    file = folder / "scores.npz"
    scores = dict(np.load(file, allow_pickle=False)) if file.is_file() else {}
    return ComparisonResult(with_roles(to_jsonable(results)), scores, folder)


def _labelled_dataset(data: Any, y: Any, settings: Mapping[str, Any]) -> Dataset:
    """Returns the data of a comparison. Raises `InputError` if they are a stream or have no classes."""
    dataset = as_dataset(data, y, settings)
    require(dataset.stream is None, "stream: comparisons need the data in memory; pretrain trains on a stream")
    require_classes(dataset)
    return dataset


def _configure(dataset: Dataset, settings: Mapping[str, Any]) -> CompareConfig:
    return replace_settings(compare_defaults(dataset.name, is_named=dataset.is_named), settings)


def _read_methods(
    methods: Sequence[MethodLike] | Mapping[str, MethodLike] | None,
) -> tuple[list[str], dict[str, Representation]]:
    """Returns the names of methods, and the representations among them; registers kinds of the user's."""
    if methods is None:
        return [], {}
    if isinstance(methods, str):
        methods = [methods]
    named = methods if isinstance(methods, Mapping) else _name_methods(methods)
    representations = {}
    for name, method in named.items():
        if isinstance(method, Representation):
            representations[name] = method
        elif isinstance(method, str):
            require(method == name, f"methods: {name!r} names the method {method!r}; give it under its own name")
        else:
            require(callable(method), f"methods: {name!r} is a {type(method).__name__}; expected a name or a function")
            register_kind(name, method)
    return list(named), representations


def _name_methods(methods: Sequence[MethodLike]) -> dict[str, MethodLike]:
    named: dict[str, MethodLike] = {}
    for method in methods:
        name = own_name(method, "methods: a representation has no name; give a dict of names, {'mine': ...}")
        same = named.setdefault(name, method) == method
        require(same, f"methods: two of them are called {name!r}; give a dict of names, {{'mine': ...}}")
    return named


def own_name(method: MethodLike, message: str) -> str:
    """Returns a name, or that of a function. Raises `InputError` with a message if it has none."""
    if isinstance(method, str):
        return method
    name = getattr(method, "__name__", "")
    require(name.isidentifier(), message)
    return name.replace("_", "-")
