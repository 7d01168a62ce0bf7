"""Devices of a command, which are configured before JAX starts."""

import os
from pathlib import Path
from typing import Any

from aejax.config import DistributedConfig, PlanConfig, to_dict
from aejax.errors import InputError, summarize_error


def configure_cpu_devices(seeds: int) -> None:
    """Configures one CPU device per core, at most one per seed; called before JAX starts.

    Raises:
        InputError: JAX has no backend of `JAX_PLATFORMS`.
    """
    _set_cpu_devices(seeds)
    _require_backend()


def use_compilation_cache(folder: Path) -> None:
    """Keeps all compiled programs in a folder, and loads from it those that another process has compiled."""
    import jax

    jax.config.update("jax_compilation_cache_dir", str(folder.absolute()))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def configure_devices(processes: DistributedConfig, plan: PlanConfig, seeds: int, settings: Any = None) -> None:
    """Configures CPU devices and joins the other processes of a run; called before JAX starts.

    Args:
        processes: who the others are.
        plan: of the seeds.
        seeds: how many are trained at once.
        settings: a config, which must be equal in all processes.

    Raises:
        InputError: the other processes cannot be joined, or JAX has no backend of `JAX_PLATFORMS`.
    """
    from aejax.experiments.multihost import initialize_distributed
    from aejax.experiments.preemption import exit_as_lost

    _set_cpu_devices(plan.devices or seeds * plan.batch_devices)
    if processes.compilation_cache is not None:
        use_compilation_cache(processes.compilation_cache)
    initialize_distributed(processes, None if settings is None else to_dict(settings), exit_as_lost)
    _require_backend()


def _set_cpu_devices(seeds: int) -> None:
    import jax

    from aejax.experiments.environment import usable_cores

    usable = 1 if jax.config.jax_disable_jit else usable_cores()  # type: ignore[attr-defined]
    jax.config.update("jax_num_cpu_devices", max(1, min(usable, seeds)))


def _require_backend() -> None:
    """Starts JAX, if the environment names its backend, to find out whether it is there."""
    import jax

    platforms = os.environ.get("JAX_PLATFORMS", "")
    if not platforms:
        return
    try:
        jax.devices()
    except (AssertionError, RuntimeError) as error:  # the first without the backend's plugin
        raise InputError(
            f"JAX_PLATFORMS={platforms}: no such device ({summarize_error(error)}); unset it, or set it to cpu"
        ) from None
