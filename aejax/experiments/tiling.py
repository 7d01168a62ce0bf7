"""Several settings trained by one program: settings and seeds share the axis of the plan."""

import dataclasses

from aejax.data.scalers import Scaler
from aejax.experiments.experiment import Experiment


def tile_experiment(experiment: Experiment, n_settings: int) -> Experiment:
    """Repeats every seed for each of `n_settings` settings: row r has seed r % seeds and setting r // seeds.

    Keys and scaler are those of the seed, so that settings are paired and each equals its own run; a training repeats
    the rows of the split itself. The examples are not moved: both plans use the same devices.
    """
    plan = dataclasses.replace(experiment.plan, seeds=n_settings * experiment.config.seeds)
    tiled = dataclasses.replace(experiment, plan=plan)
    scaler: Scaler = tiled.tile_rows(experiment.scaler)
    return dataclasses.replace(tiled, scaler=scaler, device_scaler=plan.shard(scaler))
