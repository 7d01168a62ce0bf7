"""Configs by the names of flags, and an experiment before anything is trained."""

from aejax.config import CompareConfig
from aejax.config.settings import replace_settings
from aejax.data.registry import load_dataset
from aejax.experiments.experiment import prepare_experiment
from aejax.experiments.progress import SilentReporter
from aejax.experiments.resolve import resolve_config

COMPARISON = CompareConfig()


def configure(config=COMPARISON, **settings):
    """Returns a config with other settings."""
    return replace_settings(config, settings)


def prepare(config, dataset=None):
    """Returns the experiment of a config on its dataset, or on another one."""
    dataset = load_dataset(config.data) if dataset is None else dataset
    return prepare_experiment(resolve_config(config, dataset), dataset, SilentReporter())
