"""What cannot be built is refused before anything is computed."""

import pytest

from aejax.autoencoders.registry import IMAGE_KINDS, KINDS
from aejax.errors import InputError

REFUSED = {
    "a code no wider than the inputs": ("overcomplete", {"overcomplete_dim": 64}, {}, "--overcomplete-dim 64: .* 64"),
    "more units kept than there are": ("k-sparse", {"sparse_dim": 10}, {"k": 11}, "--k 11: the code has only 10 units"),
    "more kept in a batch": ("batch-top-k", {"sparse_dim": 10}, {"k": 11}, "--k 11: the code has only 10 units"),
    "more kept when encoding": ("k-sparse", {}, {"k": 3, "k_encode": 41}, "--k-encode 41: the code has only 40 units"),
    "a rising number of units": ("k-sparse", {}, {"k": 9, "k_start": 8}, "--k-start 8: expected at least --k 9"),
    "tied with another decoder": (
        "undercomplete",
        {"tied": True, "hidden": (16, 9), "decoder_hidden": (16,)},
        {},
        "--tied: .* --decoder-hidden 9 16",
    ),
    "a patch as large as the image": ("masked", {}, {"patch": 8}, "--patch 8: one patch covers an example"),
}


@pytest.mark.parametrize(("name", "model", "objective", "message"), REFUSED.values(), ids=REFUSED)
def test_a_model_that_cannot_be_built_is_rejected_in_one_line_by_its_flag(
    name, model, objective, message, digits_setting
):
    with pytest.raises(InputError, match=f"^{message}.*$") as refused:
        KINDS[name](digits_setting(model, objective))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", IMAGE_KINDS)
@pytest.mark.parametrize("shape", [(7,), (4, 4)], ids=["table", "no channels"])
def test_convolutions_of_inputs_that_are_no_images_are_rejected_in_one_line(name, shape, make_problem_spec):
    with pytest.raises(InputError, match=r"^--methods .*conv.*: need images.*leave them out$"):
        KINDS[name](make_problem_spec(shape))
