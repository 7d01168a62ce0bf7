"""The fields of `results.json` and `explore.json` that tables, pages and later commands need, by kind of results."""

from typing import Any, Literal, NotRequired, TypedDict

from aejax.config.evaluate import MetricName
from aejax.storage.results_records import Comparison, Dataset, Diagnostics, Environment, Number, Row, Summary


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


class LabelBudget(TypedDict):
    """A comparison with fewer labels."""

    labels_per_class: int
    n_labels: int
    folder: str


class LabelCurve(TypedDict):
    """`label_curve` of results."""

    budgets: list[LabelBudget]
    n_labels: list[int]


class CompareResults(VerdictResults):
    """Results of a comparison, or of a probe."""

    methods: list[Row]
    diagnostics: NotRequired[Diagnostics]
    prediction: NotRequired[Prediction]
    sensitivity: NotRequired[Sensitivity]
    label_curve: NotRequired[LabelCurve]


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


class StudyCell(TypedDict):
    """A data set with one number of labels per class; None: all."""

    dataset: str
    labels_per_class: int | None
    n_labels: int
    trainings: int
    folder: str
    methods: list[dict[str, Any]]


class StudyBudget(TypedDict):
    """What the data sets show with one number of labels per class."""

    labels_per_class: int | None
    methods: list[str]
    thresholds: list[Number]
    profiles: dict[str, dict[str, list[Number]]]
    ranks: NotRequired[dict[str, Any]]


class StudyRow(TypedDict):
    """A method against a baseline over data sets."""

    method: str
    baseline: str
    labels_per_class: int | None
    datasets: list[str]
    differences: list[Number]
    verdicts: list[str]
    counts: dict[str, int]
    median: Number
    p_holm: Number
    signed_rank: dict[str, Number]
    hierarchical: dict[str, Any] | None
    decided: str | None
    replicated: dict[str, int]


class StudyQuestion(TypedDict):
    """A question of a study."""

    name: str
    text: str
    rows: list[StudyRow]


class StudyResults(TypedDict):
    """Results of a study."""

    schema: Literal[1, 2]
    title: str
    metric: MetricName
    margin: Number
    config: dict[str, Any]
    environment: Environment
    warnings: list[str]
    cells: list[StudyCell]
    budgets: list[StudyBudget]
    questions: list[StudyQuestion]
    correlations: list[dict[str, Any]]


SCHEMAS = {
    "compare": CompareResults,
    "sweep": SweepResults,
    "pretrain": PretrainResults,
    "explore": ExploreResults,
    "study": StudyResults,
}
