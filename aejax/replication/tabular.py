"""Claims of a tutorial that prepares `make_classification` data with an autoencoder for logistic regression."""

import dataclasses
import functools
import warnings
from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import MinMaxScaler

from aejax.config import ProbeConfig, SplitConfig
from aejax.evaluate.verdicts import EQUIVALENCE_MARGIN
from aejax.experiments.pretrained import load_pretrained
from aejax.recipes import compare_defaults, get_recipe
from aejax.replication.claim import ComparativeClaim, Evidence, NumericClaim, PerSeed, Role, Source, paired_evidence
from aejax.replication.context import ClaimContext, final_metric

SOURCE_TITLE, SOURCE_URL = (
    "J. Brownlee, Autoencoder Feature Extraction for Classification (2020)",
    "https://machinelearningmastery.com/autoencoder-for-classification/",
)
HALF_WIDTH = get_recipe("tutorial-tabular")
FULL_WIDTH = dataclasses.replace(HALF_WIDTH, model=dataclasses.replace(HALF_WIDTH.model, latent_dim=100))
METHODS = ("raw", "random", "undercomplete")
AEJAX_PROTOCOL = dataclasses.replace(compare_defaults("tabular"), methods=METHODS)
PUBLISHED_PROTOCOL = dataclasses.replace(
    AEJAX_PROTOCOL, split=SplitConfig(split="tutorial"), probe=ProbeConfig(probe_c=1.0, probe_standardize=False)
)
DATA_PROTOCOL = (
    "make_classification(1000, 100, n_informative=10, n_redundant=90, random_state=1); "
    "train_test_split(test_size=0.33, random_state=1); min-max scaling fitted on the training rows"
)
MSE_MARGIN_DB = 1.0  # a factor of 1.26
COMPARE_COMMAND = "python scripts/compare.py --dataset tabular --methods raw random undercomplete"


def raw_accuracy(context: ClaimContext) -> PerSeed:
    """Returns the test accuracy of logistic regression on the inputs, by the source's own calls."""
    inputs, _, train, _ = _source_data()
    return np.array([_logistic_accuracy(MinMaxScaler().fit(inputs[train]).transform(inputs))])


def code_accuracy(context: ClaimContext) -> PerSeed:
    """Returns the same on every seed's 50-unit code."""
    run, inputs = load_pretrained(context.pretrain(HALF_WIDTH)), _source_data()[0].astype(np.float32)
    return np.array([_logistic_accuracy(np.asarray(run.encode(inputs, seed))) for seed in range(context.seeds)])


def _source_data() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Returns the source's inputs, labels, training rows and test rows."""
    inputs, labels = make_classification(1000, 100, n_informative=10, n_redundant=90, random_state=1)
    return inputs, labels, *train_test_split(np.arange(len(labels)), test_size=0.33, random_state=1)


def _logistic_accuracy(features: Float[np.ndarray, "n d"]) -> float:
    """Returns the test accuracy of logistic regression on features of all rows."""
    _, labels, train, test = _source_data()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the source stops after 100 iterations, converged or not
        classifier = LogisticRegression().fit(features[train], labels[train])
    return classifier.score(features[test], labels[test])


def compare_half_with_full_width(context: ClaimContext) -> list[Evidence]:
    """Compares the reconstruction errors with 50 and with 100 units, paired by seed."""
    half, full = (final_metric(context, config, "valid_mse") for config in (HALF_WIDTH, FULL_WIDTH))
    ratio = 10 * np.log10(full / half)
    return [paired_evidence("error of 100 units over that of 50", "claim", ratio, unit="dB", margin=MSE_MARGIN_DB)]


def compare_under_published_protocol(context: ClaimContext) -> list[Evidence]:
    """Compares the source's classifier on the code with the same on the inputs and on the untrained code."""
    results = context.compare("tabular-as-printed", PUBLISHED_PROTOCOL)
    return _accuracy_gains(results, "the tutorial's classifier", {"raw": "claim", "random": "control"})


def compare_under_both_protocols(context: ClaimContext) -> list[Evidence]:
    """Compares them under the source's protocol and under this project's."""
    ours = _accuracy_gains(
        context.compare("tabular", AEJAX_PROTOCOL), "our protocol", {"raw": "context", "random": "control"}
    )
    return compare_under_published_protocol(context) + ours


def _accuracy_gains(results: dict[str, Any], protocol: str, roles: dict[str, Role]) -> list[Evidence]:
    others = {"raw": "the inputs", "random": "the untrained code"}
    return [
        Evidence(
            what=f"code minus {others[row['baseline']]} ({protocol})",
            role=roles[row["baseline"]],
            mean=100 * row["mean_difference"],
            ci95=[100 * bound for bound in row["ci95_adjusted"]],  # from which the verdict follows
            unit="points",
            margin=100 * EQUIVALENCE_MARGIN,
            verdict=row["verdict"],
        )
        for row in results["comparisons"]
    ]


_code_claim = functools.partial(NumericClaim, seeds=10, cost="a minute", configs=(HALF_WIDTH,))
_comparison = functools.partial(ComparativeClaim, seeds=10, cost="a minute")
CLAIMS = (
    NumericClaim(
        name="tabular-raw-lr",
        statement="logistic regression on the 100 inputs is right on .8939 of the test rows",
        source=Source(SOURCE_TITLE, "Encoder as Data Preparation, printed accuracy on the raw data", SOURCE_URL),
        protocol=f"{DATA_PROTOCOL}; LogisticRegression() with scikit-learn's defaults",
        command="LogisticRegression().fit(X_train, y_train).score(X_test, y_test)",
        unit="test accuracy",
        printed_values=("0.8939",),
        cost="seconds",
        measure=raw_accuracy,
    ),
    _code_claim(
        name="tabular-code-lr",
        statement="logistic regression on the 50-unit code is right on .9394 of the test rows",
        source=Source(SOURCE_TITLE, "Encoder as Data Preparation, printed accuracy on the encoded data", SOURCE_URL),
        protocol=f"{DATA_PROTOCOL}; 100-200-100-50-100-200-100, BatchNorm, LeakyReLU, MSE, Adam, batch 16, 200 "
        "epochs on the training rows; LogisticRegression() on the codes; the source shows one run",
        command="python scripts/pretrain.py --recipe tutorial-tabular, then LogisticRegression() on run.encode(X)",
        unit="test accuracy",
        printed_values=("0.9394",),
        max_half_width=(0.9394 - 0.8939,),
        criterion_reason="one run is shown; the width excludes the accuracy on the raw data from an interval around "
        "the printed one",
        measure=code_accuracy,
    ),
    _code_claim(
        name="tabular-code-mse",
        statement="the 50-unit autoencoder's validation error after 200 epochs is 8.8e-4",
        source=Source(
            SOURCE_TITLE, "Autoencoder for Classification, last epoch of the compressed model's log", SOURCE_URL
        ),
        protocol=f"{DATA_PROTOCOL}; the same autoencoder; mean squared error on the test rows after epoch 200; the "
        "source shows one run",
        command="python scripts/pretrain.py --recipe tutorial-tabular",
        unit="validation MSE",
        printed_values=("8.8e-4",),
        max_half_width=(0.5 * 8.8e-4,),
        criterion_reason="one run is shown; the width is half of the printed error",
        measure=lambda context: final_metric(context, HALF_WIDTH, "valid_mse"),
    ),
    _comparison(
        name="tabular-half-size-mse",
        statement="the autoencoder performs just as well with a bottleneck half the size (reconstruction error)",
        source=Source(
            SOURCE_TITLE, "Autoencoder for Classification, on the compressed model's learning curve", SOURCE_URL
        ),
        protocol=f"{DATA_PROTOCOL}; the same autoencoder with 100 units and with 50, 200 epochs, paired by seed; the "
        "error on the test rows after the last epoch, compared in decibels",
        command="python scripts/pretrain.py --recipe tutorial-tabular, and with --latent-dim 100",
        unit="dB",
        criterion="not worse",
        criterion_reason="not worse: the interval excludes a loss of 1 dB, a factor of 1.26, or more",
        configs=(HALF_WIDTH, FULL_WIDTH),
        measure=compare_half_with_full_width,
    ),
    _comparison(
        name="tabular-half-size-lr",
        statement="a code of half the size does as well as the whole input (logistic regression)",
        source=Source(SOURCE_TITLE, "Encoder as Data Preparation", SOURCE_URL),
        protocol=f"{DATA_PROTOCOL}; logistic regression at C=1, not standardised, on the 50-unit code, on the "
        "inputs, and on the same encoder untrained; intervals resample seeds and test rows",
        command=f"{COMPARE_COMMAND} --split tutorial --probe-c 1 --no-probe-standardize",
        unit="points",
        criterion="not worse",
        criterion_reason="not worse: the interval excludes a loss of half a point or more",
        configs=(PUBLISHED_PROTOCOL,),
        measure=compare_under_published_protocol,
    ),
    _comparison(
        name="tabular-encoding-helps",
        statement="the encoding is helpful for logistic regression: better than on the raw data",
        source=Source(SOURCE_TITLE, "Encoder as Data Preparation, conclusion", SOURCE_URL),
        protocol=f"{DATA_PROTOCOL}; logistic regression at C=1, not standardised, on the 50-unit code, on the "
        "inputs, and on the same encoder untrained; and again under this project's protocol: two times five "
        "stratified folds, features standardised, strength chosen on validation rows",
        command=f"{COMPARE_COMMAND} --split tutorial --probe-c 1 --no-probe-standardize, and without the last three "
        "flags",
        unit="points",
        criterion="better",
        criterion_reason="better: the interval lies above 0; a control must come out better, too, or it may be the "
        "explanation",
        configs=(PUBLISHED_PROTOCOL, AEJAX_PROTOCOL),
        measure=compare_under_both_protocols,
    ),
)
