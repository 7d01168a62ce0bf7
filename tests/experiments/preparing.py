"""An experiment before anything is trained."""

from aejax.data.registry import load_dataset
from aejax.experiments.experiment import prepare_experiment
from aejax.experiments.progress import SilentReporter
from aejax.experiments.resolve import resolve_config


def prepare(config, dataset=None):
    """Returns the experiment of a config on its dataset, or on another one."""
    dataset = load_dataset(config.data) if dataset is None else dataset
    return prepare_experiment(resolve_config(config, dataset), dataset, SilentReporter())
