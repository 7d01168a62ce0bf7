"""Of an autoencoder with a frozen half, that half keeps its initial weights bit for bit and the other learns."""

import dataclasses

import jax
import numpy as np
import pytest
from preparing import configure

from aejax.errors import InputError
from aejax.experiments.method_result import fit_and_score
from aejax.methods.registry import METHODS, controls_for

ADAMW = {"optimizer": "adamw", "weight_decay": 0.1}  # which decays weights without a gradient
CONFIG = configure(dataset="wine", hidden=(), latent_dim=3, epochs=2, batch_size=16, **ADAMW, probe="ridge", seeds=2)


def is_equal(here, there):
    return all(np.array_equal(a, b) for a, b in zip(jax.tree.leaves(here), jax.tree.leaves(there), strict=True))


@pytest.mark.parametrize("kind", ["sparse-l1", pytest.param("stacked", marks=pytest.mark.slow)])
def test_the_frozen_half_keeps_its_initial_weights_and_the_other_learns(experiment, kind):
    def score(name):
        return fit_and_score(experiment, name, METHODS[name](experiment.problem))

    frozen_encoder, frozen_decoder = (score(f"frozen-{part}-{kind}") for part in ("encoder", "decoder"))
    random, trained = score(f"random-{kind}"), score(kind)
    start = random.variables["params"]
    for half, other, run in [("encoder", "decoder", frozen_encoder), ("decoder", "encoder", frozen_decoder)]:
        assert is_equal(run.variables["params"][half], start[half])
        assert not is_equal(run.variables["params"][other], start[other])
        assert not is_equal(run.variables["params"][other], trained.variables["params"][other])
    np.testing.assert_array_equal(frozen_encoder.scores.log_prob, random.scores.log_prob)  # the features are equal
    assert not np.array_equal(frozen_decoder.scores.log_prob, random.scores.log_prob)


def test_they_are_controls_of_their_own_kind_alone(experiment):
    names = ("sparse-l1", "k-sparse", "frozen-encoder-sparse-l1", "frozen-decoder-sparse-l1")
    methods = {name: METHODS[name](experiment.problem) for name in names}
    assert controls_for("sparse-l1", methods) == list(names[2:])
    assert controls_for("k-sparse", methods) == []


@pytest.mark.parametrize(("kind", "tied"), [("contractive", False), ("undercomplete", True)])
def test_tied_weights_cannot_be_frozen_in_one_half(experiment, kind, tied):
    problem = dataclasses.replace(experiment.problem, model=dataclasses.replace(experiment.problem.model, tied=tied))
    with pytest.raises(InputError, match=f"^--methods frozen-decoder-{kind}: .* share their weights"):
        METHODS[f"frozen-decoder-{kind}"](problem)
