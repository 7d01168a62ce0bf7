"""Programs that are compiled ahead are those that methods run, and results do not depend on it."""

import dataclasses
import logging

import jax
import numpy as np
import pytest

from aejax.config import CompareConfig, DataConfig, ModelConfig, TrainConfig
from aejax.experiments import compile_ahead, method_result
from aejax.experiments.compare import compare
from tests.consoles import quiet

METHODS = ("raw", "vae")
CONFIG = CompareConfig(
    data=DataConfig(dataset="wine"),
    model=ModelConfig(hidden=(7,), latent_dim=3),
    train=TrainConfig(epochs=3, batch_size=19),
    seeds=3,
)
PROGRAMS = ("init_seed", "epochs", "classify_seed")


@pytest.fixture
def compiled_by_methods(monkeypatch, caplog):
    """Returns the messages of JAX about what was compiled while a method was trained and scored."""
    messages = []
    fit_and_score = method_result.fit_and_score

    def recorded(*args):
        caplog.clear()
        with jax.log_compiles(), caplog.at_level(logging.WARNING):
            result = fit_and_score(*args)
        messages.extend(r.getMessage() for r in caplog.records if r.threadName == "MainThread")
        return result

    monkeypatch.setattr("aejax.experiments.compare.fit_and_score", recorded)
    return messages


def test_methods_compile_no_program_that_was_compiled_ahead_and_score_the_same(
    compiled_by_methods, monkeypatch, tmp_path
):
    config = dataclasses.replace(CONFIG, methods=METHODS)
    ahead = compare(config, tmp_path / "ahead", quiet())
    late = [message for message in compiled_by_methods if "Finished XLA" in message]
    assert late  # small programs are not compiled ahead
    assert not [message for message in late if any(f"jit({name})" in message for name in PROGRAMS)]
    jax.clear_caches()
    monkeypatch.setattr(compile_ahead, "is_large", lambda arrays: True)
    own = compare(config, tmp_path / "own", quiet())
    for with_ahead, without in zip(ahead["methods"], own["methods"], strict=True):
        np.testing.assert_array_equal(with_ahead["test_accuracy"]["per_seed"], without["test_accuracy"]["per_seed"])
        np.testing.assert_array_equal(with_ahead["test_nll"]["per_seed"], without["test_nll"]["per_seed"])
        assert with_ahead["seconds"]["compile"] > 0


def test_an_error_of_compiling_ends_the_run_where_the_method_would_run(monkeypatch, tmp_path):
    def fail(*args):
        raise MemoryError("compiling")

    monkeypatch.setattr(compile_ahead, "compile_classifier", fail)
    with pytest.raises(MemoryError, match="compiling"):
        compare(dataclasses.replace(CONFIG, methods=("raw",)), tmp_path / "run", quiet())
