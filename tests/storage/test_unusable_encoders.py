"""Encoders whose arrays are intact and of no use: rejected with the array's name, however they got there."""

import numpy as np
import pytest

from aejax.errors import InputError
from aejax.storage import pretrained_encoder
from aejax.storage.encoder_metadata import read_metadata
from aejax.storage.pretrained_encoder import load_encoder
from aejax.storage.pytree_io import named_leaves


def fill_scale(value):
    return lambda tree: tree["scaler"]["scale"].fill(value)


def set_weight(value):
    def damage(tree):
        next(iter(named_leaves(tree["params"]).values())).flat[0] = value

    return damage


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (set_weight(np.nan), r"params\..* has 1 values that are NaN or infinite"),
        (set_weight(-np.inf), r"params\..* has 1 values that are NaN or infinite"),
        (fill_scale(0.0), "the scaler's scale is 0 for every feature, or not finite"),
        (fill_scale(np.nan), "the scaler's scale is 0 for every feature, or not finite"),
    ],
)
def test_arrays_that_give_no_codes_are_rejected(published, monkeypatch, damage, message):
    digest = read_metadata(published).arrays_sha256
    monkeypatch.setattr(pretrained_encoder, "arrays_sha256", lambda tree: damage(tree) or digest)
    with pytest.raises(InputError, match=message):
        load_encoder(published)
