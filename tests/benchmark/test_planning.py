"""The plan on paper: its formulas on cases small enough for a hand, and a page that follows its results."""

import json
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest

from aejax.benchmark.planning.__main__ import main, write
from aejax.benchmark.planning.constants import H100, RECIPE, Measured, read_measured
from aejax.benchmark.planning.host import measure_host
from aejax.benchmark.planning.planning import MNIST
from aejax.benchmark.planning.plans import (
    ARITHMETIC,
    AROUND,
    DECODING,
    LAYING,
    LINK,
    MEMORY,
    PROBING,
    READING,
    SUMS,
    Plan,
    StreamTask,
    SweepTask,
    groups_needed,
    plan_stream,
    plan_sweep,
    ranking,
    seeds_apart,
)
from aejax.benchmark.planning.sizes import Sizes, sizes_of, stand_in
from aejax.benchmark.planning.wording import duration, size
from aejax.config import ModelConfig, OptimizerConfig, PretrainConfig, TrainConfig
from aejax.errors import InputError
from aejax.methods import METHODS
from aejax.recipes import recipe
from aejax.run.experiment import setting_of
from aejax.run.resolve import resolve
from aejax.train.optimizers import make_optimizer
from aejax.train.state import init_fit

RESULTS = Path(__file__).parents[2] / "results"

STREAM = {
    "environment": {"machine": "abacus"},
    "large": {"n": 1000, "bytes": 785_000, "stream": {"n_train": 900}, "seconds": {"pretrain": 0.1}},
    "mnist": {
        "seeds": 4,
        "entries": {
            "memory": {"rate": 500.0},
            "npy, windows of 16": {"rate": 400.0},
            "npy, one window": {"rate": 450.0},
            "array_record, windows of 16": {"rate": 100.0},
        },
    },
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the results that a plan is made from, without those that it can do without."""
    sources = ["saves/saves.json", *(str(p.relative_to(RESULTS)) for p in RESULTS.glob("benchmark*/results.json"))]
    for source in sources:
        (tmp_path / source).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(RESULTS / source, tmp_path / source)
    return tmp_path


@pytest.fixture(scope="module")
def known() -> Measured:
    return read_measured(RESULTS)


@pytest.fixture(scope="module")
def sizes() -> Sizes:
    return sizes_of(recipe(RECIPE), stand_in(*MNIST), n_train=60_000, n_monitor=10_000)


def test_a_fit_is_as_large_as_the_leaves_of_a_real_one() -> None:
    config = PretrainConfig(
        model=ModelConfig(hidden=(5,), latent_dim=2),
        optimizer=OptimizerConfig(optimizer="adam"),
        train=TrainConfig(batch_size=4),
    )
    data = stand_in((2, 3, 1), 2)
    found = sizes_of(config, data, n_train=10, n_monitor=3)
    resolved = resolve(config, data)
    model = METHODS[resolved.method](setting_of(resolved, data)).model
    assert model is not None
    variables = model.init(jax.random.key(0))
    fit = init_fit(variables, make_optimizer(resolved.optimizer, 3, 1))
    assert found.fit == sum(np.asarray(leaf).nbytes for leaf in jax.tree.leaves(fit))
    weights = (6 * 5 + 5) + (5 * 2 + 2) + (2 * 5 + 5) + (5 * 6 + 6)
    assert found.parameters == 4 * weights
    assert found.steps == 3
    assert found.order == 4 * 3 * 4  # int32, three full batches of four
    assert found.rows == 8 * 10 * 2
    assert found.activations == 4 * (6 + 5 + 2 + 5 + 6)
    assert found.flops == 6 * (30 + 10 + 10 + 30) - 2 * 30


def test_the_recipes_arithmetic_is_what_its_benchmark_counts(sizes: Sizes, known: Measured) -> None:
    assert sizes.steps * sizes.batch * sizes.flops / 1e9 == pytest.approx(known.training.gflop)


def test_a_sweeps_bounds_are_work_by_rate(sizes: Sizes, known: Measured) -> None:
    task = SweepTask(settings=3, seeds=2, epochs=5)
    plan = plan_sweep(task, sizes, 2, H100, known)
    own = 3  # runs of each GPU
    assert plan.seconds[ARITHMETIC] == pytest.approx(own * 5 * known.training.gflop * 1e9 / H100.flops)
    assert plan.seconds[MEMORY] == pytest.approx(own * 5 * 235 * sizes.moved(256) / H100.bandwidth)
    assert plan.seconds[LINK] == pytest.approx(5 * own * 235 * 256 * 4 / H100.host_link)
    assert plan.seconds[PROBING] == pytest.approx(6 * known.probing.seconds)
    assert known.host is not None
    assert plan.seconds[LAYING] == pytest.approx(5 * (2 * known.host.order_seconds + 6 * known.host.laid_seconds))
    assert plan.moved[LINK] == 6 * 235 * 256 * 4
    assert plan.held == own * sizes.held + 70_000 * (784 + 4)
    assert plan.host_held == 6 * (sizes.fit + sizes.order + sizes.rows)


def test_twice_the_gpus_halve_what_is_divided_and_nothing_else(sizes: Sizes, known: Measured) -> None:
    one, two = (plan_sweep(SweepTask(), sizes, gpus, H100, known) for gpus in (4, 8))
    for resource, value in one.seconds.items():
        share = 0.5 if resource in (ARITHMETIC, MEMORY, LINK) else 1
        assert two.seconds[resource] == pytest.approx(share * value)
    one, two = (plan_stream(StreamTask(), sizes, gpus, H100, known) for gpus in (4, 8))
    assert two.seconds[ARITHMETIC] == pytest.approx(one.seconds[ARITHMETIC] / 2)
    assert one.seconds[MEMORY] / 2 < two.seconds[MEMORY] < one.seconds[MEMORY]  # every GPU updates all weights


def test_a_stream_moves_each_image_once_and_sums_gradients_in_each_step(sizes: Sizes, known: Measured) -> None:
    task = StreamTask(examples=256 * 100, passes=3, seeds=2)
    alone, host, many = (plan_stream(task, sizes, gpus, H100, known) for gpus in (1, 8, 16))
    assert [plan.moved[LINK] for plan in (alone, host, many)] == [256 * 100 * 784] * 3
    assert alone.seconds[SUMS] == 0
    assert host.seconds[SUMS] == pytest.approx(3 * 100 * 2 * sizes.parameters * 2 * 7 / 8 / H100.peer_link)
    assert many.seconds[SUMS] == pytest.approx(3 * 100 * 2 * sizes.parameters * 2 * 15 / 16 / H100.network)
    larger = plan_stream(StreamTask(seeds=2), sizes, 8, H100, known)
    assert (larger.held, larger.host_held) == (host.held, host.host_held)  # memory does not grow with the set
    assert seeds_apart(task, sizes, 1, H100) == pytest.approx(max(alone.seconds[ARITHMETIC], alone.seconds[MEMORY]))
    assert seeds_apart(task, sizes, 64, H100) == pytest.approx(seeds_apart(task, sizes, 1, H100) / 2)


def test_what_does_not_fit_says_in_how_many_groups_it_does(sizes: Sizes, known: Measured) -> None:
    assert groups_needed(items=10, each=3, shared=2, room=11) == 4  # three at once
    assert groups_needed(items=10, each=3, shared=2, room=32) == 1
    assert groups_needed(items=10, each=3, shared=2, room=4) == 0
    small = H100._replace(memory=(20 * sizes.held + 70_000 * 788) / H100.share + 1)
    plan = plan_sweep(SweepTask(settings=5, seeds=10), sizes, 1, small, known)
    assert (plan.groups, plan.fits) == (3, False)
    assert plan_sweep(SweepTask(settings=5, seeds=10), sizes, 8, small, known).fits


def test_the_ranking_follows_the_numbers() -> None:
    def plan(gpus: int, **seconds: float) -> Plan:
        return Plan(gpus, 1, 0, 1.0, 1, 0, {}, {ARITHMETIC: 8 / gpus, **seconds})

    breaks = ranking([plan(1, late=2, early=9, never=0.1, worse=9.5), plan(8, late=2, early=9, never=0.1, worse=9.5)])
    assert [(one.resource, one.first) for one in breaks] == [("worse", 1), ("early", 1), ("late", 8), ("never", None)]
    assert breaks[2].ratios == (0.25, 2.0)
    both = plan(1, fast=1)._replace(seconds={ARITHMETIC: 1.0, MEMORY: 2.0, AROUND[0]: 9.0})
    assert both.limit == MEMORY  # what comes after a training does not limit it


def test_the_page_is_made_with_and_without_what_is_optional(folder: Path) -> None:
    without = write(folder, measure=False).read_text()
    assert "`stream/stream.json` is not there" in without
    assert "`planning/host.json` is not there" in without
    assert all(name not in without for name in (READING, DECODING, LAYING))
    (folder / "stream").mkdir()
    (folder / "stream" / "stream.json").write_text(json.dumps(STREAM))
    measure_host(folder / "planning" / "host.json", rows=100, seeds=2, settings=3, batch=16)
    streaming = read_measured(folder).streaming
    assert streaming is not None
    assert streaming.examples == pytest.approx(9000)
    assert streaming.bytes == pytest.approx(9000 * 785)
    assert streaming.extra_decoding == pytest.approx(4 / 100 - 4 / 400)
    found = write(folder, measure=False).read_text()
    assert "is not there" not in found
    assert all(f"| time: {name} |" in found for name in (READING, DECODING, LAYING))
    assert found.count(f"| {READING} |") == 1
    assert json.loads((folder / "planning" / "planning.json").read_text())["stream"][0]["seconds"][READING] > 0


def test_the_benchmark_of_everything_goes_before_that_of_one_workload(folder: Path) -> None:
    shutil.copytree(folder / "benchmark", folder / "benchmark-deep")
    changed = json.loads((folder / "benchmark" / "results.json").read_text())
    own = next(one for one in changed["workloads"][0]["contenders"] if one["name"] == "aejax, 1 seed")
    own["seconds_per_epoch_and_seed"]["median"] = 0.001
    (folder / "benchmark" / "results.json").write_text(json.dumps(changed))
    training = read_measured(folder).training
    assert (training.source, training.contender) == ("benchmark/results.json", "aejax, 1 seed")


def test_a_folder_without_the_benchmark_is_refused_in_one_line(folder: Path, capsys: pytest.CaptureFixture) -> None:
    for path in folder.glob("benchmark*"):
        shutil.rmtree(path)
    with pytest.raises(InputError, match="run scripts/benchmark"):
        read_measured(folder)
    assert main([str(folder)]) == 2
    assert main([str(folder / "absent")]) == 2
    assert capsys.readouterr().err.count("error: ") == 2


def test_the_committed_page_is_what_the_committed_results_make(folder: Path) -> None:
    for source in ("planning/host.json", "stream/stream.json"):
        if (RESULTS / source).is_file():
            (folder / source).parent.mkdir(exist_ok=True)
            shutil.copy(RESULTS / source, folder / source)
    write(folder, measure=False)
    for name in ("planning.md", "planning.json"):
        assert (RESULTS / "planning" / name).read_text() == (folder / "planning" / name).read_text()


def test_numbers_have_three_digits_and_a_unit_that_suits() -> None:
    assert [size(value) for value in (12, 240_640, 2e12)] == ["12 B", "241 kB", "2 TB"]
    assert [duration(value) for value in (0.0, 0.0123, 90, 1009, 452_533)] == [
        "0 s",
        "0.0123 s",
        "90 s",
        "16.8 min",
        "5.24 days",
    ]
