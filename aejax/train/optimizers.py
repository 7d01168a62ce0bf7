"""Optax optimizers by name, learning-rate schedules, and exact freezing of parameters."""

import dataclasses
import functools
from collections.abc import Callable, Collection, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax.traverse_util import path_aware_map

from aejax.config import OptimizerConfig
from aejax.config.train import replace_unvalidated
from aejax.errors import require


def make_schedule(config: OptimizerConfig, steps_per_epoch: int, epochs: int) -> optax.Schedule:
    """Returns the learning rate by step: linear warm-up from 0, then constant or a cosine to 0 after the last step.

    Raises:
        InputError: the warm-up does not end before the training.
    """
    warmup, total = round(config.warmup_epochs * steps_per_epoch), epochs * steps_per_epoch
    require(
        warmup < total,
        f"--warmup-epochs {config.warmup_epochs}: must be below the {epochs} epochs of training end to end; lower it, "
        "or raise --epochs",
    )
    after: optax.Schedule = optax.constant_schedule(config.learning_rate)
    if config.schedule == "cosine":
        after = optax.cosine_decay_schedule(config.learning_rate, total - warmup)
    if warmup == 0:
        return after
    return optax.join_schedules([optax.linear_schedule(0.0, config.learning_rate, warmup), after], [warmup])


def make_optimizer(config: OptimizerConfig, steps_per_epoch: int, epochs: int) -> optax.GradientTransformation:
    """Returns the optimizer of a config, after clipping by global norm if the config has `clip_norm`.

    Adadelta has the constants of early Keras (Zeiler 2012: rho .95). It always gets a learning rate, because without
    one Optax does not negate the update.
    """
    rate = make_schedule(config, steps_per_epoch, epochs)
    if config.schedule == "constant" and config.warmup_epochs == 0:
        rate = config.learning_rate  # a number adds no step count to the optimizer state
    optimizers = {
        "adam": lambda: optax.adam(rate),
        "adamw": lambda: optax.adamw(rate, weight_decay=config.weight_decay),
        "adadelta": lambda: optax.adadelta(rate, rho=0.95, eps=1e-7),
        "sgd": lambda: optax.sgd(rate, momentum=config.momentum),
    }
    optimizer = optimizers[config.optimizer]()
    if config.clip_norm is None:
        return optimizer
    return optax.chain(optax.clip_by_global_norm(config.clip_norm), optimizer)


def make_traced_optimizer(
    config: OptimizerConfig, steps_per_epoch: int, epochs: int
) -> optax.GradientTransformationExtraArgs:
    """Returns `make_optimizer` with hyperparameters that each update receives as the argument `hyper`.

    Its state has the structure of that of `make_optimizer`: no traced hyperparameter changes it.
    """

    def update(
        gradient: optax.Updates,
        state: optax.OptState,
        params: optax.Params | None = None,
        *,
        hyper: Mapping[str, Any],
        **others: Any,
    ) -> tuple[optax.Updates, optax.OptState]:
        return make_optimizer(replace_unvalidated(config, hyper), steps_per_epoch, epochs).update(
            gradient, state, params
        )

    return optax.GradientTransformationExtraArgs(make_optimizer(config, steps_per_epoch, epochs).init, update)


def train_selected(
    optimizer: optax.GradientTransformation, is_trained: Callable[[tuple[str, ...]], bool]
) -> optax.GradientTransformation:
    """Returns an optimizer of the parameters whose path is selected; the others stay bit-equal.

    `optax.masked` passes gradients outside its mask through unchanged, so a second mask sets those to zero. The
    optimizer is inside the first mask: weight decay, momentum and clipping see the trained parameters only.
    """

    def mask(params: dict[str, Any], trained: bool) -> Any:
        return path_aware_map(lambda path, _: is_trained(tuple(map(str, path))) == trained, params)

    return optax.chain(
        optax.masked(optimizer, lambda params: mask(params, trained=True)),
        optax.masked(optax.set_to_zero(), lambda params: mask(params, trained=False)),
    )


def freeze(optimizer: optax.GradientTransformation, parts: Collection[str]) -> optax.GradientTransformation:
    """Returns an optimizer of all parts except the given ones, which stay bit-equal."""
    return train_selected(optimizer, lambda path: path[0] not in parts)


def decoupled_weight_decay(learning_rate: float | optax.Schedule) -> optax.GradientTransformationExtraArgs:
    """Returns a transformation that shrinks weights by learning rate times `hyper["weight_decay"]` in every step.

    After any update rule; after Adam it is AdamW (Loshchilov and Hutter 2019). The decay is an argument of the update,
    so that one program serves all values.
    """
    rate = learning_rate if callable(learning_rate) else optax.constant_schedule(learning_rate)

    def init(params: optax.Params) -> optax.ScaleByScheduleState:
        return optax.ScaleByScheduleState(jnp.zeros((), jnp.int32))

    def update(
        updates: optax.Updates,
        state: optax.ScaleByScheduleState,
        params: optax.Params | None = None,
        *,
        hyper: Mapping[str, Any],
        **others: Any,
    ) -> tuple[optax.Updates, optax.ScaleByScheduleState]:
        shrink = rate(state.count) * hyper["weight_decay"]
        decayed = jax.tree.map(lambda change, weight: change - shrink * weight, updates, params)
        return decayed, optax.ScaleByScheduleState(optax.safe_increment(state.count))

    return optax.GradientTransformationExtraArgs(init, update)


@functools.lru_cache(maxsize=64)
def make_classifier_optimizer(
    config: OptimizerConfig, steps_per_epoch: int, epochs: int
) -> optax.GradientTransformationExtraArgs:
    """Returns the optimizer of a config whose weight decay, for every update rule, is `hyper["weight_decay"]`.

    The same object for equal settings, so that they share compiled programs.
    """
    rule = dataclasses.replace(config, optimizer="adam") if config.optimizer == "adamw" else config
    optimizer = make_optimizer(rule, steps_per_epoch, epochs)
    decay = decoupled_weight_decay(make_schedule(config, steps_per_epoch, epochs))
    return optax.with_extra_args_support(optax.chain(optimizer, decay))
