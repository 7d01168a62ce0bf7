"""The whole of a planning page: a folder of results in, `planning.json` and `planning.md` out."""

from pathlib import Path
from typing import Any, NamedTuple

from aejax.benchmark.planning.constants import H100, PESSIMISTIC, RECIPE, Accelerator, Measured, read_measured
from aejax.benchmark.planning.plans import (
    GPUS,
    Break,
    Plan,
    StreamTask,
    SweepTask,
    plan_stream,
    plan_sweep,
    ranking,
    seeds_apart,
)
from aejax.benchmark.planning.sizes import Sizes, sizes_of, stand_in
from aejax.recipes import recipe
from aejax.store.files import plain

MNIST = (28, 28, 1), 10  # an image's shape, and classes


class OnPaper(NamedTuple):
    """Everything that the page says."""

    measured: Measured
    accelerator: Accelerator
    sizes: Sizes
    sweep_task: SweepTask
    stream_task: StreamTask
    sweep: list[Plan]
    stream: list[Plan]
    apart: list[float]  # seconds of the stream with whole seeds on each GPU
    sweep_breaks: list[Break]
    stream_breaks: list[Break]


def on_paper(results: Path, device: Accelerator = H100) -> OnPaper:
    """Plan both tasks by what a folder of results has measured. Raises as `read_measured`."""
    known, stream = read_measured(results), StreamTask()
    config = recipe(RECIPE)
    sweep = SweepTask(epochs=config.train.epochs, n_train=known.training.n_train)
    sizes = sizes_of(config, stand_in(*MNIST), sweep.n_train, sweep.n_test)
    sweeps = [plan_sweep(sweep, sizes, gpus, device, known) for gpus in GPUS]
    streams = [plan_stream(stream, sizes, gpus, device, known) for gpus in GPUS]
    apart = [seeds_apart(stream, sizes, gpus, device) for gpus in GPUS]
    breaks = ranking(sweeps), ranking(streams)
    return OnPaper(known, device, sizes, sweep, stream, sweeps, streams, apart, *breaks)


def as_json(paper: OnPaper) -> dict[str, Any]:
    """`planning.json`."""
    found = {"schema": 1, "kind": "planning", "recipe": RECIPE, "pessimistic": PESSIMISTIC, **_fields(paper)}
    return plain(found)


def _fields(value: Any) -> Any:
    """Named tuples by their fields."""
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: _fields(item) for name, item in value._asdict().items()}
    return [_fields(item) for item in value] if isinstance(value, list) else value
