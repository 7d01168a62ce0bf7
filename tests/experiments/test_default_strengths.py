"""The protocol that chooses defaults: validation rows decide, and the defaults are what was chosen."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from aejax.config import ObjectiveConfig
from aejax.data.development import N_UNUSED, three_class_table
from aejax.errors import InputError
from aejax.experiments.default_strengths import STRENGTHS, ChoiceConfig, describe_choice, validation_accuracies

RESULTS = Path(__file__).parents[2] / "results" / "defaults" / "defaults.json"
SHORT = ChoiceConfig(seeds=1, epochs=1, batch_size=64)


def strength_of(kind, field, values):
    (strength,) = (strength for strength in STRENGTHS if (strength.kind, strength.field) == (kind, field))
    return strength._replace(values=values)


def test_what_the_test_rows_hold_does_not_matter_and_the_strength_does():
    dataset = three_class_table()
    inputs, labels = dataset.inputs.copy(), dataset.labels.copy()
    inputs[:N_UNUSED], labels[:N_UNUSED] = 1000.0, 0
    strength = strength_of("denoising", "noise_std", (0.1, 100.0))
    accuracies = validation_accuracies(strength, dataset, SHORT)
    assert (
        validation_accuracies(strength, dataclasses.replace(dataset, inputs=inputs, labels=labels), SHORT) == accuracies
    )
    assert accuracies[0] > accuracies[1] > 0


def test_a_share_of_the_code_is_a_number_of_units():
    dataset = three_class_table()  # its code has 30 units
    twice = validation_accuracies(strength_of("k-sparse", "k", (0.1, 0.1)), dataset, SHORT)
    assert twice[0] == twice[1]
    units = strength_of("k-sparse", "k", ())._replace(unit="", values=(3,))
    assert validation_accuracies(units, dataset, SHORT) == twice[:1]


def test_the_chosen_value_has_the_highest_mean_over_the_sets():
    strength = strength_of("sparse-l1", "l1", (0.1, 1.0, 10.0))
    entry = describe_choice(strength, [[50.0, 80.0, 79.0], [90.0, 80.0, 70.0]], ["a", "b"])
    assert (entry["chosen"], entry["grid_edge"]) == (1.0, False)
    np.testing.assert_allclose(entry["mean"], [70.0, 80.0, 74.5])


def test_the_defaults_are_the_values_that_the_protocol_chose():
    chosen = {(entry["field"], entry["unit"]): entry["chosen"] for entry in json.loads(RESULTS.read_text())["defaults"]}
    config = ObjectiveConfig()
    for (field, unit), value in chosen.items():
        if not unit:
            assert getattr(config, field) == value, f"--{field}: results/defaults has {value}"


def test_a_kind_without_a_strength_is_rejected():
    with pytest.raises(InputError, match=r"^--kinds undercomplete: has no strength"):
        ChoiceConfig(kinds=("undercomplete",))
