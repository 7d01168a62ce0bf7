"""Devices of a command, which are configured before JAX starts."""

from typing import Any

from aejax.config import DistributedConfig, PlanConfig, to_dict


def configure_cpu_devices(seeds: int) -> None:
    """Configures one CPU device per core, at most one per seed; called before JAX starts."""
    import jax

    from aejax.experiments.environment import usable_cores

    jax.config.update("jax_num_cpu_devices", max(1, min(usable_cores(), seeds)))


def configure_devices(processes: DistributedConfig, plan: PlanConfig, seeds: int, settings: Any = None) -> None:
    """Configures CPU devices and joins the other processes of a run; called before JAX starts.

    Args:
        processes: who the others are.
        plan: of the seeds.
        seeds: how many are trained at once.
        settings: a config, which must be equal in all processes.

    Raises:
        InputError: the other processes cannot be joined.
    """
    from aejax.experiments.multihost import initialize_distributed
    from aejax.experiments.preemption import exit_as_lost

    configure_cpu_devices(plan.devices or seeds * plan.batch_devices)
    initialize_distributed(processes, None if settings is None else to_dict(settings), exit_as_lost)
