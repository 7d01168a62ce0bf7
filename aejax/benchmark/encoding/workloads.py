"""Which examples are encoded, and by what: every training digit of MNIST, by the deep recipe's encoder."""

from pathlib import Path
from typing import NamedTuple

from aejax.benchmark.training.job import Job
from aejax.benchmark.training.workloads import Workload, prepare_job
from aejax.config import PretrainConfig
from aejax.recipes import recipe


class EncodingWorkload(NamedTuple):
    """The recipe of the encoder, whose training rows are encoded."""

    config: PretrainConfig
    rounds: int = 1  # through all rows in one repetition


ENCODINGS: dict[str, EncodingWorkload] = {"encode": EncodingWorkload(recipe("tutorial-deep"), rounds=4)}


def prepare_encoding(workload: EncodingWorkload, data_dir: Path | None) -> Job:
    """Load the data, and fix rows and scaling for every contender.

    Raises:
        InputError: the data cannot be had.
    """
    return prepare_job(Workload(workload.config), data_dir)
