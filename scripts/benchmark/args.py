"""The flags of `scripts/benchmark.py`."""

import dataclasses
from pathlib import Path

from aejax.experiments.environment import usable_cores
from benchmark.workloads import SHORT


@dataclasses.dataclass(frozen=True, kw_only=True)
class Args:
    """Flags of benchmark.py."""

    workload: tuple[str, ...] | None = None  # what to time; default: all short ones, or with --curve nothing else
    curve: tuple[str, ...] = ()  # quantities to draw the deep recipe's time against: seeds, batch, width, examples
    peers: tuple[str, ...] = ()  # libraries to compare with: torch, keras, sklearn; default: none
    seeds: int = 4  # models trained; a path has its own numbers of seeds
    epochs: int | None = None  # in one repetition; default: the workload's own number, which takes seconds
    repeats: int = 3  # timed repetitions, interleaved with those of the other contenders
    before: Path | None = None  # another checkout of this project, whose commands are timed, too
    data_dir: Path | None = None  # where MNIST is found, or downloaded to; default AEJAX_DATA
    out: Path = Path("runs/benchmark")  # results folder; earlier results in it are replaced

    @property
    def workloads(self) -> tuple[str, ...]:
        """Names in `WORKLOADS` of what is timed."""
        if self.workload is not None:
            return self.workload
        return () if self.curve else tuple(SHORT)

    @property
    def cores(self) -> int:
        """Processor cores that every contender may use."""
        return usable_cores()
