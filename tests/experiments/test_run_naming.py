"""Default run folders: one for each run, and the same for the same command."""

import dataclasses
from pathlib import Path

import pytest

from aejax.config import DataConfig, PretrainConfig, ProbeRunConfig, TrainConfig
from aejax.config.experiment import ExploreConfig
from aejax.experiments.run_naming import dataset_slug, default_run_dir
from aejax.recipes import compare_defaults

DIGITS = compare_defaults("digits")


def folder(config, defaults=DIGITS):
    return default_run_dir(Path("compare"), config, defaults).name


def test_the_defaults_of_a_named_dataset_have_a_plain_name():
    assert default_run_dir(Path("runs/compare-digits"), DIGITS, DIGITS) == Path("runs/compare-digits")


def test_other_flags_make_other_folders_in_any_order():
    changes = [{"seeds": 2}, {"methods": ("raw",)}, {"train": TrainConfig(epochs=3)}, {"seeds": 2, "methods": ("raw",)}]
    names = [folder(dataclasses.replace(DIGITS, **change)) for change in changes]
    assert len({*names, "compare"}) == 5
    assert names[3] == folder(dataclasses.replace(DIGITS, **dict(reversed(changes[3].items()))))


def test_the_folder_of_downloads_changes_no_name(tmp_path):
    data = dataclasses.replace(DIGITS.data, data_dir=tmp_path)
    assert folder(dataclasses.replace(DIGITS, data=data)) == "compare"


def test_files_of_one_stem_and_other_suffixes_or_places_have_folders_of_their_own():
    paths = ["a.csv", "a.parquet", "b/a.csv", "./a.csv"]
    configs = [compare_defaults(path) for path in paths]
    assert len({folder(config, config) for config in configs}) == 4
    assert {dataset_slug(path) for path in paths} == {"a"}


@pytest.mark.parametrize("dataset", ["wine", "tfds:wine", "wine.csv"])
def test_a_recipe_on_other_data_than_its_own_has_a_folder_of_its_own(dataset):
    recipe = PretrainConfig()
    other = dataclasses.replace(recipe, data=DataConfig(dataset=dataset))
    assert folder(other, recipe) != folder(recipe, recipe)


def test_analyses_with_other_flags_have_folders_of_their_own_in_the_run(tmp_path):
    for defaults, other in (
        (ProbeRunConfig(), ProbeRunConfig(label_fraction=0.5)),
        (ExploreConfig(), ExploreConfig(seed=1)),
    ):
        same = dataclasses.replace(defaults, data_dir=tmp_path)
        assert default_run_dir(tmp_path / "analysis", same, defaults) == tmp_path / "analysis"
        found = default_run_dir(tmp_path / "analysis", other, defaults)
        assert found.parent == tmp_path
        assert found.name.startswith("analysis-")
