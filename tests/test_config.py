import dataclasses
import json

import pytest

import aejax.config
from aejax.config import (
    CompareConfig,
    EvaluationConfig,
    ModelConfig,
    OptimizerConfig,
    PretrainConfig,
    ProbeConfig,
    SplitConfig,
    SweepConfig,
    TrainConfig,
    absent_values,
    from_dict,
    to_dict,
)
from aejax.config.serialization import VALUES_OF_ABSENT_FIELDS
from aejax.errors import InputError
from aejax.recipes import RECIPES, compare_defaults, get_recipe


@pytest.mark.parametrize("config", [compare_defaults(name) for name in ("digits", "tabular", "mnist", "x.csv")])
def test_a_compare_config_survives_json(config):
    assert from_dict(CompareConfig, json.loads(json.dumps(to_dict(config)))) == config


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_survives_json_and_knows_its_name(name):
    assert from_dict(PretrainConfig, json.loads(json.dumps(to_dict(get_recipe(name))))) == get_recipe(name)
    assert get_recipe(name).recipe == name


def test_a_field_that_an_older_config_lacks_has_the_meaning_of_its_version():
    saved = to_dict(CompareConfig())
    del saved["objective"]["penalty_scale"]
    assert from_dict(CompareConfig, saved).objective.penalty_scale == "mean"
    assert absent_values(CompareConfig())["objective"]["penalty_scale"] == "mean"
    for name, fields in VALUES_OF_ABSENT_FIELDS.items():  # every entry names a field and one of its values
        from_dict(getattr(aejax.config, name), fields)


def test_no_two_fields_share_a_flag():
    def names(kind):
        for field in dataclasses.fields(kind):
            if dataclasses.is_dataclass(field.type):
                yield from names(field.type)
            else:
                yield field.name

    for kind in (CompareConfig, PretrainConfig, SweepConfig):
        flags = list(names(kind))
        assert len(flags) == len(set(flags))


@pytest.mark.parametrize(
    ("make", "flag"),
    [
        (lambda: CompareConfig(seeds=0), "--seeds 0"),
        (lambda: TrainConfig(epochs=0), "--epochs 0"),
        (lambda: TrainConfig(batch_size=0), "--batch-size 0"),
        (lambda: SplitConfig(test_fraction=1.0), "--test-fraction 1"),
        (lambda: SplitConfig(label_fraction=0.0), "--label-fraction 0"),
        (lambda: ModelConfig(latent_dim=0), "--latent-dim 0"),
        (lambda: ModelConfig(hidden=(8, 0)), "--hidden"),
        (lambda: OptimizerConfig(learning_rate=0.0), "--learning-rate 0"),
        (lambda: OptimizerConfig(momentum=1.0), "--momentum 1"),
        (lambda: ProbeConfig(probe_c=-1.0), "--probe-c -1"),
        (lambda: EvaluationConfig(margin=-0.01), "--margin -0.01"),
    ],
)
def test_a_value_out_of_range_is_rejected_by_its_flag(make, flag):
    with pytest.raises(InputError, match=flag):
        make()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seeds": "ten"}, "config: seeds: expected"),
        ({"sorcery": 1}, "sorcery"),
        ({"model": {"hidden": 3}}, "config: model.hidden: expected"),
        ({"optimizer": {"optimizer": "lion"}}, "config: optimizer.optimizer: expected"),
    ],
)
def test_an_edited_config_file_is_rejected_by_field(change, named):
    with pytest.raises(InputError, match=named):
        from_dict(CompareConfig, {**to_dict(compare_defaults("digits")), **change})


def test_an_unknown_recipe_is_rejected_with_the_nearest_name():
    with pytest.raises(InputError, match="did you mean tutorial-deep"):
        get_recipe("tutorial-depe")
