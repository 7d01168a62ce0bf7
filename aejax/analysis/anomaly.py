"""Anomaly scores, and the area under the ROC curve with DeLong's covariance."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy.stats import norm
from sklearn.covariance import LedoitWolf

from aejax.analysis.codec import Codec, fit_pca, mean_squared_errors, subsample_rows
from aejax.evaluate.verdict_metrics import placement_values

AUTOENCODER_SCORES = ("reconstruction error", "latent Mahalanobis")  # the other scores are baselines
MAX_COVARIANCE_FEATURES = 4096  # above this no covariance of the inputs is estimated


def squared_mahalanobis(train: Float[np.ndarray, "m k"], inputs: Float[np.ndarray, "n k"]) -> Float[np.ndarray, " n"]:
    """Returns the squared Mahalanobis distance of each input from `train`, independent of the scale of each feature.

    Uses the Ledoit-Wolf (2004) shrunk covariance of the standardized features, which is invertible even if features
    are collinear or outnumber the rows. Shrinking the covariance of unscaled features would hide those of small scale.
    A feature that is constant in `train` contributes its squared difference.
    """
    mean, spread = train.mean(axis=0), train.std(axis=0)
    varying = np.ptp(train, axis=0) > 0
    distances = np.sum(np.square((inputs - mean)[:, ~varying]), axis=1)
    if varying.any():
        standardized, others = (((rows - mean) / np.where(varying, spread, 1))[:, varying] for rows in (train, inputs))
        distances = distances + LedoitWolf(assume_centered=True).fit(standardized).mahalanobis(others)
    return distances


def compute_anomaly_scores(
    codec: Codec, train: Float[np.ndarray, "m d"], inputs: Float[np.ndarray, "n d"]
) -> dict[str, Float[np.ndarray, " n"]]:
    """Returns several anomaly scores of each input; higher is more anomalous.

    Of the autoencoder: the mean squared reconstruction error, and the Mahalanobis distance of the code from training
    codes. Baselines: the mean squared distance from the mean training example, the Mahalanobis distance of the inputs
    (up to `MAX_COVARIANCE_FEATURES` features), and the reconstruction error of as many principal components as the
    code has units (but fewer than all, which would leave no error).
    """
    fitted = subsample_rows(train)
    codes = codec.encode(fitted)
    scores = {
        "reconstruction error": mean_squared_errors(codec, inputs),
        "latent Mahalanobis": squared_mahalanobis(codes, codec.encode(inputs)),
        "distance to the mean": np.mean(np.square(inputs - train.mean(axis=0)), axis=1),
    }
    features = inputs.shape[1]
    if features <= MAX_COVARIANCE_FEATURES:
        scores["input Mahalanobis"] = squared_mahalanobis(fitted, inputs)
    components = min(codes.shape[1], len(fitted) - 1, features - 1)
    if components > 0:
        scores["PCA error"] = mean_squared_errors(fit_pca(fitted, components).to_codec(components), inputs)
    return {name: np.asarray(values, np.float64) for name, values in scores.items()}


class AurocEstimates(NamedTuple):
    """Areas under the ROC curves (AUROC) of several scores of the same examples."""

    values: Float[np.ndarray, " score"]
    covariance: Float[np.ndarray, "score score"]  # of the values, over repeated draws of examples

    def confidence_interval(self, index: int) -> list[float]:
        """Returns the normal 95 % interval of one area, clipped to [0, 1]."""
        half = norm.ppf(0.975) * np.sqrt(self.covariance[index, index])
        return [float(max(self.values[index] - half, 0)), float(min(self.values[index] + half, 1))]

    def difference(self, index: int, other: int) -> tuple[float, list[float]]:
        """Returns one area minus another, and the 95 % interval of this paired difference."""
        weights = np.zeros(len(self.values))
        weights[index] += 1
        weights[other] -= 1
        mean = float(weights @ self.values)
        half = norm.ppf(0.975) * np.sqrt(max(weights @ self.covariance @ weights, 0.0))
        return mean, [float(mean - half), float(mean + half)]


def auroc(scores: Float[np.ndarray, "score n"], is_anomalous: Bool[np.ndarray, " n"]) -> AurocEstimates:
    """Returns the probability that an anomalous example scores above a normal one (ties count half), for each score.

    The covariance is DeLong's (1988), from `placement_values`. Each group needs at least one example; a group of one
    contributes no covariance.
    """
    placements = np.stack([placement_values(one, is_anomalous) for one in scores])
    covariance = np.zeros((len(scores), len(scores)))
    above_normal, below_anomalous = (placements.compress(group, axis=1) for group in (is_anomalous, ~is_anomalous))
    for group in (above_normal, below_anomalous):
        if group.shape[1] > 1:
            covariance += np.atleast_2d(np.cov(group)) / group.shape[1]
    return AurocEstimates(above_normal.mean(axis=1), covariance)
