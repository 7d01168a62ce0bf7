"""Random Fourier features approximate their kernel, k-means is scikit-learn's, and PCA's width is chosen by loss."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from scipy.spatial.distance import cdist, pdist
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs
from sklearn.metrics.pairwise import rbf_kernel

from aejax.config import CompareConfig, DataConfig, ProbeConfig
from aejax.data.registry import load_dataset
from aejax.errors import InputError
from aejax.experiments.experiment import prepare_experiment
from aejax.experiments.feature_evaluation import require_selection
from aejax.experiments.method_result import fit_and_score
from aejax.experiments.progress import SilentReporter
from aejax.experiments.resolve import resolve_config
from aejax.methods import kmeans as kmeans_module
from aejax.methods.controls import median_distance, pca, random_fourier
from aejax.methods.kmeans import choose_start, fit_whitening, lloyd, triangle_activations, whiten
from aejax.methods.registry import METHODS

POINTS = jnp.asarray(make_blobs(300, 5, centers=6, random_state=0)[0], jnp.float32)


def test_inner_products_of_random_fourier_features_are_the_kernel_of_the_bandwidth(make_problem_spec):
    method = random_fourier(make_problem_spec((5,)), bandwidth=2.0)
    expected = rbf_kernel(POINTS, gamma=1 / (2 * (2.0 * np.median(pdist(POINTS))) ** 2))

    @jax.jit
    def kernel_error(key):
        features = method.encode(method.init(key, POINTS), POINTS)
        return features @ features.T - expected

    errors = np.stack([kernel_error(jax.random.key(seed)) for seed in range(10)])
    assert np.abs(errors).max() < 6 / np.sqrt(512)
    assert np.abs(errors.mean(axis=0)).max() < 6 / np.sqrt(10 * 512)  # without bias
    assert np.all(errors.std(axis=0) > 0)  # seeds differ


def test_the_bandwidth_is_the_median_distance_and_of_equal_rows_one():
    assert median_distance(POINTS) == pytest.approx(np.median(pdist(POINTS)), rel=1e-4)
    assert median_distance(jnp.ones((20, 5))) == 1


def test_lloyds_algorithm_is_scikit_learns_and_never_raises_the_objective():
    start = POINTS[:6]
    centroids, objectives = lloyd(POINTS, start, 20)
    reference = KMeans(6, init=np.asarray(start), n_init=1, max_iter=20, tol=0).fit(POINTS)
    np.testing.assert_allclose(centroids, reference.cluster_centers_, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(objectives[-1], reference.inertia_, rtol=1e-4)
    assert np.all(np.diff(objectives) <= 1e-3 * objectives[0])
    assert objectives[-1] < objectives[0]


def test_a_start_has_distinct_points_and_is_better_than_a_random_one_on_average():
    repeated = jnp.concatenate([jnp.zeros((300, 5)), POINTS])
    keys = jax.random.split(jax.random.key(0), 20)
    starts = jax.vmap(lambda key: choose_start(key, repeated, 6))(keys)
    assert all(len(np.unique(start, axis=0)) == 6 for start in starts)
    drawn = jax.vmap(lambda key: jax.random.choice(key, repeated, (6,), replace=False))(keys)
    cost, random_cost = (
        np.mean([np.square(cdist(repeated, start)).min(axis=1).sum() for start in each]) for each in (starts, drawn)
    )
    assert cost < random_cost


def test_triangle_activations_are_a_multiple_of_the_mean_distance_minus_each_where_that_is_positive():
    distances = cdist(POINTS, POINTS[:6])
    expected = np.maximum(0, 0.8 * distances.mean(axis=1, keepdims=True) - distances)
    np.testing.assert_allclose(triangle_activations(POINTS, POINTS[:6], 0.8), expected, atol=2e-3)


def test_whitened_patches_have_a_covariance_with_eigenvalues_below_one():
    patches = jax.random.normal(jax.random.key(0), (2000, 9)) @ jnp.diag(jnp.arange(1.0, 10.0))
    whitened = np.asarray(whiten(fit_whitening(patches), patches))
    eigenvalues = np.linalg.eigvalsh(np.cov(whitened.T))
    np.testing.assert_allclose(whitened.mean(axis=0), 0, atol=1e-5)
    assert eigenvalues[0] < 1e-3  # the mean of every patch was subtracted
    assert eigenvalues[1] > 0.3
    assert eigenvalues[-1] < 1.0


def test_features_of_images_are_sums_over_the_patches_of_each_quadrant(make_problem_spec, monkeypatch):
    monkeypatch.setattr(kmeans_module, "PATCH_CENTROIDS", 7)
    monkeypatch.setattr(kmeans_module, "MAX_POINTS", 500)
    method = METHODS["kmeans"](make_problem_spec((6, 7, 2), bounded=True))
    inputs = jax.random.uniform(jax.random.key(1), (10, 84))
    variables = method.init(jax.random.key(0), inputs)
    features = np.asarray(method.encode(variables, inputs)).reshape(10, 2, 2, 7)
    images = np.asarray(inputs).reshape(10, 6, 7, 2)
    windows = sliding_window_view(images, (3, 3), axis=(1, 2))  # (10, 4, 5, 2, 3, 3)
    patches = np.moveaxis(windows, 3, 5).reshape(-1, 18)
    whitening = kmeans_module.Whitening(**variables["whitening"])
    active = triangle_activations(whiten(whitening, jnp.asarray(patches)), variables["kmeans"]["centroids"])
    active = np.asarray(active).reshape(10, 4, 5, 7)
    for vertical, rows in enumerate((slice(0, 2), slice(2, 4))):
        for horizontal, columns in enumerate((slice(0, 2), slice(2, 5))):
            expected = active[:, rows, columns].sum(axis=(1, 2))
            np.testing.assert_allclose(features[:, vertical, horizontal], expected, rtol=1e-3, atol=1e-3)


WIDTHS = (4, 13)


@pytest.fixture(scope="module")
def experiment():
    config = CompareConfig(data=DataConfig(dataset="wine"), probe=ProbeConfig(probe="ridge"), seeds=2)
    dataset = load_dataset(config.data)
    return prepare_experiment(resolve_config(config, dataset), dataset, SilentReporter())


def test_the_width_of_tuned_pca_has_the_lowest_validation_loss_of_all(experiment):
    method = METHODS["pca-tuned"](experiment.problem)
    assert method.candidate_widths == (2, 4, 8)
    tuned = fit_and_score(experiment, "pca-tuned", dataclasses.replace(method, candidate_widths=(4,)))
    losses, scores = [], []
    for width in WIDTHS:
        model = dataclasses.replace(experiment.problem.model, latent_dim=width)
        single = pca(dataclasses.replace(experiment.problem, model=model))
        result = fit_and_score(experiment, f"pca-{width}", single)
        losses.append(result.classifier_report.probe.valid_nll)
        scores.append(result.scores.log_prob)
    best = np.argmin(losses, axis=0)
    assert tuned.settings == [{"width": WIDTHS[index]} for index in best]
    np.testing.assert_allclose(tuned.classifier_report.probe.valid_nll, np.min(losses, axis=0), rtol=1e-4)
    expected = np.stack([scores[index][seed] for seed, index in enumerate(best)])
    np.testing.assert_allclose(tuned.scores.log_prob, expected, atol=1e-3)


def test_a_probe_without_validation_loss_cannot_choose_a_width(experiment):
    config = dataclasses.replace(experiment.config, probe=ProbeConfig(probe_c=1.0))
    other = dataclasses.replace(experiment, config=config)
    with pytest.raises(InputError, match=r"^--probe-c 1.*pca-tuned out of --methods$"):
        require_selection(other, {"pca-tuned": METHODS["pca-tuned"](experiment.problem)})
    require_selection(other, {"pca": METHODS["pca"](experiment.problem)})


def test_neighbours_choose_a_width_too(experiment):
    config = dataclasses.replace(experiment.config, probe=ProbeConfig(probe="knn"))
    method = dataclasses.replace(METHODS["pca-tuned"](experiment.problem), candidate_widths=(4,))
    tuned = fit_and_score(dataclasses.replace(experiment, config=config), "pca-tuned", method)
    assert {settings["width"] for settings in tuned.settings} <= {4, 13}
    assert np.all(np.isfinite(tuned.classifier_report.neighbours.valid_nll))
