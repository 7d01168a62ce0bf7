"""Which examples are encoded, and by what: every training digit of MNIST, by the deep recipe's encoder."""

from pathlib import Path
from typing import NamedTuple

from aejax.config import PretrainConfig
from aejax.recipes import get_recipe
from benchmark.training.job import TrainingJob
from benchmark.training.workloads import TrainingWorkload, prepare_training_job


class EncodingWorkload(NamedTuple):
    """The recipe of the encoder, whose training rows are encoded."""

    config: PretrainConfig
    rounds: int = 1  # through all rows in one repetition


ENCODING_WORKLOADS: dict[str, EncodingWorkload] = {"encode": EncodingWorkload(get_recipe("tutorial-deep"), rounds=4)}


def prepare_encoding_job(workload: EncodingWorkload, data_dir: Path | None) -> TrainingJob:
    """Load the data, and fix rows and scaling for every contender.

    Raises:
        InputError: the data cannot be had.
    """
    return prepare_training_job(TrainingWorkload(workload.config), data_dir)
