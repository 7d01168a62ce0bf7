"""The objects inside `results.json`, with the fields that tables, pages and later commands need."""

from typing import NotRequired, TypedDict

Number = float | None
Interval = tuple[Number, Number] | None


class Summary(TypedDict):
    """A metric of every training."""

    per_seed: list[Number]
    mean: Number
    ci95: Interval


class Stream(TypedDict):
    """`dataset.stream` of results."""

    fingerprint: str
    n_train: NotRequired[int]
    rounds_per_pass: NotRequired[int]


class Dataset(TypedDict):
    """`dataset` of results."""

    name: str
    n_train: int
    n_valid: int
    n_test: int
    sha256: NotRequired[str]
    split_sha256: NotRequired[str]
    unlabelled_split_sha256: NotRequired[str]
    shape: NotRequired[list[int]]
    classes: NotRequired[int]
    class_names: NotRequired[list[str]]
    rows: NotRequired[int]
    features: NotRequired[int]
    class_counts: NotRequired[list[int]]
    unlabelled: NotRequired[int]
    groups: NotRequired[int | None]
    label_source: NotRequired[str | None]
    layout: NotRequired[str | None]
    notes: NotRequired[list[str]]
    warnings: NotRequired[list[str]]
    n_labelled_train: NotRequired[int]
    n_labelled_valid: NotRequired[int]
    labelled_class_counts: NotRequired[list[int]]
    wrong_labels: NotRequired[list[Number]]
    selection_folds: NotRequired[int]
    trainings: NotRequired[int]
    folds: NotRequired[int]
    repetitions: NotRequired[int]
    unused_in_folds: NotRequired[int]
    duplicates: NotRequired[dict[str, int] | None]
    majority_share: NotRequired[Number]
    stream: NotRequired[Stream]


class Environment(TypedDict, total=False):
    """`environment` of results."""

    command: str
    machine: str
    seconds: Number


class Seconds(TypedDict):
    """Durations of a method."""

    compile: Number
    pretrain: Number
    probe: Number


class Probe(TypedDict):
    """The certificate of a method's probe."""

    gradient_norm: list[Number]
    converged: list[bool | None]
    grid_edge: list[bool | None]
    l2: NotRequired[list[Number]]
    gap: NotRequired[list[Number]]


class Neighbours(TypedDict):
    """What nearest neighbours chose."""

    k: list[int]
    grid_edge: NotRequired[list[bool | None]]


class ClassAccuracy(TypedDict):
    """The accuracy of each class."""

    per_seed: list[list[Number]]
    mean: list[Number]


class TopUnits(TypedDict):
    """Probes of few features, by seed."""

    counts: list[list[int]]
    metric: list[list[Number]]


class Row(TypedDict):
    """A method, or a point of a sweep."""

    name: str
    features: int
    role: NotRequired[str]
    test_accuracy: Summary
    test_nll: Summary
    test_auroc: NotRequired[Summary]
    balanced_accuracy: NotRequired[Summary]
    calibration_error: NotRequired[Summary]
    brier: NotRequired[Summary]
    per_class_accuracy: NotRequired[ClassAccuracy]
    reconstruction_mse: Summary | None
    probe: Probe | None
    neighbours: NotRequired[Neighbours | None]
    top_units: NotRequired[TopUnits]
    seconds: Seconds
    measures: NotRequired[dict[str, Summary]]
    diverged_epoch: NotRequired[list[int | None] | None]
    failed_seeds: NotRequired[list[int]]
    features_of: NotRequired[str | None]


class Comparison(TypedDict):
    """A method compared with a baseline."""

    method: str
    baseline: str
    mean_difference: Number
    ci95: Interval
    ci95_seeds: NotRequired[Interval]
    ci95_adjusted: NotRequired[Interval]
    p: Number
    p_holm: Number
    verdict: str
    family: NotRequired[str]
    detectable: NotRequired[Number]
    reason: NotRequired[str]


class SimilarityMatrix(TypedDict):
    """Similarities of the representations of every two methods."""

    methods: list[str]
    paired_seeds: int
    matrix: list[list[Number]]


class RepresentationMetrics(TypedDict):
    """Metrics of a method's features."""

    name: str
    cka_between_seeds: Number
    effective_rank: Summary
    rankme: Summary
    intrinsic_dimension: Summary
    alignment: Summary
    uniformity: Summary
    knn_purity: Summary
    dead_units: Summary
    active_units: Summary


class Diagnostics(TypedDict):
    """`diagnostics` of results."""

    rows: int
    neighbours: int
    methods: list[RepresentationMetrics]
    cka: SimilarityMatrix
