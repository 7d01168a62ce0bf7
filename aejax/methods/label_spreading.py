"""Label spreading on a graph of nearest neighbours: a control for few labels."""

import dataclasses

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import csr_matrix
from sklearn.neighbors import NearestNeighbors
from sklearn.semi_supervised import LabelSpreading

from aejax.autoencoders.spec import ProblemSpec
from aejax.data.shuffling import make_generator
from aejax.methods.controls import raw
from aejax.methods.method import HostPrediction, HostProblem, Method
from aejax.methods.tuning import (
    Rated,
    Scores,
    Settings,
    draw_settings,
    limit_rows,
    log_probabilities,
    predict_with_best,
    rate_scores,
    share,
    share_ratings,
)

MAX_UNLABELLED = 10_000  # rows of the graph without a label
UNLABELLED = -1  # scikit-learn's
NEIGHBORS = (5, 10, 20)
ALPHAS = (0.5, 0.9)  # how much of a labelled row's distribution comes from its neighbours
TOLERANCE, MAX_ITERATIONS = 1e-8, 2000  # of an iteration whose changes shrink by alpha in each step

Neighbors = Int[np.ndarray, "m neighbors"]  # nearest rows of a graph, the nearest first


def label_spreading(problem: ProblemSpec) -> Method:
    """Returns label spreading (Zhou et al. 2004) over training inputs, each connected with its nearest neighbours.

    The graph holds every labelled row and at most `MAX_UNLABELLED` rows without a label, drawn at random for each seed;
    two rows are connected if either is among the nearest of the other. The number of neighbours and alpha are those
    with the highest accuracy when the labels of each fold's validation rows are hidden. Test rows never enter the
    graph: they get the mean class distribution of their nearest neighbours in it.
    """
    shared: dict[str, Scores] = {}

    def fit_predict(problem: HostProblem) -> HostPrediction:
        unlabelled = draw_unlabelled(problem)
        inputs = problem.inputs[np.concatenate([problem.labelled, unlabelled])]
        content = (inputs, problem.labels, problem.test_inputs)

        def score_test(settings: Settings) -> Scores:
            count, alpha = int(settings["n_neighbors"]), float(settings["alpha"])

            def fit() -> Scores:
                search = NearestNeighbors(n_neighbors=count, n_jobs=-1).fit(inputs)
                graph = connect(search.kneighbors(return_distance=False))
                distributions = spread(graph, alpha, problem.labels, problem.n_classes)
                return average(distributions, search.kneighbors(problem.test_inputs, return_distance=False))

            return share(shared, settings, content, fit)

        rated = share_ratings(problem, content, lambda: rate_settings(problem))
        rated = [one._replace(settings={**one.settings, "unlabelled_rows": len(unlabelled)}) for one in rated]
        return predict_with_best(problem, rated, score_test)

    return dataclasses.replace(raw(problem), fit_predict=fit_predict)


def draw_unlabelled(problem: HostProblem) -> Int[np.ndarray, " n"]:
    """Returns positions of at most `MAX_UNLABELLED` training rows whose labels may not be used."""
    rows = np.setdiff1d(np.arange(len(problem.inputs)), problem.labelled)
    return np.sort(make_generator(problem.seed, "label spreading").permutation(rows)[:MAX_UNLABELLED])


def connect(neighbors: Neighbors) -> csr_matrix:
    """Returns the adjacency matrix of a graph in which two rows are connected if either is a neighbour of the other."""
    rows, count = neighbors.shape
    directed = csr_matrix((np.ones(neighbors.size), neighbors.ravel(), count * np.arange(rows + 1)), (rows, rows))
    return directed.maximum(directed.T)


def spread(
    graph: csr_matrix, alpha: float, labels: Int[np.ndarray, " n_first"], n_classes: int
) -> Float[np.ndarray, "n classes"]:
    """Returns the class distribution of every row, zero where no label reaches; `labels` are of the first rows."""
    rows = graph.shape[0]
    shown = np.concatenate([labels, np.full(rows - len(labels), UNLABELLED)])
    model = LabelSpreading(kernel=lambda *_: graph, alpha=alpha, max_iter=MAX_ITERATIONS, tol=TOLERANCE)
    model.fit(np.zeros((rows, 1)), shown)
    distributions = np.zeros((rows, n_classes))
    distributions[:, model.classes_] = model.label_distributions_
    return distributions


def average(distributions: Float[np.ndarray, "n classes"], neighbors: Neighbors) -> Scores:
    """Returns the logarithm of the mean distribution of some rows' neighbours; uniform where it is zero."""
    total = distributions[neighbors].sum(axis=1)
    weight = total.sum(axis=1, keepdims=True)
    return log_probabilities(np.where(weight > 0, total / np.where(weight > 0, weight, 1), 1 / total.shape[1]))


def rate_settings(problem: HostProblem) -> list[Rated]:
    """Returns how well each of the settings classifies validation rows, from one search for neighbours."""
    folds = [limit_rows(problem, fold) for fold in range(len(problem.fold_train))]
    labelled = np.unique(np.concatenate([rows for fold in folds for rows in fold]))
    inputs = problem.inputs[np.concatenate([problem.labelled[labelled], draw_unlabelled(problem)])]
    counts = [count for count in NEIGHBORS if count < len(inputs)] or [len(inputs) - 1]
    neighbors = NearestNeighbors(n_neighbors=max(counts), n_jobs=-1).fit(inputs).kneighbors(return_distance=False)

    def evaluate(count: int, alpha: float) -> Rated:
        graph, scores = connect(neighbors[:, :count]), []
        for train, valid in folds:
            shown = np.where(np.isin(labelled, train), problem.labels[labelled], UNLABELLED)
            distributions = spread(graph, alpha, shown, problem.n_classes)
            scores.append(average(distributions, neighbors[np.searchsorted(labelled, valid), :count]))
        hidden = problem.labels[np.concatenate([valid for _, valid in folds])]
        return rate_scores({"n_neighbors": count, "alpha": alpha}, np.concatenate(scores), hidden)

    grid: list[Settings] = [{"n_neighbors": count, "alpha": alpha} for count in counts for alpha in ALPHAS]
    return [evaluate(int(one["n_neighbors"]), float(one["alpha"])) for one in draw_settings(grid, problem.tune)]
