"""What the deep recipe's time is drawn against, and the work of each point: seconds of it, not minutes."""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

from aejax.benchmark.training.workloads import WORKLOADS, Workload
from aejax.config import PretrainConfig

BATCH = 256
DEEP = WORKLOADS["deep"].config


class Point(NamedTuple):
    """One place on a curve."""

    x: float
    workload: Workload
    seeds: int | None = None  # that this project trains at once; None: as many as are asked for


class Curve(NamedTuple):
    """One quantity that is varied, while all else stays as it is."""

    label: str  # of the axis
    points: tuple[Point, ...]


def _seeds() -> Curve:
    counts = [2**power for power in range(9)]
    return Curve(
        "seeds trained at once",
        tuple(Point(count, Workload(DEEP, max(1, 40 // count), 10 * BATCH), count) for count in counts),
    )


def _batch() -> Curve:
    def sized(size: int) -> Workload:
        return Workload(dataclasses.replace(DEEP, train=dataclasses.replace(DEEP.train, batch_size=size)), 2, 16_384)

    return Curve("examples in a batch", tuple(Point(size, sized(size)) for size in (16, 64, 256, 1024, 4096)))


def _width() -> Curve:
    def wider(times: float) -> PretrainConfig:
        model = DEEP.model
        assert model.decoder_hidden is not None
        hidden, outwards = (tuple(round(times * w) for w in ws) for ws in (model.hidden, model.decoder_hidden))
        return dataclasses.replace(DEEP, model=dataclasses.replace(model, hidden=hidden, decoder_hidden=outwards))

    return Curve(
        "hidden widths, times 128-64-32",
        tuple(Point(times, Workload(wider(times), 2, 16_384)) for times in (0.25, 0.5, 1.0, 2.0, 4.0)),
    )


def _examples() -> Curve:
    counts = (1_000, 3_000, 10_000, 30_000, 60_000)
    return Curve(
        "training examples",
        tuple(Point(count, Workload(DEEP, max(1, 15_000 // count), count)) for count in counts),
    )


CURVES: dict[str, Callable[[], Curve]] = {"seeds": _seeds, "batch": _batch, "width": _width, "examples": _examples}
