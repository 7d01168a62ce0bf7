"""Classifiers of scikit-learn as methods: settings chosen on a seed's selection folds, then a fit to all its labels."""

import dataclasses
import hashlib
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from sklearn.base import BaseEstimator
from sklearn.utils.parallel import Parallel, delayed
from threadpoolctl import threadpool_limits

from aejax.data.shuffling import make_generator, stratified_permutation
from aejax.methods.method import HostPrediction, HostProblem, Setting, TriedSettings

MAX_SELECTION_ROWS = (4000, 1000)  # training and validation rows of a fold by which settings are chosen
LOG_TEMPERATURES = (-5.0, 5.0)  # bounds of the temperature's natural logarithm
MIN_PROBABILITY = 1e-3  # of a class that got no vote, before the temperature

Settings = dict[str, Setting]
Scores = Float[np.ndarray, "m classes"]  # logits up to a temperature
Shared = TypeVar("Shared")


@dataclasses.dataclass(frozen=True)
class Classifier:
    """A classifier of scikit-learn and the settings that may be chosen for it."""

    grid: Callable[[HostProblem], list[Settings]]
    make: Callable[[HostProblem, Settings], BaseEstimator]
    randomized: bool = False  # a fit depends on the seed
    pairwise: bool = False  # its decision values are of pairs of classes
    prepare: Callable[[HostProblem, bool], HostProblem] = lambda problem, standardize: problem
    """Returns the problem with the inputs that are fitted, by the setting `standardize`."""


class Rated(NamedTuple):
    """Settings, the temperature of their scores, and how well they did on validation rows."""

    settings: Settings
    temperature: float
    accuracy: float
    nll: float


def tuned(classifier: Classifier) -> Callable[[HostProblem], HostPrediction]:
    """Returns `Method.fit_predict` of a classifier.

    The settings with the highest accuracy on the validation rows of the folds are chosen, those with the lower NLL if
    accuracies tie. Logits are divided by the temperature that minimizes this NLL (Guo et al. 2017). Settings are chosen
    on at most `MAX_SELECTION_ROWS` of each fold; the fit that is tested has all labelled rows. Seeds whose rows and
    settings are the same share it, unless the classifier is randomized. With more labels than `MAX_SELECTION_ROWS`,
    they share the choice of the run's first seed, too.
    """
    shared: dict[str, Scores] = {}

    def fit_predict(problem: HostProblem) -> HostPrediction:
        grid = draw_settings(classifier.grid(problem), problem.tune)
        prepared = {flag: classifier.prepare(problem, flag) for flag in {_standardizes(settings) for settings in grid}}
        content = (problem.inputs, problem.labelled, problem.labels, problem.test_inputs)
        rated = share_ratings(problem, content, lambda: rate_settings(classifier, prepared, grid))

        def score_test(settings: Settings) -> Scores:
            fitted, every_label = prepared[_standardizes(settings)], np.arange(len(problem.labels))
            key = {**settings, "seed": problem.seed if classifier.randomized else 0}

            def fit() -> Scores:
                return _fit_and_score(classifier, fitted, settings, every_label, fitted.test_inputs)

            return share(shared, key, content, fit)

        return predict_with_best(problem, rated, score_test)

    return fit_predict


def share(
    made: dict[str, Shared], settings: Settings, content: Sequence[np.ndarray], make: Callable[[], Shared]
) -> Shared:
    """Returns what was made earlier from equal settings and content, such as another seed's, or else `make()`."""
    digest = hashlib.sha256(repr(sorted(settings.items())).encode())
    for array in content:
        digest.update(np.ascontiguousarray(array).data)
    key = digest.hexdigest()
    if key not in made:
        made[key] = make()
    return made[key]


def share_ratings(problem: HostProblem, content: Sequence[np.ndarray], rate: Callable[[], list[Rated]]) -> list[Rated]:
    """Returns `rate()`, or with many labels the ratings of an earlier seed of the run from the same content.

    With 60,000 labels a fit takes minutes, and seeds that choose differently could not share it. Ratings depend on the
    folds of the seed that made them, so another run, with other folds, rates the settings again.
    """
    if problem.ratings is None or len(problem.labels) <= sum(MAX_SELECTION_ROWS):
        return rate()
    return share(problem.ratings, {"tune": problem.tune or 0}, content, rate)


def draw_settings(grid: list[Settings], count: int | None) -> list[Settings]:
    """Returns `count` settings of a grid in random order, the same for all seeds; None, or too many: the whole grid."""
    if count is None:
        return grid
    return [grid[index] for index in make_generator(0, "tune settings").permutation(len(grid))[:count]]


def predict_with_best(
    problem: HostProblem, rated: Sequence[Rated], score_test: Callable[[Settings], Scores]
) -> HostPrediction:
    """Returns the prediction with the settings of highest validation accuracy, the lower NLL if accuracies tie.

    With `HostProblem.tune` it is the prediction with the settings of lowest NLL, and what each of them gives on the
    test rows after a fit to all labels is reported.
    """
    if problem.tune is None:
        best = max(rated, key=lambda one: (one.accuracy, -one.nll))
        return make_prediction(best, score_test(best.settings))
    predictions = [make_prediction(one, score_test(one.settings)) for one in rated]
    losses = np.array([one.nll for one in rated])
    log_probs = np.stack([prediction.log_probs for prediction in predictions])
    tried = TriedSettings([one.settings for one in rated], losses, log_probs)
    return predictions[int(losses.argmin())]._replace(tried=tried)


def make_prediction(rated: Rated, scores: Scores) -> HostPrediction:
    """Returns the log-probabilities of scores at the best temperature, and the settings."""
    settings = {**rated.settings, "temperature": rated.temperature, "valid_accuracy": rated.accuracy}
    return HostPrediction(log_softmax(scores / rated.temperature, axis=1), settings)


def _standardizes(settings: Settings) -> bool:
    return bool(settings.get("standardize", 0))


def rate_settings(classifier: Classifier, prepared: Mapping[bool, HostProblem], grid: list[Settings]) -> list[Rated]:
    """Returns how well each of the settings classifies the validation rows of the folds.

    Args:
        classifier: which has the settings.
        prepared: `Classifier.prepare` of the problem.
        grid: the settings.
    """
    first = next(iter(prepared.values()))
    folds = [limit_rows(first, fold) for fold in range(len(first.fold_train))]

    def evaluate(settings: Settings) -> Rated:
        problem = prepared[_standardizes(settings)]
        scores = [
            _fit_and_score(classifier, problem, settings, train, problem.inputs[problem.labelled[valid]])
            for train, valid in folds
        ]
        labels = np.concatenate([first.labels[valid] for _, valid in folds])
        return rate_scores(settings, np.concatenate(scores), labels)

    rated: list[Rated] = Parallel(n_jobs=-1, prefer="threads")(delayed(evaluate)(settings) for settings in grid)
    return rated


def limit_rows(problem: HostProblem, fold: int) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " m"]]:
    """Returns the fold's training and validation positions, at most `MAX_SELECTION_ROWS`, stratified by class."""
    limited = []
    for rows, limit in zip((problem.fold_train[fold], problem.fold_valid[fold]), MAX_SELECTION_ROWS, strict=True):
        rng = make_generator(problem.seed, "selection rows")
        order = stratified_permutation(problem.labels[rows], rng, every_class_first=True)
        limited.append(np.sort(rows[order[:limit]]))
    return limited[0], limited[1]


def rate_scores(settings: Settings, scores: Scores, labels: Int[np.ndarray, " m"]) -> Rated:
    """Returns settings with their accuracy, the best temperature of their scores, and the NLL at this temperature.

    The NLL is computed as if one of m + 1 labels had been drawn at random, as otherwise a few labels without an error
    would make every prediction certain (Platt 1999 smooths labels for the same reason).
    """
    count, own = len(labels), (np.arange(len(labels)), labels)

    def nll(log_temperature: float) -> float:
        log_probs = log_softmax(scores / np.exp(log_temperature), axis=1)
        return float(-(count * log_probs[own].mean() + log_probs.mean()) / (count + 1))

    best = minimize_scalar(nll, bounds=LOG_TEMPERATURES, method="bounded")
    accuracy = float(np.mean(np.argmax(scores, axis=1) == labels))
    return Rated(settings, float(np.exp(best.x)), accuracy, float(best.fun))


def _fit_and_score(
    classifier: Classifier, problem: HostProblem, settings: Settings, rows: Int[np.ndarray, " n"], inputs: np.ndarray
) -> Scores:
    """Fits to labelled rows and returns the scores of inputs; a small fit uses one thread, as others run next to it.

    Where noise has left rows of one class, which some classifiers cannot be fitted to, every input is of this class.
    """
    if np.all(problem.labels[rows] == problem.labels[rows[0]]):
        return log_probabilities(np.tile(np.eye(problem.n_classes)[problem.labels[rows[0]]], (len(inputs), 1)))
    model: Any = classifier.make(problem, settings)
    with threadpool_limits(1 if len(rows) <= sum(MAX_SELECTION_ROWS) else None, user_api="openmp"):
        model.fit(problem.inputs[problem.labelled[rows]], problem.labels[rows])
        return class_scores(model, inputs, problem.n_classes, pairwise=classifier.pairwise)


def class_scores(model: Any, inputs: Float[np.ndarray, "m d"], n_classes: int, *, pairwise: bool = False) -> Scores:
    """Returns the scores of a fitted classifier; classes that it has not seen get the lowest.

    These are decision values, or else log-probabilities. Of two classes, one has the decision value s and the other 0,
    so that their softmax is the logistic function of s. Decision values of pairs become one score for each class.
    """
    if not hasattr(model, "decision_function"):
        values = log_probabilities(model.predict_proba(inputs))
    elif (decisions := model.decision_function(inputs)).ndim == 1:
        values = np.stack([np.zeros(len(inputs)), decisions], axis=1)
    elif pairwise:
        values = pairwise_scores(decisions, len(model.classes_))
    else:
        values = decisions
    scores = np.full((len(inputs), n_classes), values.min())
    scores[:, model.classes_] = values
    return scores


def pairwise_scores(decisions: Float[np.ndarray, "m pairs"], n_classes: int) -> Scores:
    """Returns minus the sum of the decision values by which each class loses against others.

    A class that loses against no other has the score 0, which is the highest: `SVC.predict` predicts it, too. Unlike
    votes, on which scikit-learn's values of one class against the rest depend, the scores say by how much.
    """
    scores = np.zeros((len(decisions), n_classes))
    for pair, (first, second) in enumerate(itertools.combinations(range(n_classes), 2)):
        scores[:, first] += np.minimum(decisions[:, pair], 0)
        scores[:, second] += np.minimum(-decisions[:, pair], 0)
    return scores


def log_probabilities(probabilities: Float[np.ndarray, "m classes"]) -> Scores:
    """Returns the logarithms of probabilities, of which none counts as less than `MIN_PROBABILITY`."""
    return np.log(np.maximum(probabilities, MIN_PROBABILITY))
