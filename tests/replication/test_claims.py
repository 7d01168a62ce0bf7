"""The registry is complete, and each claim runs from the data to its measurement at a small size."""

import dataclasses
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage
from sklearn.datasets import load_digits
from sklearn.preprocessing import minmax_scale

from aejax.cli import flag_value, parse_args
from aejax.config import PretrainConfig, ProbeConfig
from aejax.data import registry as data_registry
from aejax.data.dataset import make_dataset
from aejax.evaluate.verdicts import decide_verdict
from aejax.recipes import compare_defaults, get_recipe
from aejax.replication import bad_protocols, digits_rbm, mnist_autoencoders, mnist_classifiers, tabular
from aejax.replication.claim import NumericClaim, ProtocolEffect
from aejax.replication.context import ClaimContext
from aejax.replication.ledger import ALL_CLAIMS, CLAIMS, reproduce_claims
from aejax.storage.atomic_io import read_json
from tests.consoles import quiet

ROOT = Path(__file__).parents[2]


def test_published_numbers_are_those_of_the_committed_ledger():
    committed = {entry["name"]: entry["printed"] for entry in read_json(ROOT / "results/ledger/ledger.json")["claims"]}
    printed = {claim.name: list(getattr(claim, "printed_values", ())) for claim in ALL_CLAIMS}
    assert printed | committed == printed


def test_no_two_claims_share_a_name():
    assert len({claim.name for claim in ALL_CLAIMS}) == len(ALL_CLAIMS) == len(CLAIMS)


@pytest.mark.parametrize("claim", ALL_CLAIMS, ids=lambda claim: claim.name)
def test_a_claim_has_its_source_protocol_and_criterion(claim):
    words = (claim.statement, claim.source.title, claim.source.place, claim.protocol, claim.command, claim.unit)
    assert all(words)
    assert claim.criterion_reason
    assert claim.source.url.startswith("http") or "not known" in claim.protocol
    assert claim.seeds >= 1
    if isinstance(claim, NumericClaim):
        limits = {"tolerance": claim.tolerance, "prediction interval": claim.max_half_width, "exact": ()}[claim.rule]
        assert len(limits) == (0 if claim.rule == "exact" else len(claim.printed_values))
        published = map(float, claim.printed_values)
        assert all(0 < limit <= 0.51 * value for limit, value in zip(limits, published, strict=False))
        assert claim.rule != "tolerance" or re.search(r"about|~", claim.statement)
    else:
        assert claim.seeds >= 6  # fewer have no verdict
    assert all(config.data.dataset != "mnist" or "MNIST" in claim.requirements for config in claim.configs)


PRETRAINED = [claim for claim in ALL_CLAIMS if re.fullmatch(r"python scripts/pretrain.py [^,]*", claim.command)]


@pytest.mark.parametrize("claim", PRETRAINED, ids=lambda claim: claim.name)
def test_the_command_of_a_claim_is_the_config_that_it_runs(claim):
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Args:
        config: PretrainConfig

    argv = shlex.split(claim.command)[2:]
    named = get_recipe(flag_value("recipe", argv, ""), flag_value("dataset", argv, ""))
    parsed = parse_args(Args(config=named), argv, "").config
    (run,) = claim.configs
    mirrored = dataclasses.replace(parsed.model, decoder_hidden=None)  # stacked always mirrors the encoder
    if run.method == "stacked":
        parsed = dataclasses.replace(parsed, model=mirrored)
    assert dataclasses.replace(run, seeds=claim.seeds) == parsed


def test_exact_claims_are_reproduced_to_the_last_printed_digit(tmp_path):
    exact = ("tabular-raw-lr", "digits-lr", "digits-knn")
    ledger = reproduce_claims(tmp_path, quiet(), only=exact)
    assert [entry["status"] for entry in ledger["claims"]] == ["reproduced"] * 3
    assert [f"{entry['mean'][0]:.4f}" for entry in ledger["claims"]] == ["0.8939", "0.9333", "0.9611"]


@pytest.fixture
def few_digits(monkeypatch):
    """Replaces MNIST by 200 random images of 28 x 28 bytes, and MNIST-1D by as many sequences; 160 to train on."""
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, size=(200, 28, 28, 1)).astype(np.uint8), np.arange(200) % 10
    fields = {"source": "few", "test_rows": np.arange(160, 200)}
    digits = make_dataset("mnist", images, labels, value_range=(0.0, 255.0), **fields)
    sequences = make_dataset("mnist1d", rng.normal(size=(200, 40)), labels, **fields)
    monkeypatch.setitem(data_registry.NAMED_DATASETS, "mnist", lambda config: digits)
    monkeypatch.setitem(data_registry.NAMED_DATASETS, "mnist1d", lambda config: sequences)
    monkeypatch.setattr(mnist_classifiers, "L1_N_TRAIN", 30)
    monkeypatch.setattr(mnist_classifiers, "L1_N_TEST", 20)
    monkeypatch.setattr(mnist_classifiers, "SOFTMAX_BATCH_SIZE", 10)
    narrow = dataclasses.replace(mnist_autoencoders.DEEP_LOGISTIC.model, hidden=(6,), latent_dim=4)
    monkeypatch.setattr(
        mnist_autoencoders, "DEEP_LOGISTIC", dataclasses.replace(mnist_autoencoders.DEEP_LOGISTIC, model=narrow)
    )


@pytest.fixture(scope="module")
def shared_runs(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


SLOW_CLAIMS = (
    "mnist-dense64-mse",  # the tabular claims below are trained and measured by the same functions
    "mnist-single-bce",
    "mnist-deep-bce",
    "mnist-deeper-is-better",
    "mnist-deep-logistic",
    "vime-boosting",
    "mnist1d-gru",
)
MNIST_CLAIMS = [
    pytest.param(claim, id=claim.name, marks=pytest.mark.slow if claim.name in SLOW_CLAIMS else ())
    for claim in ALL_CLAIMS
    if {"MNIST", "mnist1d"} & set(claim.requirements) and not claim.missing
]


@pytest.mark.parametrize("claim", MNIST_CLAIMS)
def test_a_claim_about_mnist_runs_from_the_data_to_its_measurement(claim, few_digits, shared_runs):
    seeds = claim.resolve_seeds(2)
    measured = claim.run(ClaimContext(runs_dir=shared_runs, console=quiet(), seeds=seeds, epochs=1))
    if isinstance(claim, NumericClaim):
        values = np.array(measured["per_seed"])
        assert values.shape == (seeds, 1)
        assert np.all(np.isfinite(values))
    else:
        assert [one["role"] for one in measured["evidence"]] == ["claim"]
        assert np.isfinite(measured["evidence"][0]["mean"])


@pytest.mark.slow
def test_the_tabular_claims_run_and_share_their_trainings(tmp_path, monkeypatch):
    narrow = dataclasses.replace(tabular.HALF_WIDTH, model=dataclasses.replace(tabular.HALF_WIDTH.model, hidden=(30,)))
    monkeypatch.setattr(tabular, "HALF_WIDTH", narrow)
    monkeypatch.setattr(tabular, "FULL_WIDTH", narrow)
    context = ClaimContext(runs_dir=tmp_path / "runs", console=quiet(), seeds=2, epochs=1)
    names = ("tabular-code-lr", "tabular-code-mse", "tabular-half-size-mse")
    accuracies, _, comparison = (CLAIMS[name].run(context) for name in names)
    assert len([path for path in (tmp_path / "runs").iterdir() if path.is_dir()]) == 1
    assert comparison["evidence"][0]["mean"] == 0  # the same config twice
    accuracy = np.array(accuracies["per_seed"])
    assert np.all((accuracy > 0.7) & (accuracy < 1))


def test_the_encoding_is_compared_under_both_protocols_with_both_baselines(tmp_path, monkeypatch):
    """The comparisons are committed results of compare.py."""
    configs = {}

    def committed(self, name, config):
        configs[name] = config
        folder = {"tabular-as-printed": "tabular-tutorial", "tabular": "tabular"}[name]
        results = read_json(ROOT / "results" / folder / "results.json")
        pairs = {("undercomplete", "raw"), ("undercomplete", "random")}
        rows = [
            # The claim's own comparison has two controls, not seven.
            {**row, "ci95_adjusted": row["ci95"], "verdict": decide_verdict(row["ci95"], results["margin"])}
            for row in results["comparisons"]
            if (row["method"], row["baseline"]) in pairs
        ]
        return {**results, "comparisons": rows}

    monkeypatch.setattr(ClaimContext, "compare", committed)
    ledger = reproduce_claims(tmp_path, quiet(), only=("tabular-encoding-helps",))
    (entry,) = ledger["claims"]
    evidence = entry["measured"]["evidence"]
    assert [(one["what"].split(" (")[1], one["role"]) for one in evidence] == [
        ("the tutorial's classifier)", "claim"),
        ("the tutorial's classifier)", "control"),
        ("our protocol)", "context"),
        ("our protocol)", "control"),
    ]
    assert configs["tabular-as-printed"].probe == ProbeConfig(probe_c=1.0, probe_standardize=False)
    assert configs["tabular"] == dataclasses.replace(
        compare_defaults("tabular"), methods=("raw", "random", "undercomplete")
    )
    assert all(one["unit"] == "points" and abs(one["mean"]) < 10 for one in evidence)
    assert "untrained code (our protocol)" in entry["caveat"]


@pytest.fixture
def few_nudged_digits(monkeypatch):
    """Replaces the nudged digits by those of two hundred digits."""
    everything = digits_rbm.load_nudged_digits()
    rows = everything.originals < 200
    few = digits_rbm.NudgedDigits(*(part[rows] for part in everything))
    for module in (digits_rbm, bad_protocols):
        monkeypatch.setattr(module, "load_nudged_digits", lambda: few)
    monkeypatch.setattr(digits_rbm, "N_UNITS", 10)
    monkeypatch.setattr(digits_rbm, "EPOCHS", 1)
    return few


def test_the_nudges_are_those_of_the_example():
    """It convolves every image with a kernel that is 1 in one place."""
    kernels = np.zeros((4, 3, 3))
    kernels[[0, 1, 2, 3], [0, 1, 1, 2], [1, 0, 2, 1]] = 1
    images = load_digits().images
    copies = [np.stack([ndimage.convolve(image, kernel, mode="constant") for image in images]) for kernel in kernels]
    expected = minmax_scale(np.concatenate([images, *copies]).reshape(-1, 64))
    np.testing.assert_array_equal(digits_rbm.load_nudged_digits().pixels, expected)


def test_every_test_image_of_the_rbm_example_has_a_nudged_copy_in_training_and_none_in_a_split_by_digit():
    digits = digits_rbm.load_nudged_digits()
    shares = {}
    for by_original in (False, True):
        train, test = digits_rbm.split_rows(digits, by_original=by_original)
        assert len(test) == pytest.approx(0.2 * len(digits.labels), abs=5)
        shares[by_original] = np.isin(digits.originals[test], digits.originals[train]).mean()
    assert shares == {False: 1.0, True: 0.0}


def test_the_rbm_is_compared_with_its_controls(few_nudged_digits, tmp_path):
    context = ClaimContext(runs_dir=tmp_path, console=quiet(), seeds=2)
    measured = CLAIMS["digits-rbm-helps"].run(context)
    assert [one["role"] for one in measured["evidence"]] == ["claim", "control", "control", "context", "context"]
    assert all(np.isfinite(one["mean"]) for one in measured["evidence"])
    assert np.shape(CLAIMS["digits-rbm-features"].run(context)["per_seed"]) == (2, 1)


def test_the_choice_by_the_test_never_costs_and_that_of_features_by_all_labels_buys_most():
    best = [bad_protocols.best_epoch_effect(seed) for seed in range(3)]
    chosen = [bad_protocols.chosen_by_test_effect(seed) for seed in range(3)]
    assert min(best + chosen) >= 0  # a maximum over a set is at least each of its elements
    copied = [bad_protocols.duplicates_effect(seed) for seed in range(10)]
    assert min(copied) >= 0
    assert 0 < np.mean(copied) <= 0.1  # a tenth of the test rows, each then certainly right
    assert np.mean([bad_protocols.selected_on_all_effect(seed) for seed in range(20)]) > 0.1


def test_every_effect_of_protocol_is_measured_in_points(few_nudged_digits, tmp_path):
    effects = [claim for claim in ALL_CLAIMS if isinstance(claim, ProtocolEffect)]
    context = ClaimContext(runs_dir=tmp_path, console=quiet(), seeds=2)
    values = np.array([claim.run(context)["per_seed"] for claim in effects])
    assert values.shape == (len(effects), 2, 1)
    assert np.all(np.abs(values) <= 100)
