"""What the deep recipe's time is drawn against, and the work of each point: seconds of it, not minutes."""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

from aejax.config import PretrainConfig
from benchmark.training.workloads import TRAINING_WORKLOADS, TrainingWorkload

BATCH_SIZE = 256
DEEP_CONFIG = TRAINING_WORKLOADS["deep"].config


class CurvePoint(NamedTuple):
    """One place on a curve."""

    x: float
    workload: TrainingWorkload
    seeds: int | None = None  # that this project trains at once; None: as many as are asked for


class Curve(NamedTuple):
    """One quantity that is varied, while all else stays as it is."""

    label: str  # of the axis
    points: tuple[CurvePoint, ...]


def _seeds_curve() -> Curve:
    counts = [2**power for power in range(9)]
    return Curve(
        "seeds trained at once",
        tuple(
            CurvePoint(count, TrainingWorkload(DEEP_CONFIG, max(1, 40 // count), 10 * BATCH_SIZE), count)
            for count in counts
        ),
    )


def _batch_size_curve() -> Curve:
    def sized(size: int) -> TrainingWorkload:
        return TrainingWorkload(
            dataclasses.replace(DEEP_CONFIG, train=dataclasses.replace(DEEP_CONFIG.train, batch_size=size)), 2, 16_384
        )

    return Curve("examples in a batch", tuple(CurvePoint(size, sized(size)) for size in (16, 64, 256, 1024, 4096)))


def _width_curve() -> Curve:
    def wider(times: float) -> PretrainConfig:
        model = DEEP_CONFIG.model
        assert model.decoder_hidden is not None
        hidden, outwards = (tuple(round(times * w) for w in ws) for ws in (model.hidden, model.decoder_hidden))
        return dataclasses.replace(
            DEEP_CONFIG, model=dataclasses.replace(model, hidden=hidden, decoder_hidden=outwards)
        )

    return Curve(
        "hidden widths, times 128-64-32",
        tuple(CurvePoint(times, TrainingWorkload(wider(times), 2, 16_384)) for times in (0.25, 0.5, 1.0, 2.0, 4.0)),
    )


def _examples_curve() -> Curve:
    counts = (1_000, 3_000, 10_000, 30_000, 60_000)
    return Curve(
        "training examples",
        tuple(CurvePoint(count, TrainingWorkload(DEEP_CONFIG, max(1, 15_000 // count), count)) for count in counts),
    )


CURVES: dict[str, Callable[[], Curve]] = {
    "seeds": _seeds_curve,
    "batch": _batch_size_curve,
    "width": _width_curve,
    "examples": _examples_curve,
}
