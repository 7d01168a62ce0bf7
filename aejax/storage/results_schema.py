"""The fields of `results.json` and `explore.json` that tables, pages and later commands need, by kind of results."""

from typing import Any, Literal, NotRequired, TypedDict

from aejax.config.evaluate import MetricName

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


class AnyResults(TypedDict):
    """Fields of all results."""

    schema: Literal[1, 2]
    dataset: Dataset
    environment: Environment
    config: dict[str, Any]
    warnings: NotRequired[list[str]]


class VerdictResults(AnyResults):
    """Fields of results with verdicts."""

    comparisons: list[Comparison]
    metric: NotRequired[MetricName]
    interval: NotRequired[str]
    intervals: NotRequired[dict[str, str]]
    margin: NotRequired[float]


class Prediction(TypedDict):
    """What a softmax head predicts for one example."""

    row: int
    predicted: str
    probability: float
    label: str


class Variation(TypedDict):
    """A comparison with other settings."""

    name: str
    settings: str
    methods: list[str]
    seconds: NotRequired[Number]


class VariedComparison(TypedDict):
    """The verdicts of a comparison in all variations."""

    method: str
    baseline: str
    family: NotRequired[str]
    holds: int
    of: int
    fragile: bool
    reversed_by: list[str]
    verdicts: dict[str, str | None]


class Sensitivity(TypedDict):
    """`sensitivity` of results."""

    variations: list[Variation]
    comparisons: list[VariedComparison]


class CompareResults(VerdictResults):
    """Results of a comparison, or of a probe."""

    methods: list[Row]
    diagnostics: NotRequired[Diagnostics]
    prediction: NotRequired[Prediction]
    sensitivity: NotRequired[Sensitivity]


class Axis(TypedDict):
    """A setting that a sweep varies."""

    field: str
    values: list[Any]


class Against(TypedDict):
    """The controls that a point is compared with."""

    raw: str
    pca: str
    random: str


class MethodSettings(TypedDict):
    """`config` of results of one kind of autoencoder."""

    method: str


class Point(Row):
    """A point of a sweep."""

    setting: dict[str, Any]
    against: Against
    valid_nll: NotRequired[Summary]
    valid_reconstruction_mse: NotRequired[Summary]


class Chosen(TypedDict):
    """The point that a sweep chose."""

    name: str
    by: str


class SweepResults(VerdictResults):
    """Results of a sweep."""

    axes: list[Axis]
    points: list[Point]
    references: list[Row]
    chosen: Chosen | None


class PretrainResults(AnyResults):
    """Results of a pretraining."""

    method: str
    diverged_epoch: list[int | None]
    history: dict[str, list[Number]]
    reconstruction_mse: Summary
    measures: NotRequired[dict[str, Summary]]


class Analysis(TypedDict):
    """Results of an analysis; each has others of its own."""

    says: str
    figures: dict[str, str]


class ExploreResults(AnyResults):
    """Results of an exploration."""

    method: str
    parts: dict[str, Analysis]
    skipped: dict[str, str]


SCHEMAS = {"compare": CompareResults, "sweep": SweepResults, "pretrain": PretrainResults, "explore": ExploreResults}
