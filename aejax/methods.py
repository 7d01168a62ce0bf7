"""Every way to turn inputs into features, learned or not, behind one interface."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
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
from aejax.probe.principal_axes import leading_axes

Role = Literal["control", "autoencoder", "external"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Method:
    """How inputs become features: initialize, train if there is an objective, encode. Written for one seed."""

    role: Role = "control"
    """Whose features these are: an autoencoder's, a control's, or ones that were made elsewhere."""
    init: Callable[[PRNGKeyArray, Float[Array, "n_train d"]], Variables]
    """From a key and the scaled training inputs; a closed form is complete after it."""
    encode: Callable[[Variables, Float[Array, "batch d"]], Float[Array, "batch features"]]
    reconstruct: Callable[[Variables, Float[Array, "batch d"]], Float[Array, "batch d"]] | None = None
    log_probs: Callable[[Variables, Float[Array, "batch d"]], Float[Array, "batch classes"]] | None = None
    """The method's own classifier; None: a probe classifies the features."""
    objective: Objective | None = None  # minimized end to end; None: the method is not trained
    stages: tuple[Stage, ...] = ()  # trained one after the other before `objective`
    extra_metrics: ExtraMetricsFn | None = None  # further metrics of each test example
    model: Autoencoder | None = None  # the autoencoder whose encoder makes the features
    supervised: bool = False  # trained on labelled rows only; the best validation epoch is kept
    traced: bool = False  # hyperparameters are traced values, stored in the variables
    is_identity: bool = False  # the features are the scaled inputs
    classifier: Literal["probe", "knn"] = "probe"  # classifier of the features, unless there is `log_probs`
    permute_labels: bool = False  # permute the labels of training and validation rows, not those of the test rows
    features_of: str | None = None  # the method that has the same features; it is trained once for both
    architecture_of: str | None = None  # kind whose architecture this control has; None: the default architecture


def _init_empty(key: PRNGKeyArray, inputs: Float[Array, "n_train d"]) -> Variables:
    return {}


def _identity(variables: Variables, inputs: Float[Array, "batch d"]) -> Float[Array, "batch d"]:
    return inputs


def raw(problem: ProblemSpec) -> Method:
    """Returns the scaled inputs as features."""
    return Method(init=_init_empty, encode=_identity, is_identity=True)


def fit_pca(inputs: Float[Array, "n d"], n_components: int) -> Variables:
    """Returns mean and leading principal axes as variables; axes beyond the inputs' numerical rank are zero."""
    with jax.default_matmul_precision("highest"):
        mean = jnp.mean(inputs, axis=0)
        return {"pca": {"mean": mean, "axes": leading_axes(inputs - mean[None], n_components)}}


def pca(problem: ProblemSpec) -> Method:
    """Returns principal components of the training rows: `latent_dim`, at most one for each input and row but one."""
    assert problem.model.latent_dim is not None
    n_components = min(problem.model.latent_dim, problem.n_features)

    def encode(variables: Variables, inputs: Float[Array, "batch d"]) -> Float[Array, "batch features"]:
        fitted = variables["pca"]
        return jnp.matmul(inputs - fitted["mean"][None], fitted["axes"], precision="highest")

    def reconstruct(variables: Variables, inputs: Float[Array, "batch d"]) -> Float[Array, "batch d"]:
        fitted = variables["pca"]
        return jnp.matmul(encode(variables, inputs), fitted["axes"].T, precision="highest") + fitted["mean"][None]

    return Method(init=lambda key, inputs: fit_pca(inputs, n_components), encode=encode, reconstruct=reconstruct)


def random_projection(problem: ProblemSpec) -> Method:
    """Returns projections on `latent_dim` = k random directions with entries N(0, 1/k): distances are kept on average.

    The lemma of Johnson and Lindenstrauss (1984), with the scale of scikit-learn's `GaussianRandomProjection`.
    """
    width = problem.model.latent_dim
    assert width is not None

    def init(key: PRNGKeyArray, inputs: Float[Array, "n_train d"]) -> Variables:
        return {"projection": {"axes": jax.random.normal(key, (problem.n_features, width)) / jnp.sqrt(width)}}

    def encode(variables: Variables, inputs: Float[Array, "batch d"]) -> Float[Array, "batch features"]:
        return jnp.matmul(inputs, variables["projection"]["axes"], precision="highest")

    return Method(init=init, encode=encode)


@functools.cache
def _init_fn(model: Autoencoder | Classifier) -> Callable[..., Variables]:
    """Returns `Method.init` of a model: the same function for equal models, so that they share a compiled program."""
    return lambda key, inputs: model.init(key)


def untrained(model: Autoencoder, architecture_of: str | None = None) -> Method:
    """Returns an encoder with the weights from which training with the same seed starts."""
    return Method(init=_init_fn(model), encode=model.encode, model=model, architecture_of=architecture_of)


def supervised(problem: ProblemSpec, model: Autoencoder, architecture_of: str | None = None) -> Method:
    """Returns an encoder with a softmax head, trained end to end on the labels; the best epoch is kept."""
    classifier = Classifier(model, SoftmaxHead(problem.n_classes))
    return Method(
        init=_init_fn(classifier),
        encode=classifier.encode,
        log_probs=classifier.log_probs,
        objective=make_cross_entropy_objective(classifier, frozen_encoder=False),
        supervised=True,
        architecture_of=architecture_of,
    )


@functools.lru_cache(maxsize=64)
def _make_cached(make: Callable[[ProblemSpec], AutoencoderSpec], problem: ProblemSpec) -> AutoencoderSpec:
    """Returns one object per kind and problem, so that methods with the same encoder share compiled programs."""
    return make(problem)


def autoencoder_method(kind: str, problem: ProblemSpec) -> Method:
    """Returns an autoencoder of a kind in `KINDS`, trained on the training inputs without labels."""
    return method_from_spec(_make_cached(KINDS[kind], problem))


def method_from_spec(spec: AutoencoderSpec) -> Method:
    """Returns the method of an autoencoder."""
    return Method(
        role="autoencoder",
        init=_init_fn(spec.model),
        encode=spec.model.encode,
        reconstruct=spec.model.reconstruct,
        objective=spec.objective,
        stages=spec.stages,
        extra_metrics=spec.extra_metrics,
        model=spec.model,
    )


def with_knn(features_of: str, method: Method) -> Method:
    """Returns the features of a method, classified by their nearest neighbours."""
    return dataclasses.replace(method, classifier="knn", features_of=features_of, reconstruct=None, extra_metrics=None)


def with_permuted_labels(features_of: str, method: Method) -> Method:
    """Returns the features of a method with permuted labels: accuracy above chance means that test labels leak."""
    return dataclasses.replace(
        method,
        role="control",
        permute_labels=True,
        features_of=features_of,
        reconstruct=None,
        extra_metrics=None,
    )


CONTROLS: dict[str, Callable[[ProblemSpec], Method]] = {
    "raw": raw,
    "pca": pca,
    "random-projection": random_projection,
    "random": lambda problem: untrained(problem.autoencoder),
    "supervised": lambda problem: supervised(problem, problem.autoencoder),
    "knn": lambda problem: with_knn("raw", raw(problem)),
    "permuted": lambda problem: with_permuted_labels("raw", raw(problem)),
}

# Controls with the architecture of a kind: untrained, and trained on labels.
KIND_CONTROLS: dict[str, Callable[[str, ProblemSpec], Method]] = {
    "random": lambda kind, problem: untrained(_make_cached(KINDS[kind], problem).model, kind),
    "supervised": lambda kind, problem: supervised(problem, _make_cached(KINDS[kind], problem).model, kind),
}

# The codes of a kind, classified in another way; the kind itself is trained once.
ALTERNATIVE_CLASSIFIERS: dict[str, Callable[[str, ProblemSpec], Method]] = {
    "knn": lambda kind, problem: with_knn(kind, autoencoder_method(kind, problem)),
    "permuted": lambda kind, problem: with_permuted_labels(kind, autoencoder_method(kind, problem)),
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


def controls_for(name: str, methods: Mapping[str, Method]) -> list[str]:
    """Returns the controls with which the method `name` is compared, in the order of `methods`.

    Features that have a classifier of their own are compared with the inputs under the same classifier. All others are
    compared with every control but those that have another kind's architecture or permuted labels.
    """
    controls = {
        other: method for other, method in methods.items() if method.role == "control" and not method.permute_labels
    }
    if methods[name].classifier == "knn":
        return [other for other, control in controls.items() if control.classifier == "knn"]
    return [other for other, control in controls.items() if control.architecture_of in (None, name)]


def comparison_pairs(methods: Mapping[str, Method]) -> list[tuple[str, str]]:
    """Returns the comparisons, `(method, control)`: those of the probe first, then those of nearest neighbours."""
    compared = [name for name, method in methods.items() if method.role != "control"]
    by_classifier = sorted(compared, key=lambda name: methods[name].classifier == "knn")
    return [(name, control) for name in by_classifier for control in controls_for(name, methods)]
