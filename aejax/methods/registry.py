"""Every method by name, and the controls with which each is compared."""

import functools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from aejax.autoencoders.registry import KINDS, RIVALS
from aejax.autoencoders.spec import AutoencoderSpec, ProblemSpec
from aejax.errors import require
from aejax.methods.autoencoders import autoencoder_method, frozen, make_cached_spec
from aejax.methods.classical import boosting, forest, svm
from aejax.methods.controls import (
    mlp,
    pca,
    pca_tuned,
    random_fourier,
    random_projection,
    raw,
    supervised,
    untrained,
)
from aejax.methods.function_hash import hash_function
from aejax.methods.kmeans import kmeans
from aejax.methods.label_spreading import label_spreading
from aejax.methods.method import Method, with_knn, with_permuted_labels

CONTROLS: dict[str, Callable[[ProblemSpec], Method]] = {
    "raw": raw,
    "pca": pca,
    "pca-tuned": pca_tuned,
    "random-projection": random_projection,
    "random-fourier": random_fourier,
    "kmeans": kmeans,
    "random": lambda problem: untrained(problem.autoencoder),
    "supervised": lambda problem: supervised(problem, problem.autoencoder),
    "mlp": mlp,
    "svm": svm,
    "boosting": boosting,
    "forest": forest,
    "label-spreading": label_spreading,
    "knn": lambda problem: with_knn("raw", raw(problem)),
    "permuted": lambda problem: with_permuted_labels("raw", raw(problem)),
    **{name: functools.partial(autoencoder_method, name) for name in RIVALS},
}

ALL_METHODS = "all"  # in lists of methods: every control and every kind that suits the data
KIND_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
_REGISTERED: dict[str, str] = {}  # kinds that users have added, with the SHA-256 of each

TABLE_CONTROLS = ("boosting",)  # too slow for as many features as pixels
COMMON_ARCHITECTURES = ("conv",)  # trained on labels, these are controls of every method: images need a strong one

# Controls with the architecture of a kind: untrained, trained on labels, and half trained.
KIND_CONTROLS: dict[str, Callable[[str, ProblemSpec], Method]] = {
    "random": lambda kind, problem: untrained(make_cached_spec(KINDS[kind], problem).model, kind),
    "supervised": lambda kind, problem: supervised(
        problem, make_cached_spec(KINDS[kind], problem).model, None if kind in COMMON_ARCHITECTURES else kind
    ),
    "frozen-encoder": functools.partial(frozen, "encoder"),
    "frozen-decoder": functools.partial(frozen, "decoder"),
}

# The codes of a kind, classified in another way; the kind itself is trained once.
ALTERNATIVE_CLASSIFIERS: dict[str, Callable[[str, ProblemSpec], Method]] = {
    "knn": lambda kind, problem: with_knn(kind, autoencoder_method(kind, problem)),
    "permuted": lambda kind, problem: with_permuted_labels(kind, autoencoder_method(kind, problem)),
}

METHODS: dict[str, Callable[[ProblemSpec], Method]] = dict(CONTROLS)


def _add_kind(kind: str) -> None:
    """Adds a kind of `KINDS` and every method that is made from it."""
    METHODS[kind] = functools.partial(autoencoder_method, kind)
    for name, make in (KIND_CONTROLS | ALTERNATIVE_CLASSIFIERS).items():
        METHODS[f"{name}-{kind}"] = functools.partial(make, kind)


for _kind in KINDS:
    _add_kind(_kind)


@functools.lru_cache(maxsize=128)
def make_method(name: str, problem: ProblemSpec) -> Method:
    """Returns one object per method and problem, so that equal comparisons share compiled programs."""
    return METHODS[name](problem)


def register_kind(name: str, make: Callable[[ProblemSpec], AutoencoderSpec]) -> None:
    """Adds a kind of autoencoder, or replaces one that was added before, with `random-NAME` and the other methods.

    Args:
        name: letters, digits and hyphens; no method of this package has it.
        make: from the problem to the autoencoder and its objective.

    Raises:
        InputError: the name cannot be used.
    """
    require(KIND_NAME.fullmatch(name), f"{name!r}: expected a name of letters, digits and hyphens for a kind")
    taken = name == ALL_METHODS or (name in METHODS and name not in _REGISTERED)
    require(not taken, f"{name!r}: is a method of aejax already; give another name")
    _REGISTERED[name] = hash_function(make)
    KINDS[name] = make
    _add_kind(name)
    make_method.cache_clear()


def registered_kinds(names: Iterable[str]) -> dict[str, str]:
    """Returns the SHA-256 of each kind that users have added, and that methods of these names are made from."""
    given, prefixes = set(names), (*KIND_CONTROLS, *ALTERNATIVE_CLASSIFIERS)
    return {
        kind: digest
        for kind, digest in sorted(_REGISTERED.items())
        if not given.isdisjoint([kind, *(f"{prefix}-{kind}" for prefix in prefixes)])
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


def versus_pairs(methods: Mapping[str, Method], versus: Sequence[str]) -> list[tuple[str, str]]:
    """Returns the comparisons of `--versus`: every method that is no control with each of `versus` but itself."""
    compared = [name for name, method in methods.items() if method.role != "control"]
    return [(name, baseline) for baseline in versus for name in compared if name != baseline]
