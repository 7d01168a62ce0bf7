"""What is timed: the tutorial recipes by short names, and the arithmetic of one of their epochs."""

import dataclasses
import difflib
import itertools
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from aejax.benchmark.job import Job
from aejax.config import ModelConfig, PretrainConfig
from aejax.data.scalers import fit_scalers
from aejax.data.sources import load
from aejax.data.splits import make_split
from aejax.errors import require
from aejax.recipes import recipe
from aejax.run.resolve import resolve


class Workload(NamedTuple):
    """A recipe, and how long one repetition of it takes."""

    config: PretrainConfig
    epochs: int  # in one repetition, so that it lasts seconds


WORKLOADS: dict[str, Workload] = {
    "deep": Workload(recipe("tutorial-deep"), epochs=2),
    "single": Workload(recipe("tutorial-single"), epochs=2),
    "dense64": Workload(recipe("tutorial-dense64"), epochs=1),
    "tabular": Workload(recipe("tutorial-tabular"), epochs=20),
}


def check_names(flag: str, names: Sequence[str], known: Collection[str]) -> None:
    """Refuse unknown or repeated names.

    Raises:
        InputError: with the near names.
    """
    for name in names:
        near = difflib.get_close_matches(name, known, n=2)
        hint = f"did you mean {' or '.join(near)}" if near else f"there are {', '.join(known)}"
        require(name in known, f"{flag} {name}: no such {flag.strip('-').removesuffix('s')}; {hint}")
    require(len(set(names)) == len(names), f"{flag} {' '.join(names)}: each name once")


def prepare_job(workload: Workload, data_dir: Path | None) -> Job:
    """Load a workload's data, and fix rows and scaling for every contender.

    Raises:
        InputError: the data cannot be had.
    """
    config = dataclasses.replace(workload.config, data=dataclasses.replace(workload.config.data, data_dir=data_dir))
    dataset = load(config.data)
    config = resolve(config, dataset)
    assert config.split.split == "tutorial"  # every seed trains on the same rows, so peers hold one copy of them
    assert config.data.scaler is not None
    split = make_split(dataset, config.split, seeds=1)
    scaler = fit_scalers(config.data.scaler, dataset, split.train)
    shift, scale = (np.asarray(leaf)[0] for leaf in scaler)
    return Job(config=config, dataset=dataset, rows=split.train[0], shift=shift, scale=scale)


def layer_widths(model: ModelConfig, features: int) -> tuple[int, ...]:
    """Widths of a dense autoencoder's layers from its inputs to its outputs."""
    assert model.latent_dim is not None
    decoder = model.hidden[::-1] if model.decoder_hidden is None else model.decoder_hidden
    return features, *model.hidden, model.latent_dim, *decoder, features


def flops_per_example(widths: Sequence[int]) -> int:
    """Floating-point operations of the matrix products in one training step, per example.

    `6 sum_l(fan_in_l fan_out_l) - 2 fan_in_1 fan_out_1`: a multiply and an add for the outputs, for the gradient of
    the weights and for the gradient of the inputs, which the first layer does not need. Nothing elementwise counts.
    """
    products = [fan_in * fan_out for fan_in, fan_out in itertools.pairwise(widths)]
    return 6 * sum(products) - 2 * products[0]
