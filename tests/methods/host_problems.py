"""Small problems for classifiers on the host."""

import numpy as np
from sklearn.datasets import load_digits, load_wine
from sklearn.model_selection import StratifiedKFold

from aejax.methods.method import HostProblem


def make_host_problem(data, *, labels, folds=3, test=100, shape=None, seed=0):
    """Rows of a scikit-learn data set in random order: test rows, labelled rows, and rows without a label."""
    order = np.random.default_rng(seed).permutation(len(data.target))
    inputs, classes = data.data[order].astype(np.float32), data.target[order].astype(np.int32)
    train, train_classes = inputs[test:], classes[test:]
    labelled = np.arange(0, len(train), len(train) // labels)[:labels]
    splits = list(StratifiedKFold(folds).split(train[labelled], train_classes[labelled]))
    sizes = [min(len(split[part]) for split in splits) for part in range(2)]
    return HostProblem(
        inputs=train,
        labelled=labelled,
        labels=train_classes[labelled],
        fold_train=np.stack([split[0][: sizes[0]] for split in splits]),
        fold_valid=np.stack([split[1][: sizes[1]] for split in splits]),
        test_inputs=inputs[:test],
        n_classes=int(classes.max()) + 1,
        seed=seed,
        example_shape=shape or (inputs.shape[1],),
    ), classes[:test]


def wine_problem(**settings):
    return make_host_problem(load_wine(), test=60, **{"labels": 60} | settings)


def digits_problem(**settings):
    digits = load_digits(n_class=4)
    digits.data /= 16
    return make_host_problem(digits, shape=(8, 8, 1), **{"labels": 40} | settings)
