"""The protocol that chooses defaults: validation rows decide, and the defaults are what was chosen."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from aejax.config import ObjectiveConfig, SweepConfig
from aejax.data.development import N_UNUSED, three_class_table
from aejax.errors import InputError
from aejax.experiments.default_strengths import STRENGTHS, ChoiceConfig, describe_choice, validation_accuracies
from aejax.experiments.resolve import K_ENCODE_RATIO, resolve_config

RESULTS = Path(__file__).parents[2] / "results" / "defaults" / "defaults.json"
SHORT = ChoiceConfig(seeds=1, epochs=1, batch_size=64)


def strength_of(kind, field, values):
    (strength,) = (strength for strength in STRENGTHS if (strength.kind, strength.field) == (kind, field))
    return strength._replace(values=values)


@pytest.mark.slow
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


def test_a_multiple_of_k_is_a_number_of_units():
    dataset = three_class_table()  # its code has 30 units
    resolved = resolve_config(SweepConfig(), dataset)
    by_k = strength_of("k-sparse", "k_encode", ())
    assert [by_k.setting(1.5, resolved), by_k.setting(99, resolved)] == [4, 30]


def test_the_weakest_value_within_half_a_point_of_the_highest_mean_is_chosen():
    strength = strength_of("sparse-l1", "l1", (0.1, 1.0, 10.0, 100.0))
    entry = describe_choice(strength, [[50.0, 80.0, 79.0, 81.0], [90.0, 80.0, 70.0, 79.8]], ["a", "b"])
    assert (entry["chosen"], entry["grid_edge"]) == (1.0, False)
    np.testing.assert_allclose(entry["mean"], [70.0, 80.0, 74.5, 80.4])
    entry = describe_choice(strength, [[50.0, 80.0, 79.0, 81.2], [90.0, 80.0, 70.0, 80.0]], ["a", "b"])
    assert (entry["chosen"], entry["grid_edge"]) == (100.0, True)


def test_the_defaults_are_the_values_that_the_protocol_chose():
    chosen = {entry["field"]: entry["chosen"] for entry in json.loads(RESULTS.read_text())["defaults"]}
    defaults = {**vars(ObjectiveConfig()), "k_encode": K_ENCODE_RATIO}
    assert chosen == {field: defaults[field] for field in chosen}


def test_a_kind_without_a_strength_is_rejected():
    with pytest.raises(InputError, match=r"^--kinds undercomplete: has no strength"):
        ChoiceConfig(kinds=("undercomplete",))
