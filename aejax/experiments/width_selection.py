"""Selection of how many leading features a probe sees, by its validation loss."""

from collections.abc import Callable, Sequence

import jax
import numpy as np

from aejax.experiments.feature_extraction import ExtractedFeatures
from aejax.experiments.probes import ClassifierFit


def fit_best_width(
    fit: Callable[[ExtractedFeatures], ClassifierFit], features: ExtractedFeatures, widths: Sequence[int]
) -> ClassifierFit:
    """Fits a probe of each width and returns, for every seed, the one of lowest validation loss; the first of equals.

    Args:
        fit: from features to the probe of every seed; its report has `valid_nll`.
        features: ordered, such as principal components.
        widths: numbers of leading features; all features are always tried.
    """
    tried = [*(width for width in sorted(widths) if width < features.width), features.width]
    fits = [fit(features._replace(values=features.values[..., :width])) for width in tried]
    reports = [one.report.probe or one.report.neighbours for one in fits]
    losses = np.stack([report.valid_nll for report in reports if report is not None and report.valid_nll is not None])
    best = np.argmin(losses, axis=0)
    chosen: ClassifierFit = jax.tree.map(lambda *leaves: np.stack(leaves)[best, np.arange(len(best))], *fits)
    return chosen._replace(settings=[{"width": tried[index]} for index in best])
