"""The registry is whole, and each claim's way through works at a size that costs little."""

import dataclasses
import io
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from aejax.cli import flag_value, parse_args
from aejax.config import PretrainConfig, ProbeConfig, to_dict
from aejax.data import registry as sources
from aejax.data.dataset import make_dataset
from aejax.recipes import compare_defaults, get_recipe
from aejax.replication import mnist_autoencoders, mnist_classifiers, tabular
from aejax.replication.context import ClaimContext
from aejax.replication.ledger import measure_claim, reproduce_claims
from aejax.replication.registry import ALL_CLAIMS, CLAIMS
from aejax.storage.atomic_io import read_json

ROOT = Path(__file__).parents[2]

# Every number that the project was given to hold its code against, and the claim that holds it.
NUMBERS = {
    "0.8939": "tabular-raw-lr",
    "0.9394": "tabular-code-lr",
    "8.8e-4": "tabular-code-mse",
    ".0091 .0054 .0046 .0043 .0041 .0041 .0040": "mnist-dense64-mse",
    "0.09": "mnist-single-bce",
    "0.08": "mnist-deep-bce",
    "13.87": "mnist-pca30",
    "3.00": "mnist-deep-logistic",
    "0.9333": "digits-lr",
    "0.9611": "digits-knn",
}


def quiet():
    return Console(file=io.StringIO(), width=200)


@pytest.mark.parametrize("printed", NUMBERS)
def test_every_number_to_hold_the_code_against_is_a_claim(printed):
    assert " ".join(CLAIMS[NUMBERS[printed]].printed_values) == printed


def test_no_two_claims_share_a_name():
    assert len({claim.name for claim in ALL_CLAIMS}) == len(ALL_CLAIMS) == len(CLAIMS)


@pytest.mark.parametrize("claim", ALL_CLAIMS, ids=lambda claim: claim.name)
def test_a_claim_says_where_it_is_from_how_it_is_run_and_when_it_holds(claim):
    words = (claim.statement, claim.source.title, claim.source.place, claim.protocol, claim.command, claim.unit)
    assert all(words)
    assert claim.tolerance_reason
    assert claim.source.url.startswith("http") or "not known" in claim.protocol
    assert claim.seeds >= 1
    if claim.printed_values:
        assert claim.measure is not None
        assert claim.gather_evidence is None
        assert len(claim.tolerance) == len(claim.printed_values)
        assert all(
            0 < tolerance <= 0.11 * value for tolerance, value in zip(claim.tolerance, claim.published_values, strict=True)
        )
    else:
        assert claim.gather_evidence is not None
        assert claim.criterion is not None
        assert claim.seeds >= 6  # fewer have no verdict
    assert all(config.data.dataset != "mnist" or "MNIST" in claim.requirements for config in claim.configs)


def test_the_recipe_of_the_blogs_deep_autoencoder_is_the_one_that_is_claimed():
    (config,) = CLAIMS["mnist-deep-bce"].configs
    assert to_dict(config) == to_dict(get_recipe("blog-deep"))
    assert (config.model.hidden, config.model.latent_dim, config.train.epochs) == ((128, 64), 32, 100)


PRETRAINED = [claim for claim in ALL_CLAIMS if re.fullmatch(r"python scripts/pretrain.py [^,]*", claim.command)]


@pytest.mark.parametrize("claim", PRETRAINED, ids=lambda claim: claim.name)
def test_the_command_that_a_claim_names_asks_for_what_the_claim_runs(claim):
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Args:
        config: PretrainConfig

    argv = shlex.split(claim.command)[2:]
    named = get_recipe(flag_value("recipe", argv, ""), flag_value("dataset", argv, ""))
    asked = parse_args(Args(config=named), argv, "").config
    (run,) = claim.configs
    mirrored = dataclasses.replace(asked.model, decoder_hidden=None)  # as stacked has it, whatever is asked
    if run.method == "stacked":
        asked = dataclasses.replace(asked, model=mirrored)
    assert dataclasses.replace(run, seeds=claim.seeds) == asked


def test_what_is_not_random_comes_out_to_the_last_printed_digit(tmp_path):
    exact = ("tabular-raw-lr", "digits-lr", "digits-knn")
    ledger = reproduce_claims(tmp_path, quiet(), only=exact)
    assert [entry["status"] for entry in ledger["claims"]] == ["reproduced"] * 3
    assert [f"{entry['mean'][0]:.4f}" for entry in ledger["claims"]] == ["0.8939", "0.9333", "0.9611"]


@pytest.fixture
def few_digits(monkeypatch):
    """Thirty digits by the name of MNIST: 28 x 28 bytes, twenty to train on."""
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, size=(60, 28, 28, 1)).astype(np.uint8), np.arange(60) % 10
    dataset = make_dataset("mnist", images, labels, source="few", value_range=(0.0, 255.0), test_rows=np.arange(40, 60))
    monkeypatch.setitem(sources.NAMED_DATASETS, "mnist", lambda config: dataset)
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


MNIST_CLAIMS = [claim for claim in ALL_CLAIMS if "MNIST" in claim.requirements]


@pytest.mark.parametrize("claim", MNIST_CLAIMS, ids=lambda claim: claim.name)
def test_every_claim_about_mnist_runs_from_the_data_to_its_measurement(claim, few_digits, shared_runs):
    seeds = claim.resolve_seeds(2)
    measured = measure_claim(claim, ClaimContext(runs_dir=shared_runs, console=quiet(), seeds=seeds, epochs=1))
    if claim.printed_values:
        found = np.array(measured["per_seed"])
        assert found.shape == (seeds, 1)
        assert np.all(np.isfinite(found))
    else:
        assert [own["role"] for own in measured["evidence"]] == ["claim"]
        assert np.isfinite(measured["evidence"][0]["mean"])


def test_the_tabular_claims_run_and_share_their_trainings(tmp_path, monkeypatch):
    narrow = dataclasses.replace(tabular.HALF_WIDTH, model=dataclasses.replace(tabular.HALF_WIDTH.model, hidden=(30,)))
    monkeypatch.setattr(tabular, "HALF_WIDTH", narrow)
    monkeypatch.setattr(tabular, "FULL_WIDTH", narrow)
    only = ("tabular-code-lr", "tabular-code-mse", "tabular-half-size-mse")
    ledger = reproduce_claims(tmp_path, quiet(), only=only, seeds=2, epochs=1)
    assert [entry["status"] for entry in ledger["claims"]] == ["not reproduced", "not reproduced", "not run"]
    assert len(list((tmp_path / "runs").iterdir())) == 1
    assert ledger["claims"][2]["measured"]["evidence"][0]["mean"] == 0  # nothing is better than itself
    accuracy = np.array(ledger["claims"][0]["measured"]["per_seed"])
    assert np.all((accuracy > 0.7) & (accuracy < 1))


def test_the_encodings_help_is_weighed_under_both_protocols_against_both_controls(tmp_path, monkeypatch):
    """The comparisons themselves are compare.py's, on whose committed runs this looks."""
    asked = {}

    def committed(self, name, config):
        asked[name] = config
        folder = {"tabular-as-printed": "tabular-tutorial", "tabular": "tabular"}[name]
        results = read_json(ROOT / "results" / folder / "results.json")
        pairs = {("undercomplete", "raw"), ("undercomplete", "random")}
        rows = [row for row in results["comparisons"] if (row["method"], row["baseline"]) in pairs]
        return {**results, "comparisons": rows}

    monkeypatch.setattr(ClaimContext, "compare", committed)
    ledger = reproduce_claims(tmp_path, quiet(), only=("tabular-encoding-helps",))
    (entry,) = ledger["claims"]
    evidence = entry["measured"]["evidence"]
    assert [(own["what"].split(" (")[1], own["role"]) for own in evidence] == [
        ("the tutorial's classifier)", "claim"),
        ("the tutorial's classifier)", "control"),
        ("our protocol)", "beside"),
        ("our protocol)", "control"),
    ]
    assert asked["tabular-as-printed"].probe == ProbeConfig(probe_c=1.0, probe_standardize=False)
    assert asked["tabular"] == dataclasses.replace(
        compare_defaults("tabular"), methods=("raw", "random", "undercomplete")
    )
    assert all(own["unit"] == "points" and abs(own["mean"]) < 10 for own in evidence)
    assert "untrained code (our protocol)" in entry["caveat"]
