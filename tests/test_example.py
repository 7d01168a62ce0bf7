"""The single-file example: its optimizer moves no frozen weight, and training beats the untrained encoder."""

import example
import jax
import numpy as np
import optax


def test_the_example_freezes_the_encoder_and_ranks_the_three_features(capsys, monkeypatch):
    monkeypatch.setattr(example, "SEEDS", 3)
    monkeypatch.setattr(example, "EPOCHS", 20)
    example.main()
    lines = [line for line in capsys.readouterr().out.splitlines() if "%" in line]
    accuracy = {name.strip(): float(rest.split()[0]) for name, rest in (line.split(":") for line in lines)}
    assert accuracy["autoencoder"] > accuracy["untrained encoder"] + 5
    assert accuracy["raw pixels"] > 90


def test_freeze_leaves_the_frozen_part_unchanged_to_the_bit_and_moves_the_rest():
    params = {"encoder": {"kernel": np.ones((3, 2), np.float32)}, "head": {"bias": np.ones(2, np.float32)}}
    optimizer = example.freeze(optax.adamw(0.1, weight_decay=1.0), "encoder")
    updates, _ = optimizer.update(jax.tree.map(np.ones_like, params), optimizer.init(params), params)
    np.testing.assert_array_equal(updates["encoder"]["kernel"], 0)
    assert (np.asarray(updates["head"]["bias"]) < 0).all()
