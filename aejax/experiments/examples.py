"""Which test examples a run keeps for its page: those of the codes, and those that methods classify worst."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from aejax.experiments.experiment import Experiment
from aejax.experiments.method_result import MethodResult
from aejax.report.examples import MAX_CODES, MAX_WORST, Examples, hardest_rows, shrink_images, write_examples


def save_examples(
    folder: Path,
    experiment: Experiment,
    codes: Mapping[str, Float[np.ndarray, "n 2"]],
    method_results: Sequence[MethodResult] = (),
) -> None:
    """Writes `examples.npz`.

    Args:
        folder: of the run.
        experiment: the data.
        codes: of the first test examples of seed 0, by method.
        method_results: whose worst errors are kept.
    """
    dataset, test_index = experiment.dataset, experiment.split.test
    shown = test_index[0, :MAX_CODES]
    worst = [hardest_rows(result.scores.log_prob, test_index, MAX_WORST) for result in method_results]
    others = np.setdiff1d(np.concatenate(worst), shown) if worst else shown[:0]
    rows = np.concatenate([shown, others])
    inputs = dataset.inputs[rows]
    if len(dataset.example_shape) == 3:
        inputs = shrink_images(inputs)
    elif dataset.offsets is not None:
        inputs = inputs + dataset.offsets
    examples = Examples(
        rows,
        dataset.labels[rows],
        inputs,
        list(dataset.feature_names or ()),
        {k: v[:MAX_CODES] for k, v in codes.items()},
    )
    write_examples(folder, examples)
