"""Every way to turn inputs into features, learned or not, behind one signature."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from aejax.autoencoders.registry import KINDS
from aejax.autoencoders.spec import AutoencoderSpec, ExtraMetricsFn, ProblemSpec, Stage
from aejax.models.autoencoder import Autoencoder
from aejax.models.submodules import Variables
from aejax.objectives.objective import Objective
from aejax.probe.head import Classifier, SoftmaxHead, make_cross_entropy_objective


@dataclasses.dataclass(frozen=True, kw_only=True)
class Method:
    """How inputs become features: start (which may be all), perhaps train, then encode. Written for one seed."""

    init: Callable[[PRNGKeyArray, Float[Array, "n_train d"]], Variables]  # from a key and the scaled training inputs
    encode: Callable[[Variables, Float[Array, "batch d"]], Float[Array, "batch features"]]
    reconstruct: Callable[[Variables, Float[Array, "batch d"]], Float[Array, "batch d"]] | None = None
    log_probs: Callable[[Variables, Float[Array, "batch d"]], Float[Array, "batch classes"]] | None = None
    """Its own classifier; None: the probe classifies the features."""
    objective: Objective | None = None  # what trains it; None: `start` is the end
    stages: tuple[Stage, ...] = ()  # what trains some of its layers before that
    extra_metrics: ExtraMetricsFn | None = None  # what else is said of each test example
    model: Autoencoder | None = None  # whose encoder makes the features, if one does
    supervised: bool = False  # trained on the labelled rows only, and kept at its best validation epoch
    traced: bool = False  # its variables carry settings that its objective and its optimizer read
    is_identity: bool = False  # the features are the scaled inputs themselves, and need not be made
    classifier: Literal["probe", "knn"] = "probe"  # of its features, where it has none of its own
    permute_labels: bool = False  # the labels that a classifier sees are permuted; those of the test rows are not
    features_of: str | None = None  # the method whose features these are; a run that has it trains it once


def _init_empty(key: PRNGKeyArray, inputs: Float[Array, "n_train d"]) -> Variables:
    return {}


def _identity(variables: Variables, inputs: Float[Array, "batch d"]) -> Float[Array, "batch d"]:
    return inputs


def raw(problem: ProblemSpec) -> Method:
    """The scaled inputs themselves."""
    return Method(init=_init_empty, encode=_identity, is_identity=True)


def fit_pca(inputs: Float[Array, "n d"], n_components: int) -> Variables:
    """Mean and leading principal axes, in closed form (eigenvectors of the covariance), as variables."""
    with jax.default_matmul_precision("highest"):
        mean = jnp.mean(inputs, axis=0)
        centred = inputs - mean[None]
        _, axes = jnp.linalg.eigh(centred.T @ centred / inputs.shape[0])
    return {"pca": {"mean": mean, "axes": axes[:, ::-1][:, :n_components]}}


def pca(problem: ProblemSpec) -> Method:
    """Principal components of the training rows, as many as the code has units (at most as many as inputs)."""
    assert problem.model.latent_dim is not None
    dimension = min(problem.model.latent_dim, problem.n_features)

    def encode(variables: Variables, inputs: Float[Array, "batch d"]) -> Float[Array, "batch features"]:
        own = variables["pca"]
        return jnp.matmul(inputs - own["mean"][None], own["axes"], precision="highest")

    def reconstruct(variables: Variables, inputs: Float[Array, "batch d"]) -> Float[Array, "batch d"]:
        own = variables["pca"]
        return jnp.matmul(encode(variables, inputs), own["axes"].T, precision="highest") + own["mean"][None]

    return Method(init=lambda key, inputs: fit_pca(inputs, dimension), encode=encode, reconstruct=reconstruct)


def random_projection(problem: ProblemSpec) -> Method:
    """As many random directions as the code has units, entries N(0, 1/k): distances are kept, on average.

    The lemma of Johnson and Lindenstrauss (1984), with scikit-learn's `GaussianRandomProjection` convention.
    """
    width = problem.model.latent_dim
    assert width is not None

    def start(key: PRNGKeyArray, inputs: Float[Array, "n_train d"]) -> Variables:
        return {"projection": {"axes": jax.random.normal(key, (problem.n_features, width)) / jnp.sqrt(width)}}

    def encode(variables: Variables, inputs: Float[Array, "batch d"]) -> Float[Array, "batch features"]:
        return jnp.matmul(inputs, variables["projection"]["axes"], precision="highest")

    return Method(init=start, encode=encode)


@functools.cache
def _init_fn(model: Autoencoder | Classifier) -> Callable[..., Variables]:
    """`init` with the signature of `Method.start`; one for each model, so that equal programs can be one."""
    return lambda key, inputs: model.init(key)


def untrained(model: Autoencoder) -> Method:
    """An architecture with the very weights from which its trainings with the same seed start."""
    return Method(init=_init_fn(model), encode=model.encode, model=model)


def supervised(problem: ProblemSpec, model: Autoencoder) -> Method:
    """An encoder with a softmax head, trained end to end on the labels; the best epoch is kept."""
    classifier = Classifier(model, SoftmaxHead(problem.n_classes))
    return Method(
        init=_init_fn(classifier),
        encode=classifier.encode,
        log_probs=classifier.log_probs,
        objective=make_cross_entropy_objective(classifier, frozen_encoder=False),
        supervised=True,
    )


@functools.lru_cache(maxsize=64)
def _make_cached(make: Callable[[ProblemSpec], AutoencoderSpec], problem: ProblemSpec) -> AutoencoderSpec:
    """One object for each kind and setting, so that rows with the same encoder can share its programs."""
    return make(problem)


def autoencoder_method(kind: str, problem: ProblemSpec) -> Method:
    """An autoencoder of a kind in `KINDS`, trained on the training inputs without labels."""
    return method_from_spec(_make_cached(KINDS[kind], problem))


def method_from_spec(spec: AutoencoderSpec) -> Method:
    """The same of a kind that is made already."""
    return Method(
        init=_init_fn(spec.model),
        encode=spec.model.encode,
        reconstruct=spec.model.reconstruct,
        objective=spec.objective,
        stages=spec.stages,
        extra_metrics=spec.extra_metrics,
        model=spec.model,
    )


def with_knn(features_of: str, method: Method) -> Method:
    """The features of a method, classified by their nearest neighbours."""
    return dataclasses.replace(method, classifier="knn", features_of=features_of, reconstruct=None, extra_metrics=None)


def with_permuted_labels(features_of: str, method: Method) -> Method:
    """The features of a method and labels that mean nothing: above chance only where test labels leak."""
    return dataclasses.replace(
        method, permute_labels=True, features_of=features_of, reconstruct=None, extra_metrics=None
    )


CONTROLS: dict[str, Callable[[ProblemSpec], Method]] = {
    "raw": raw,
    "pca": pca,
    "random-projection": random_projection,
    "random": lambda setting: untrained(setting.autoencoder),
    "supervised": lambda setting: supervised(setting, setting.autoencoder),
    "knn": lambda setting: with_knn("raw", raw(setting)),
    "permuted": lambda setting: with_permuted_labels("raw", raw(setting)),
}

# Each kind's own architecture untrained, and trained on labels: controls for the kinds that have another one.
KIND_CONTROLS: dict[str, Callable[[str, ProblemSpec], Method]] = {
    "random": lambda kind, setting: untrained(_make_cached(KINDS[kind], setting).model),
    "supervised": lambda kind, setting: supervised(setting, _make_cached(KINDS[kind], setting).model),
}

# The codes of each kind classified in another way. What they cost is the classifier: the kind is trained once.
ALTERNATIVE_CLASSIFIERS: dict[str, Callable[[str, ProblemSpec], Method]] = {
    "knn": lambda kind, setting: with_knn(kind, autoencoder_method(kind, setting)),
    "permuted": lambda kind, setting: with_permuted_labels(kind, autoencoder_method(kind, setting)),
}

METHODS: dict[str, Callable[[ProblemSpec], Method]] = {
    **CONTROLS,
    **{kind: functools.partial(autoencoder_method, kind) for kind in KINDS},
    **{
        f"{name}-{kind}": functools.partial(make, kind)
        for name, make in [*KIND_CONTROLS.items(), *ALTERNATIVE_CLASSIFIERS.items()]
        for kind in KINDS
    },
}


def controls_for(kind: str, methods: Sequence[str]) -> list[str]:
    """Of `names`, the controls that an autoencoder of this kind is held against.

    Permuted labels are none: nobody needs to be better than chance by a margin. The report watches them instead.
    """
    own = {*CONTROLS, *(f"{name}-{kind}" for name in KIND_CONTROLS)} - {"permuted"}
    return [name for name in methods if name in own]
