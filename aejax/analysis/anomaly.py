"""Which examples are unlike those trained on: scores, and how well they find a class that was held out."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy.stats import norm, rankdata
from sklearn.covariance import LedoitWolf

from aejax.analysis.codec import Codec, fit_pca, mean_squared_errors, subsample_rows

AUTOENCODER_SCORES = (
    "reconstruction error",
    "latent Mahalanobis",
)  # the autoencoder's scores; the others are baselines
MAX_COVARIANCE_FEATURES = 4096  # above this a covariance of the inputs themselves is not estimated


def squared_mahalanobis(train: Float[np.ndarray, "m k"], inputs: Float[np.ndarray, "n k"]) -> Float[np.ndarray, " n"]:
    """Squared Mahalanobis distance of each input from `train`, whatever the scale of each feature.

    With the mean of `train` and the Ledoit-Wolf shrunk covariance (2004) of its standardised features, which has an
    inverse where features are collinear or more than the rows. Shrinking the covariance itself would hide features
    of small scale behind those of large. A feature that is constant in `train` counts by its squared difference.
    """
    mean, spread = train.mean(axis=0), train.std(axis=0)
    varying = np.ptp(train, axis=0) > 0
    distances = np.sum(np.square((inputs - mean)[:, ~varying]), axis=1)
    if varying.any():
        standard, own = (((rows - mean) / np.where(varying, spread, 1))[:, varying] for rows in (train, inputs))
        distances = distances + LedoitWolf(assume_centered=True).fit(standard).mahalanobis(own)
    return distances


def compute_anomaly_scores(
    codec: Codec, train: Float[np.ndarray, "m d"], inputs: Float[np.ndarray, "n d"]
) -> dict[str, Float[np.ndarray, " n"]]:
    """How unlike `train` each of `inputs` is, by several measures; the higher, the stranger.

    reconstruction error: the autoencoder's mean squared error. latent Mahalanobis: of the code, from training codes.
    Baselines that know no autoencoder: the distance from the mean training example, the Mahalanobis distance of the
    inputs themselves (up to `MOST_FEATURES` of them), and the reconstruction error of as many principal components as
    the code has units (fewer than all, with which nothing would be left).
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
    """Areas under the ROC curves of several scores of the same examples."""

    values: Float[np.ndarray, " score"]
    covariance: Float[np.ndarray, "score score"]  # of the values, over another draw of examples

    def confidence_interval(self, index: int) -> list[float]:
        """95 % interval of one area, normal, cut to [0, 1]."""
        half = norm.ppf(0.975) * np.sqrt(self.covariance[index, index])
        return [float(max(self.values[index] - half, 0)), float(min(self.values[index] + half, 1))]

    def difference(self, index: int, other: int) -> tuple[float, list[float]]:
        """One area less another, and its 95 % interval, which knows that both are of the same examples."""
        weights = np.zeros(len(self.values))
        weights[index] += 1
        weights[other] -= 1
        mean = float(weights @ self.values)
        half = norm.ppf(0.975) * np.sqrt(max(weights @ self.covariance @ weights, 0.0))
        return mean, [float(mean - half), float(mean + half)]


def auroc(scores: Float[np.ndarray, "score n"], is_anomalous: Bool[np.ndarray, " n"]) -> AurocEstimates:
    """The probability that an anomalous example scores above a normal one, ties counted half, for each score.

    DeLong's covariance (1988) from midranks (Sun and Xu 2014): a placement is the share of the other group that an
    example is above. At least one example of each group; where a group has one, the covariance is taken as 0.
    """
    strange, usual = scores[:, is_anomalous], scores[:, ~is_anomalous]
    together = rankdata(np.concatenate([strange, usual], axis=1), axis=1)
    above_usual = (together[:, : strange.shape[1]] - rankdata(strange, axis=1)) / usual.shape[1]
    below_strange = 1 - (together[:, strange.shape[1] :] - rankdata(usual, axis=1)) / strange.shape[1]
    covariance = np.zeros((len(scores), len(scores)))
    for placements in (above_usual, below_strange):
        if placements.shape[1] > 1:
            covariance += np.atleast_2d(np.cov(placements)) / placements.shape[1]
    return AurocEstimates(above_usual.mean(axis=1), covariance)
