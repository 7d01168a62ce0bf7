"""Settings: frozen dataclasses whose fields state their meaning and unit.

Every field is also a command-line flag (`latent_dim` is `--latent-dim`), so no two fields here share a name.
`None` means "chosen from the data"; a run's `config.json` has the chosen value.
"""

from aejax.config.data import DataConfig, SplitConfig
from aejax.config.evaluate import EvaluationConfig, HeadConfig, ProbeConfig
from aejax.config.experiment import (
    COMPARE_METHODS,
    CompareConfig,
    ExperimentConfig,
    PretrainConfig,
    ProbeRunConfig,
    SweepConfig,
)
from aejax.config.model import Activation, ComputeDtype, ModelConfig
from aejax.config.run import CheckpointConfig, DistributedConfig, OutputConfig
from aejax.config.serialization import absent_values, from_dict, to_dict
from aejax.config.train import ObjectiveConfig, OptimizerConfig, PlanConfig, TrainConfig

__all__ = [
    "COMPARE_METHODS",
    "Activation",
    "CheckpointConfig",
    "CompareConfig",
    "ComputeDtype",
    "DataConfig",
    "DistributedConfig",
    "EvaluationConfig",
    "ExperimentConfig",
    "HeadConfig",
    "ModelConfig",
    "ObjectiveConfig",
    "OptimizerConfig",
    "OutputConfig",
    "PlanConfig",
    "PretrainConfig",
    "ProbeConfig",
    "ProbeRunConfig",
    "SplitConfig",
    "SweepConfig",
    "TrainConfig",
    "absent_values",
    "from_dict",
    "to_dict",
]
