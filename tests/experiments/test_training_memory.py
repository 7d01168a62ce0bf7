"""A training that cannot fit into memory is refused with the sizes before anything of its size is allocated."""

import dataclasses

import jax
import pytest
from preparing import configure

from aejax.config import PretrainConfig
from aejax.errors import InputError
from aejax.experiments import work
from aejax.experiments.compare import load_comparison, prepare_comparison
from aejax.experiments.experiment import load_examples
from aejax.experiments.pretrain import design_pretraining, prepare_pretraining
from aejax.experiments.progress import SilentReporter
from aejax.experiments.training import init_variables
from aejax.experiments.work import training_bytes
from aejax.methods.external import precomputed

GIB = 1 << 30


def prepare(**model):
    design = load_comparison(configure(methods=("raw", "supervised", "vae"), dataset="wine", **model, seeds=2))
    return prepare_comparison(design, SilentReporter()), design.methods


@pytest.mark.parametrize("model", [{"latent_dim": 1_000_000}, {"hidden": (20_000, 20_000)}])
def test_wide_layers_are_refused_with_the_sizes(monkeypatch, model):
    monkeypatch.setattr(work, "available_host_memory", lambda: 4 * GIB)
    with pytest.raises(InputError, match=r"2 seeds need \d+\.\d GiB for weights.*memory has 4\.0 GiB left"):
        prepare(**model)
    config = configure(PretrainConfig(), method="undercomplete", dataset="wine", **model, seeds=2)
    with pytest.raises(InputError, match="undercomplete: 2 seeds need"):
        prepare_pretraining(design_pretraining(config, load_examples(config.data)), SilentReporter())


def test_what_is_trained_alone_is_refused_as_well(monkeypatch):
    experiment, methods = prepare(hidden=(10_000,))
    monkeypatch.setattr(work, "available_host_memory", lambda: 1 << 20)
    with pytest.raises(InputError, match="this training: 2 seeds need"):
        init_variables(experiment, methods["vae"])


def test_small_models_and_features_made_elsewhere_are_not_measured(monkeypatch):
    measured = []
    monkeypatch.setattr(work, "training_bytes", lambda _, method: measured.append(method) or 0)
    prepare()
    assert measured == []
    wide, methods = prepare(hidden=(20_000,))
    assert measured == [*methods.values()]
    work.require_training_memory(wide, {"mine": precomputed(wide.dataset.inputs).as_method()})
    assert len(measured) == len(methods)


def test_a_training_needs_its_weights_four_times_and_two_for_an_update():
    experiment, methods = prepare(hidden=(512,), latent_dim=16)
    one = dataclasses.replace(experiment, plan=dataclasses.replace(experiment.plan, seeds=1))
    weights = sum(leaf.nbytes // 2 for leaf in jax.tree.leaves(init_variables(experiment, methods["vae"])))
    assert 6 * weights < training_bytes(one, methods["vae"]) < 8 * weights
    assert training_bytes(experiment, methods["vae"]) > training_bytes(one, methods["vae"])
