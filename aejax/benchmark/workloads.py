"""What is timed: tutorial recipes by short names, a convolutional autoencoder, and the arithmetic of their epochs."""

import dataclasses
import difflib
import itertools
import math
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from aejax.benchmark.job import Job
from aejax.config import ModelConfig, PretrainConfig, SplitConfig, TrainConfig
from aejax.data.scalers import fit_scalers
from aejax.data.sources import load
from aejax.data.splits import make_split
from aejax.errors import require
from aejax.models.conv import DOWN, UP, feature_shapes
from aejax.recipes import recipe
from aejax.run.resolve import resolve


class Workload(NamedTuple):
    """A recipe, and how long one repetition of it takes."""

    config: PretrainConfig
    epochs: int  # in one repetition, so that it lasts seconds


# Strided 3x3 convolutions to 16 and 32 channels, a code of 32, transposed 4x4 convolutions back; cross-entropy, Adam.
CONV = dataclasses.replace(
    recipe("conv", "mnist"),
    split=SplitConfig(split="tutorial"),
    model=ModelConfig(channels=(16, 32), latent_dim=32),
    train=TrainConfig(batch_size=128),
)

WORKLOADS: dict[str, Workload] = {
    "deep": Workload(recipe("tutorial-deep"), epochs=2),
    "single": Workload(recipe("tutorial-single"), epochs=2),
    "dense64": Workload(recipe("tutorial-dense64"), epochs=1),
    "tabular": Workload(recipe("tutorial-tabular"), epochs=20),
    "conv": Workload(CONV, epochs=1),
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


def layer_products(config: PretrainConfig, shape: Sequence[int]) -> list[int]:
    """Multiplications that each layer takes for the outputs of one example, from its inputs to its outputs."""
    model = config.model
    assert model.latent_dim is not None
    if config.method != "conv":
        features = math.prod(shape)
        decoder = model.hidden[::-1] if model.decoder_hidden is None else model.decoder_hidden
        widths = (features, *model.hidden, model.latent_dim, *decoder, features)
        return [fan_in * fan_out for fan_in, fan_out in itertools.pairwise(widths)]
    height, width, channels = shape
    maps = feature_shapes((height, width, channels), model.channels)
    # A window of the image for each entry below, going down; the same upwards, from each entry below into a window.
    down = [math.prod(DOWN) * above[2] * math.prod(below) for above, below in itertools.pairwise(maps)]
    up = [math.prod(UP) * above[2] * math.prod(below) for above, below in itertools.pairwise(maps)]
    code = math.prod(maps[-1]) * model.latent_dim
    return [*down, code, code, *up[::-1]]


def flops_per_example(products: Sequence[int]) -> int:
    """Floating-point operations of the matrix products in one training step, per example.

    `6 sum_l(m_l) - 2 m_1` for `m_l` multiplications in layer l: a multiply and an add for the outputs, for the gradient
    of the weights and for the gradient of the inputs, which the first layer does not need. Nothing elementwise counts.
    """
    return 6 * sum(products) - 2 * products[0]
