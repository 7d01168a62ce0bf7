"""What a config leaves open is decided from the data, and what does not go together is refused."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from preparing import configure, prepare

from aejax.api import data as api
from aejax.autoencoders.registry import IMAGE_KINDS, KINDS
from aejax.data.dataset import make_dataset
from aejax.errors import InputError
from aejax.experiments.experiment import problem_spec_for
from aejax.experiments.resolve import check_methods, expand_methods, resolve_config
from aejax.methods.registry import CONTROLS, TABLE_CONTROLS


def dataset(shape, *, bounded=True):
    inputs = np.random.default_rng(0).uniform(size=(9, *shape)).astype(np.float32)
    value_range = (0.0, 1.0) if bounded else None
    return make_dataset("random", inputs, np.arange(9) % 3, source="random", value_range=value_range)


def resolved(shape, *, bounded=True, **settings):
    return resolve_config(configure(**settings), dataset(shape, bounded=bounded))


@pytest.mark.parametrize(
    ("bounded", "scaler", "expected"),
    [
        (True, None, ("range", "sigmoid", "bce", "bernoulli", True)),
        (False, None, ("standard", "linear", "mse", "gaussian", False)),
        (False, "minmax", ("minmax", "linear", "mse", "gaussian", True)),
        (True, "standard", ("standard", "linear", "mse", "gaussian", False)),
    ],
)
def test_scaler_output_loss_and_likelihood_follow_from_whether_values_have_bounds(bounded, scaler, expected):
    config = resolved((6,), bounded=bounded, scaler=scaler)
    found = (config.data.scaler, config.model.output, config.objective.reconstruction, config.objective.likelihood)
    assert (*found, problem_spec_for(config, dataset((6,), bounded=bounded)).is_bounded) == expected


@pytest.mark.parametrize(
    ("shape", "latent", "overcomplete", "sparse", "k", "patch"),
    [
        ((5,), 2, 7, 10, 1, None),
        ((8, 8, 1), 16, 80, 128, 12, 2),
        ((28, 28, 1), 32, 980, 256, 25, 4),
        ((32, 48, 3), 32, 5760, 256, 25, 4),
    ],
    ids=str,
)
def test_widths_follow_from_the_number_of_inputs(shape, latent, overcomplete, sparse, k, patch):
    config = resolved(shape)
    assert config.model.latent_dim == latent
    assert config.model.overcomplete_dim == overcomplete
    assert config.model.sparse_dim == sparse
    assert config.objective.k == k
    assert config.objective.patch == patch


def test_given_settings_stay_and_k_follows_the_given_width():
    given = {"latent_dim": 3, "overcomplete_dim": 77, "sparse_dim": 50}
    config = resolved((8, 8, 1), **given, patch=3)
    assert {name: getattr(config.model, name) for name in given} == given
    assert (config.objective.k, config.objective.patch) == (5, 3)
    assert resolved((8, 8, 1), **given, k=9).objective.k == 9
    assert resolved((6,), likelihood="gaussian").objective.likelihood == "gaussian"


def test_k_falls_over_half_of_the_training_from_five_times_k():
    shapes = {"digits": (8, 8, 1), "narrow": (3,)}  # codes of 128 and 6 units
    configs = {name: resolved(shape, k=2 if name == "narrow" else None) for name, shape in shapes.items()}
    assert {name: config.objective.k_start for name, config in configs.items()} == {"digits": 60, "narrow": 6}
    assert configs["digits"].objective.k_decay_steps == configs["digits"].train.epochs // 2  # an epoch is one step here
    assert resolved((3,), k_decay_steps=0).objective.k_start is None


def test_resolving_again_changes_nothing():
    config = resolved((8, 8, 1))
    assert resolve_config(config, dataset((8, 8, 1))) == config
    left_open = [field.name for field in dataclasses.fields(config.model) if getattr(config.model, field.name) is None]
    assert left_open == ["decoder_hidden", "vector_units", "codebook_size"]  # whose defaults depend on other widths


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"bounded": False, "likelihood": "bernoulli"}, "--likelihood bernoulli: .* use gaussian"),
        ({"likelihood": "bernoulli", "reconstruction": "mse"}, "--likelihood bernoulli: .* use gaussian"),
        ({"bounded": False, "reconstruction": "bce"}, "--reconstruction bce: .* --reconstruction mse"),
        ({"output": "linear", "reconstruction": "bce"}, "--reconstruction bce: .*"),
    ],
    ids=["unbounded", "squared error", "unbounded entropy", "linear output"],
)
def test_what_does_not_go_together_is_refused_in_one_line(settings, message):
    with pytest.raises(InputError, match=f"^{message}$"):
        resolved((6,), **settings)


def test_all_is_every_control_and_every_kind_that_suits_the_data_once():
    for_images = [name for name in CONTROLS if name not in TABLE_CONTROLS]
    assert expand_methods(("all",), dataset((8, 8, 1))) == (*for_images, *KINDS)
    without_images = [kind for kind in KINDS if kind not in IMAGE_KINDS]
    assert expand_methods(("all",), dataset((6,))) == (*CONTROLS, *without_images)
    assert expand_methods(("all", "random-vae", "pca"), dataset((6,)))[-1] == "random-vae"
    assert expand_methods(("conv", "raw"), dataset((6,))) == ("conv", "raw")  # refused when it is built, not dropped


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("conv-vea",), "conv-vea: .* did you mean .*conv-vae"),
        (("random-k-spares",), "random-k-sparse"),
        (("xyzzy",), "there are raw, .*undercomplete.*stacked.*random-, .*permuted-KIND"),
        (("raw", "vae", "raw"), "each method once"),
        ((), "name at least one"),
    ],
)
def test_names_that_are_no_methods_are_refused_with_the_near_ones(names, message):
    with pytest.raises(InputError, match=f"^--methods.*{message}.*$"):
        check_methods(names)


def test_every_control_kind_and_own_control_is_a_name():
    own = [f"{name}-{kind}" for name in ("random", "supervised", "knn", "permuted") for kind in KINDS]
    check_methods(("all", *CONTROLS, *KINDS, *own))


@pytest.mark.parametrize("name", ["raw", "random-vae", "all"])
def test_a_row_of_ones_own_has_no_name_of_a_method(name):
    with pytest.raises(InputError, match=f"^'{name}' is a method of aejax; give the row another name$"):
        check_methods(("raw", name), own=[name])


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../other",
        "/absolute",
        "within/the/run",
        "back\\slash",
        ".hidden",
        "two\nlines",
        "\udce9",
        "é" * 101,
    ],
)
def test_a_row_of_ones_own_has_the_name_of_a_file_as_its_results_are_saved_under_it(name):
    with pytest.raises(InputError, match="cannot be the name of a row; give it one without / and"):
        check_methods(("raw", name), own=[name])


@pytest.mark.parametrize("name", ["mine", "ViT-B_16@v1.2+pca", "CLIP (large), layer 3", "größe", "a*[0]", "x" * 200])
def test_any_other_name_is_one_for_a_row_of_ones_own(name):
    check_methods(("raw", name), own=[name])


def test_missing_values_of_a_data_frame_are_filled_in_as_it_was_made():
    frame = pd.DataFrame({"a": [1.0, np.nan, *range(10)], "b": range(12), "y": ["no", "yes"] * 6})
    data = api.make_dataset(frame, "y", missing="median")
    experiment = prepare(configure(seeds=2), data)
    assert experiment.config.data.missing == "median"
    assert np.isfinite(experiment.scaler.fill).all()
