"""Encoders whose arrays are intact and of no use: refused with the array's name, however they got there."""

import os

import numpy as np
import pytest

from aejax.errors import InputError
from aejax.storage import pretrained_encoder
from aejax.storage.pretrained_encoder import load_encoder
from aejax.storage.pytree_io import named_leaves


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_refused(published, monkeypatch, value):
    def damage(folder, metadata, tree):
        next(iter(named_leaves(tree["params"]).values())).flat[0] = value

    monkeypatch.setattr(pretrained_encoder, "_require_consistent", damage)
    with pytest.raises(InputError, match=r"params\..* has 1 values that are NaN or infinite"):
        load_encoder(published)


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_a_scale_that_ignores_the_inputs_is_refused(published, monkeypatch, value):
    monkeypatch.setattr(
        pretrained_encoder, "_require_consistent", lambda folder, metadata, tree: tree["scaler"]["scale"].fill(value)
    )
    with pytest.raises(InputError, match="the scaler's scale is 0 for every feature, or not finite"):
        load_encoder(published)


def test_folders_1200_deep_are_refused(published, monkeypatch):
    monkeypatch.chdir(published)
    for _ in range(1200):
        os.mkdir("d")
        os.chdir("d")
    monkeypatch.chdir(published)
    try:
        with pytest.raises(InputError, match="d/d is nested too deeply"):
            load_encoder(published)
    finally:  # shutil.rmtree cannot remove it
        for _ in range(1200):
            os.chdir("d")
        for _ in range(1200):
            os.chdir("..")
            os.rmdir("d")
