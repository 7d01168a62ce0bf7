"""`--axis` is parsed to a field with values of its type."""

import dataclasses

import pytest

from aejax.config import ObjectiveConfig, SweepConfig
from aejax.config.sweep_axes import SWEEPABLE_CONFIGS, SweepAxis, format_axis_value, max_runs_per_program, parse_axes
from aejax.config.train import TRACEABLE_FIELDS, replace_unvalidated


@pytest.mark.parametrize(
    ("word", "axis"),
    [
        ("latent_dim=2,4", SweepAxis("model", "latent_dim", (2, 4))),
        ("latent-dim=2,none", SweepAxis("model", "latent_dim", (2, None))),
        ("--noise-std=0.1, 1", SweepAxis("objective", "noise_std", (0.1, 1.0))),
        ("hidden=128x64,32,none", SweepAxis("model", "hidden", ((128, 64), (32,), ()))),
        ("batch_norm=true,false", SweepAxis("model", "batch_norm", (True, False))),
        ("activation=relu,tanh", SweepAxis("model", "activation", ("relu", "tanh"))),
        ("reconstruction=mse,none", SweepAxis("objective", "reconstruction", ("mse", None))),
        ("optimizer=adam,sgd", SweepAxis("optimizer", "optimizer", ("adam", "sgd"))),
        ("epochs=5,10", SweepAxis("train", "epochs", (5, 10))),
    ],
)
def test_an_axis_is_a_field_with_values_of_its_type(word, axis):
    assert parse_axes([word]) == (axis,)
    assert parse_axes([f"{axis.field}={','.join(map(format_axis_value, axis.values))}"]) == (axis,)


def test_every_traceable_field_is_a_number_of_its_config():
    for group, fields in TRACEABLE_FIELDS.items():
        types = {field.name: field.type for field in dataclasses.fields(SWEEPABLE_CONFIGS[group])}
        assert all(types[field] in (float, float | None) for field in fields)


def test_values_that_cannot_be_traced_are_not_counted_as_rows():
    config = SweepConfig(axis=("latent_dim=2,4,8", "decoder_std=none,0.1,0.2", "beta=1,2,3"), seeds=5)
    assert max_runs_per_program(config) == 5 * 2 * 3


def test_replacing_unvalidated_changes_a_copy_and_validates_nothing():
    config = ObjectiveConfig()
    carried = replace_unvalidated(config, {"noise_std": -1.0, "learning_rate": 3.0})
    assert carried.noise_std == -1.0
    assert config == ObjectiveConfig()
    assert not hasattr(carried, "learning_rate")


def test_values_are_shown_as_they_are_given_also_after_json():
    values = (0.1, 4, [128, 64], [], None, True)
    assert [format_axis_value(value) for value in values] == ["0.1", "4", "128x64", "none", "none", "true"]
