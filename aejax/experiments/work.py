"""What the parts of a run cost, before anything is measured: seconds, memory, and layers of models with their FLOPs."""

import dataclasses
import math
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.traverse_util import flatten_dict

from aejax.data.memory import available_host_memory, format_bytes
from aejax.data.shuffling import steps_per_epoch
from aejax.errors import require
from aejax.experiments.experiment import Experiment
from aejax.experiments.progress import Work, format_clock
from aejax.experiments.schedule import total_epochs
from aejax.methods.method import Method
from aejax.methods.tuning_space import has_settings
from aejax.models.autoencoder import Autoencoder
from aejax.models.submodules import Variables
from aejax.report.tables import Column, Table, TerminalTable, plain_text
from aejax.train.optimizers import make_optimizer
from aejax.train.state import init_progress

# On two cores; measurements correct them during a run.
FLOPS = 1e11
SECONDS_PER_STEP = 5e-5
PROBE_VALUES_PER_SECOND = 1.1e7  # examples x (width + 20) x classes
COMPILE_SECONDS, PROBE_SECONDS, DIAGNOSE_SECONDS, STATISTICS_SECONDS, FIGURE_SECONDS = 2.0, 1.0, 0.5, 1.0, 5.0
LONG_SECONDS = 2 * 86_400
BYTES_PER_FEATURE = 4
SMALL = 20_000  # widest layer times seeds, below which no training needs gigabytes and none is measured
NO_SCHEDULE: dict[str, Any] = {"schedule": "constant", "warmup_epochs": 0.0}
STATISTICS, FIGURES = "statistics", "figures"  # parts at the end of a run


def method_work(
    experiment: Experiment,
    name: str,
    method: Method,
    *,
    stages: Iterable[str] = ("compile", "train", "probe", "diagnose"),
    settings: int = 1,
) -> Work:
    """Returns the work of a method for all seeds, in these stages.

    Of the settings that are tried, those of a network that learns from labels are trained one after the other.
    """
    split, seeds, n_features = experiment.split, experiment.config.seeds, experiment.problem.n_features
    epochs = total_epochs(experiment.config, method)
    rows = (split.labelled if method.supervised else split.train).shape[1]
    has_all = method.is_identity or method.fit_predict is not None
    flops, width = 0.0, n_features if has_all else experiment.problem.model.latent_dim or n_features
    if epochs:
        flops, width = forward_cost(method, split.train.shape[1], n_features)
    steps = steps_per_epoch(rows, experiment.config.train.batch_size)
    train = settings * seeds * epochs * (3 * flops * rows / FLOPS + steps * SECONDS_PER_STEP)
    values = seeds * split.labelled.shape[1] * (width + 20) * experiment.dataset.n_classes
    of_stage = {
        "compile": COMPILE_SECONDS if epochs else COMPILE_SECONDS / 4,
        "train": train,
        "probe": settings * (PROBE_SECONDS + values / PROBE_VALUES_PER_SECOND),
        "diagnose": DIAGNOSE_SECONDS,
        "evaluate": COMPILE_SECONDS,
    }
    counted = epochs * settings if method.supervised else epochs
    return Work(name, {stage: of_stage[stage] for stage in stages if of_stage[stage]}, counted)


def comparison_works(
    experiment: Experiment, methods: Mapping[str, Method], tune: int | None, known: Container[str]
) -> Iterator[Work]:
    """Yields the work of every method; those with the features of another one, or of an earlier run, are not trained.

    `tune` is the number of settings of every method that has some; an earlier run has the features of those in `known`.
    """
    for name, method in methods.items():
        stages = ["compile", "train"] if method.features_of not in methods and name not in known else []
        stages += ["probe"] if method.features_of in methods else ["probe", "diagnose"]
        settings = tune if tune and has_settings(name, method) else 1
        yield method_work(experiment, name, method, stages=stages, settings=settings)


def describe_methods(experiment: Experiment, methods: Mapping[str, Method]) -> None:
    """Reports the methods by their role, and how long they are trained."""
    roles = {"control": "controls", "autoencoder": "autoencoders", "external": "made elsewhere"}
    by_role = {role: [name for name, method in methods.items() if method.role == role] for role in roles}
    named = [f"{roles[role]} {', '.join(names)}" for role, names in by_role.items() if names]
    config = experiment.config
    described = f"{'; '.join(named)}; {config.seeds} seeds, {config.train.epochs:,} epochs"
    experiment.reporter.describe("methods", described)


def forward_cost(method: Method, n_train: int, n_features: int) -> tuple[float, int]:
    """Returns the FLOPs of reconstructing, or else encoding, one example, and the width of its features."""
    variables, width = _variable_shapes(method, n_train, n_features)
    one = jax.ShapeDtypeStruct((1, n_features), jnp.float32)
    return count_flops(method.reconstruct or method.encode, variables, one), width


def _variable_shapes(method: Method, n_train: int, n_features: int) -> tuple[Variables, int]:
    """Returns the shapes of one seed's variables, and the width of the features."""
    one, rows = (jax.ShapeDtypeStruct((count, n_features), jnp.float32) for count in (1, n_train))
    variables = jax.eval_shape(method.init, jax.eval_shape(lambda: jax.random.key(0)), rows)
    return variables, int(jax.eval_shape(method.encode, variables, one).shape[-1])


def begin_work(experiment: Experiment, works: Iterable[Work], methods: Mapping[str, Method]) -> None:
    """Reports how long the parts of a run take, and with `--verbose` what is trained, if anything is shown at all."""
    reporter = experiment.reporter
    if not reporter.is_shown:
        return
    works = list(works)
    names: dict[Autoencoder, list[str]] = {}  # by model
    for name, method in methods.items() if reporter.verbose else ():
        if method.model is not None:
            names.setdefault(method.model, []).append(name)
    for model, sharing in names.items():
        reporter.show(plain_text(f"\n{', '.join(sharing)}", "bold"))
        reporter.show(TerminalTable(model_table(model)))
    if jax.default_backend() == "cpu":
        seconds = sum(sum(work.seconds.values()) for work in works)
        long = f"about {seconds / 86_400:,.0f} days: take fewer `--seeds`, `--epochs` or methods"
        reporter.describe("time", f"about {format_clock(seconds)}, roughly", [long] if seconds > LONG_SECONDS else [])
    reporter.begin(works)


def end_of_run(figures: int) -> list[Work]:
    """Returns the work after the last method."""
    seconds = {STATISTICS: STATISTICS_SECONDS, FIGURES: FIGURE_SECONDS * figures}
    return [Work(name, {name: estimate}, is_counted=False) for name, estimate in seconds.items() if estimate]


def require_training_memory(experiment: Experiment, methods: Mapping[str, Method]) -> None:
    """Raises `InputError` with the sizes if the training of a method cannot fit into memory."""
    if _widest(experiment) * experiment.plan.seeds < SMALL:
        return
    available = available_host_memory()
    for name, method in methods.items():
        is_on_host = method.fit_predict is not None or method.make_features is not None
        needed = 0 if is_on_host else training_bytes(experiment, method)
        require(
            needed <= available,
            f"{name}: {experiment.plan.seeds} seeds need {format_bytes(needed)} for weights, optimizer and features, "
            f"and memory has {format_bytes(available)} left; use a smaller --hidden or --latent-dim, or fewer --seeds",
        )


def training_bytes(experiment: Experiment, method: Method) -> int:
    """Returns the bytes that a training needs at least: the state of all seeds, gradients, updates and features.

    Nothing is allocated. The host's memory is counted, which CPU devices share; an accelerator needs about as much.
    """
    plan, n_rows = experiment.plan, len(experiment.dataset.inputs)
    variables, width = _variable_shapes(method, experiment.split.train.shape[1], experiment.problem.n_features)
    weights = state = _count_bytes(variables)
    if method.objective is not None or method.supervised:
        optimizer = make_optimizer(dataclasses.replace(experiment.config.optimizer, **NO_SCHEDULE), 1, 1)
        state = _count_bytes(jax.eval_shape(lambda leaves: init_progress(leaves, optimizer), variables))
    at_once = min(plan.seeds, plan.mesh.size)
    return plan.seeds * state + at_once * (2 * weights + BYTES_PER_FEATURE * n_rows * width)


def _widest(experiment: Experiment) -> int:
    """Returns the width of the widest layer of any kind."""
    settings = [value if isinstance(value, tuple) else (value,) for value in vars(experiment.config.model).values()]
    widths = [value for values in settings for value in values if isinstance(value, int)]
    return max([math.prod(experiment.dataset.example_shape), *widths])


def _count_bytes(tree: Any) -> int:
    return sum(math.prod(leaf.shape) * getattr(leaf.dtype, "itemsize", 0) for leaf in jax.tree.leaves(tree))


class Layer(NamedTuple):
    """A layer, or the total of a part."""

    name: str
    output_shape: tuple[int, ...]  # axes of size 1 are not shown: layers may have that of the one example anywhere
    parameters: int
    flops: float | None = None  # for one example; of a part


def summarize_model(model: Autoencoder) -> list[Layer]:
    """Returns the layers with parameters of encoder and decoder, after the total of each, for one example."""
    variables = jax.eval_shape(model.init, jax.eval_shape(lambda: jax.random.key(0)))
    inputs = jax.ShapeDtypeStruct((1, model.n_features), jnp.float32)
    code = jax.eval_shape(model.encode, variables, inputs)
    return [
        *_summarize_part("encoder", model.encode, variables, inputs),
        *_summarize_part("decoder", model.decode_logits, variables, code),
    ]


def _summarize_part(part: str, apply: Callable[..., Any], variables: Variables, inputs: Any) -> Iterator[Layer]:
    """Yields the total and the layers of a part, in the order of their calls."""
    outputs: dict[tuple[str, ...], Any] = {}

    def record(call: Callable[..., Any], args: Any, kwargs: Any, context: Any) -> Any:
        output = call(*args, **kwargs)
        if context.method_name == "__call__":
            outputs[context.module.path] = output
        return output

    with nn.intercept_methods(record):
        result = jax.eval_shape(lambda tree, x: apply(tree, x), variables, inputs)  # a function without a cached trace
    leaves = flatten_dict(variables["params"][part])
    sizes = Counter(dict.fromkeys(outputs, 0))
    for path, leaf in leaves.items():
        sizes[path[:-1]] += leaf.size
    yield Layer(part, result.shape[1:], sizes.total(), count_flops(apply, variables, inputs))
    for path, output in outputs.items():
        if sizes[path]:
            yield Layer("  " + "/".join(path), output.shape, sizes[path])


def count_flops(function: Callable[..., Any], *shapes: Any) -> float:
    """Returns the FLOPs of a function of arguments of these shapes, as XLA counts them; 0 if it cannot."""
    cost = jax.jit(function).lower(*shapes).cost_analysis()
    return float(cost.get("flops", 0.0)) if isinstance(cost, Mapping) else 0.0


def model_table(model: Autoencoder) -> Table:
    """Returns a row for each layer and each part; a layer that other ones share its weights with counts them."""
    columns = [
        Column("layer", lambda layer: layer.name, "left"),
        Column("output", lambda layer: " x ".join(str(size) for size in layer.output_shape if size > 1) or "1", "left"),
        Column("parameters", lambda layer: f"{layer.parameters:,}"),
        Column("FLOPs", lambda layer: "" if layer.flops is None else f"{layer.flops:,.0f}"),
    ]
    return Table(columns, summarize_model(model))
