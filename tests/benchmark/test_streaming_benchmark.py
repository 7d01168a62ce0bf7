"""The synthetic dataset for streaming has its size and structure, and is reproducible; memory is tracked."""

import numpy as np
import pytest
from benchmark import stream
from benchmark.memory import track_memory
from benchmark.streaming import BLOCK_SIZE, IMAGE_SHAPE, N_CLASSES, write_synthetic_dataset
from rich.console import Console

from aejax.config import DataConfig
from aejax.data.registry import load_dataset
from aejax.errors import InputError

SIZE = (BLOCK_SIZE + 5) * IMAGE_SHAPE[0] * IMAGE_SHAPE[1]


def test_a_synthetic_dataset_has_its_size_opens_as_a_stream_and_is_reproducible(tmp_path):
    written = write_synthetic_dataset(tmp_path / "one", SIZE, 0)
    assert written["n"] == BLOCK_SIZE + 5
    assert SIZE < written["bytes"] < 1.01 * SIZE
    write_synthetic_dataset(tmp_path / "two", SIZE, 0)
    for name in ("inputs.npy", "labels.npy"):
        np.testing.assert_array_equal(np.load(tmp_path / "one" / name), np.load(tmp_path / "two" / name))
    dataset = load_dataset(DataConfig(dataset=str(tmp_path / "one"), stream=True))
    assert (dataset.example_shape, dataset.n_classes, dataset.stream.source.n_examples) == (
        (28, 28, 1),
        N_CLASSES,
        BLOCK_SIZE + 5,
    )


def test_its_examples_are_near_a_low_dimensional_subspace(tmp_path):
    write_synthetic_dataset(tmp_path / "set", SIZE, 0)
    inputs = np.load(tmp_path / "set" / "inputs.npy")[:2000].reshape(2000, -1) / 255
    spread = np.linalg.svd(inputs - inputs.mean(axis=0), compute_uv=False) ** 2
    assert spread[:32].sum() > 0.5 * spread.sum()


def test_tracked_memory_includes_temporary_arrays():
    result, memory = track_memory(lambda: float(np.ones(40_000_000)[-1]))
    assert result == 1.0
    assert memory["high_water"] >= memory["resident_peak"] >= memory["resident_before"]


@pytest.mark.parametrize("flag", [{"gigabytes": float("inf")}, {"limit": float("inf")}, {"limit": float("nan")}])
def test_sizes_that_are_none_are_rejected_before_anything_is_written(tmp_path, flag):
    args = stream.Args(scratch=tmp_path / "scratch", out=tmp_path / "out", **flag)
    with pytest.raises(InputError, match=f"--{next(iter(flag))}.*expected a finite size"):
        stream.run_streaming_benchmark(args, Console(quiet=True))
    assert not list(tmp_path.iterdir())
