"""Reading results: damaged fields are named, and roles decide what is a control."""

import copy

import pytest

from aejax.errors import InputError
from aejax.report.results import best_method, first_controls, is_control, is_permuted, with_roles
from aejax.storage.results_file import validate_results


def add_method(results, name, role, accuracy, **fields):
    method = copy.deepcopy(results["methods"][0]) | {"name": name, "role": role} | fields
    method["test_accuracy"]["mean"] = accuracy
    results["methods"].append(method)


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda results: results.update(schema=3), "schema: expected 1 or 2, found 3"),
        (lambda results: results["methods"].clear(), "methods: none"),
        (lambda results: results["methods"][2].pop("test_nll"), r"methods\[2\]: field test_nll is missing"),
        (lambda results: results["methods"][0]["test_accuracy"].update(ci95=[0.9]), "ci95: expected 2 values"),
        (
            lambda results: results["methods"][0]["test_nll"].update(per_seed=["0.9"]),
            r"per_seed\[0\]: expected a number or null, found 0.9",
        ),
        (lambda results: results.update(metric="auroc"), r"methods\[0\]: field test_auroc is missing"),
        (lambda results: results["diagnostics"].pop("cka"), "diagnostics: field cka is missing"),
    ],
)
def test_a_missing_or_wrong_field_is_named(results_with_diagnostics, tmp_path, damage, problem):
    path = tmp_path / "results.json"
    validate_results(results_with_diagnostics, path)
    damage(results_with_diagnostics)
    with pytest.raises(InputError, match=problem) as raised:
        validate_results(results_with_diagnostics, path)
    message = str(raised.value)
    assert message.startswith(f"{path}: ")
    assert message.endswith("again with --overwrite, or move the folder away")
    assert "\n" not in message


def test_roles_decide_what_is_a_control_whatever_the_name(results):
    add_method(results, "knn-denoising", "autoencoder", 0.99, neighbours={"k": [5]})
    add_method(results, "raw-clip", "external", 0.98)
    add_method(results, "permuted-denoising", "control", 0.99)
    assert best_method(results, control=False)["name"] == "raw-clip"
    assert best_method(results, control=True)["name"] == "supervised"
    assert [method["name"] for method in results["methods"] if is_permuted(method)] == ["permuted-denoising"]
    results["methods"][1]["test_accuracy"]["mean"] = 0.99
    results["methods"][-2]["test_accuracy"]["mean"] = float("nan")
    assert best_method(results, control=True)["name"] == "pca"
    assert best_method(results, control=False)["name"] == "denoising"


@pytest.mark.parametrize(
    ("method", "others"),
    [("vae", "supervised-conv-vae"), ("vae", "supervised-beta-vae"), ("denoising", "supervised-conv-denoising")],
)
def test_the_control_of_a_kind_is_its_own_and_not_one_whose_name_ends_alike(method, others):
    def of(*baselines):
        return first_controls({"comparisons": [{"method": method, "baseline": name} for name in baselines]}, method)

    assert of("supervised", others)["supervised"] == "supervised"
    own = f"supervised-{method}"
    assert of("supervised", others, own)["supervised"] == of(own, others)["supervised"] == own
    assert of("random-projection", "random-fourier", "random")["random"] == "random"


def test_results_of_version_0_1_0_have_the_roles_of_their_names(results):
    names = ("knn", "knn-denoising", "random-projection", "random-conv", "permuted-conv", "undercomplete + head")
    for name in names:
        add_method(results, name, None, 0.9)
    for method in results["methods"]:
        del method["role"]
    before = copy.deepcopy(results)
    controls = {method["name"] for method in with_roles(results)["methods"] if is_control(method)}
    assert controls == {
        "raw", "pca", "random", "supervised", "knn", "random-projection", "random-conv", "permuted-conv",
    }  # fmt: skip
    assert results == before
    assert with_roles({"methods": [{"name": "raw", "role": "external"}]})["methods"][0]["role"] == "external"
