"""Every way to turn inputs into features, learned or not, behind one signature."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from aejax.classify.head import Classifier, SoftmaxHead, classification
from aejax.kinds.kind import Kind, Report, Setting, Stage
from aejax.kinds.registry import KINDS
from aejax.models.autoencoder import Autoencoder
from aejax.models.parts import Variables
from aejax.objectives.objective import Objective


@dataclasses.dataclass(frozen=True, kw_only=True)
class Method:
    """How inputs become features: start (which may be all), perhaps train, then encode. Written for one seed."""

    start: Callable[[PRNGKeyArray, Float[Array, "n_train d"]], Variables]  # from a key and the scaled training inputs
    encode: Callable[[Variables, Float[Array, "batch d"]], Float[Array, "batch features"]]
    reconstruct: Callable[[Variables, Float[Array, "batch d"]], Float[Array, "batch d"]] | None = None
    log_probs: Callable[[Variables, Float[Array, "batch d"]], Float[Array, "batch classes"]] | None = None
    """Its own classifier; None: the probe classifies the features."""
    objective: Objective | None = None  # what trains it; None: `start` is the end
    stages: tuple[Stage, ...] = ()  # what trains some of its layers before that
    report: Report | None = None  # what else is said of each test example
    model: Autoencoder | None = None  # whose encoder makes the features, if one does
    labelled: bool = False  # trained on the labelled rows only, and kept at its best validation epoch
    carries: bool = False  # its variables carry settings that its objective and its optimizer read
    untouched: bool = False  # the features are the scaled inputs themselves, and need not be made
    classifier: Literal["probe", "knn"] = "probe"  # of its features, where it has none of its own
    permuted: bool = False  # the labels that a classifier sees are permuted; those of the test rows are not
    of: str | None = None  # the method whose features these are; a run that has it trains it once


def _nothing(key: PRNGKeyArray, inputs: Float[Array, "n_train d"]) -> Variables:
    return {}


def _identity(variables: Variables, inputs: Float[Array, "batch d"]) -> Float[Array, "batch d"]:
    return inputs


def raw(setting: Setting) -> Method:
    """The scaled inputs themselves."""
    return Method(start=_nothing, encode=_identity, untouched=True)


def pca_components(inputs: Float[Array, "n d"], dimension: int) -> Variables:
    """Mean and leading principal axes, in closed form (eigenvectors of the covariance), as variables."""
    with jax.default_matmul_precision("highest"):
        mean = jnp.mean(inputs, axis=0)
        centred = inputs - mean[None]
        _, axes = jnp.linalg.eigh(centred.T @ centred / inputs.shape[0])
    return {"pca": {"mean": mean, "axes": axes[:, ::-1][:, :dimension]}}


def pca(setting: Setting) -> Method:
    """Principal components of the training rows, as many as the code has units (at most as many as inputs)."""
    assert setting.model.latent_dim is not None
    dimension = min(setting.model.latent_dim, setting.features)

    def encode(variables: Variables, inputs: Float[Array, "batch d"]) -> Float[Array, "batch features"]:
        own = variables["pca"]
        return jnp.matmul(inputs - own["mean"][None], own["axes"], precision="highest")

    def reconstruct(variables: Variables, inputs: Float[Array, "batch d"]) -> Float[Array, "batch d"]:
        own = variables["pca"]
        return jnp.matmul(encode(variables, inputs), own["axes"].T, precision="highest") + own["mean"][None]

    return Method(start=lambda key, inputs: pca_components(inputs, dimension), encode=encode, reconstruct=reconstruct)


def random_projection(setting: Setting) -> Method:
    """As many random directions as the code has units, entries N(0, 1/k): distances are kept, on average.

    The lemma of Johnson and Lindenstrauss (1984), with scikit-learn's `GaussianRandomProjection` convention.
    """
    width = setting.model.latent_dim
    assert width is not None

    def start(key: PRNGKeyArray, inputs: Float[Array, "n_train d"]) -> Variables:
        return {"projection": {"axes": jax.random.normal(key, (setting.features, width)) / jnp.sqrt(width)}}

    def encode(variables: Variables, inputs: Float[Array, "batch d"]) -> Float[Array, "batch features"]:
        return jnp.matmul(inputs, variables["projection"]["axes"], precision="highest")

    return Method(start=start, encode=encode)


@functools.cache
def _start(model: Autoencoder | Classifier) -> Callable[..., Variables]:
    """`init` with the signature of `Method.start`; one for each model, so that equal programs can be one."""
    return lambda key, inputs: model.init(key)


def untrained(model: Autoencoder) -> Method:
    """An architecture with the very weights from which its trainings with the same seed start."""
    return Method(start=_start(model), encode=model.encode, model=model)


def supervised(setting: Setting, model: Autoencoder) -> Method:
    """An encoder with a softmax head, trained end to end on the labels; the best epoch is kept."""
    classifier = Classifier(model, SoftmaxHead(setting.classes))
    return Method(
        start=_start(classifier),
        encode=classifier.encode,
        log_probs=classifier.log_probs,
        objective=classification(classifier, frozen_encoder=False),
        labelled=True,
    )


@functools.lru_cache(maxsize=64)
def _made(make: Callable[[Setting], Kind], setting: Setting) -> Kind:
    """One object for each kind and setting, so that rows with the same encoder can share its programs."""
    return make(setting)


def autoencoder_method(kind: str, setting: Setting) -> Method:
    """An autoencoder of a kind in `KINDS`, trained on the training inputs without labels."""
    return method_of(_made(KINDS[kind], setting))


def method_of(made: Kind) -> Method:
    """The same of a kind that is made already."""
    return Method(
        start=_start(made.model),
        encode=made.model.encode,
        reconstruct=made.model.reconstruct,
        objective=made.objective,
        stages=made.stages,
        report=made.report,
        model=made.model,
    )


def by_neighbours(name: str, method: Method) -> Method:
    """The features of a method, classified by their nearest neighbours."""
    return dataclasses.replace(method, classifier="knn", of=name, reconstruct=None, report=None)


def with_permuted_labels(name: str, method: Method) -> Method:
    """The features of a method and labels that mean nothing: above chance only where test labels leak."""
    return dataclasses.replace(method, permuted=True, of=name, reconstruct=None, report=None)


CONTROLS: dict[str, Callable[[Setting], Method]] = {
    "raw": raw,
    "pca": pca,
    "random-projection": random_projection,
    "random": lambda setting: untrained(setting.autoencoder),
    "supervised": lambda setting: supervised(setting, setting.autoencoder),
    "knn": lambda setting: by_neighbours("raw", raw(setting)),
    "permuted": lambda setting: with_permuted_labels("raw", raw(setting)),
}

# Each kind's own architecture untrained, and trained on labels: controls for the kinds that have another one.
OWN_CONTROLS: dict[str, Callable[[str, Setting], Method]] = {
    "random": lambda kind, setting: untrained(_made(KINDS[kind], setting).model),
    "supervised": lambda kind, setting: supervised(setting, _made(KINDS[kind], setting).model),
}

# The codes of each kind classified in another way. What they cost is the classifier: the kind is trained once.
SECOND_READINGS: dict[str, Callable[[str, Setting], Method]] = {
    "knn": lambda kind, setting: by_neighbours(kind, autoencoder_method(kind, setting)),
    "permuted": lambda kind, setting: with_permuted_labels(kind, autoencoder_method(kind, setting)),
}

METHODS: dict[str, Callable[[Setting], Method]] = {
    **CONTROLS,
    **{kind: functools.partial(autoencoder_method, kind) for kind in KINDS},
    **{
        f"{name}-{kind}": functools.partial(make, kind)
        for name, make in [*OWN_CONTROLS.items(), *SECOND_READINGS.items()]
        for kind in KINDS
    },
}


def controls_of(kind: str, names: Sequence[str]) -> list[str]:
    """Of `names`, the controls that an autoencoder of this kind is held against.

    Permuted labels are none: nobody needs to be better than chance by a margin. The report watches them instead.
    """
    own = {*CONTROLS, *(f"{name}-{kind}" for name in OWN_CONTROLS)} - {"permuted"}
    return [name for name in names if name in own]
