"""Folders of SAELens and sparsify give the codes of their formulas, written here in NumPy.

The folders are laid out as `SAE.save_model` of SAELens 6.18 and `SparseCoder.save_to_disk` of sparsify 1.3 write them.
"""

import json

import jax
import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

import aejax
from aejax.errors import InputError
from aejax.storage.manifest import CorruptedFileError

D, WIDTH, K = 6, 12, 4
RNG = np.random.default_rng(0)
X = (2 * RNG.normal(size=(50, D)) + 0.5).astype(np.float32)
W_ENC, W_DEC = RNG.normal(size=(D, WIDTH)), RNG.normal(size=(WIDTH, D)) * np.linspace(0.2, 2, WIDTH)[:, None]
B_DEC, B_ENC, B_GATE, B_MAG, R_MAG = (0.5 * RNG.normal(size=n) for n in (D, WIDTH, WIDTH, WIDTH, WIDTH))
THRESHOLD = RNG.uniform(0, 2, WIDTH)
SHARED = {"W_enc": W_ENC, "W_dec": W_DEC, "b_dec": B_DEC}
BIASED = {**SHARED, "b_enc": B_ENC}
GATED = {**SHARED, "b_gate": B_GATE, "b_mag": B_MAG, "r_mag": R_MAG}


def relu(z):
    return np.maximum(z, 0)


def keep_largest(values, by, k=K):
    rank = np.argsort(np.argsort(-by, axis=1), axis=1)
    return np.where(rank < k, values, 0)


def gated(x):
    return ((x @ W_ENC + B_GATE) > 0) * relu(x @ (W_ENC * np.exp(R_MAG)) + B_MAG)


def before(x):
    return x @ W_ENC + B_ENC


def layer_norm(x):
    centred = x - x.mean(axis=1, keepdims=True)
    return centred / (centred.std(axis=1, keepdims=True, ddof=1) + 1e-5)


def group_max(z):
    groups = z.reshape(len(z), K, -1)
    return np.where(groups == groups.max(axis=2, keepdims=True), groups, 0).reshape(len(z), -1)


def write(folder, config, arrays, name, dtype=np.float32):
    folder.mkdir(exist_ok=True)
    (folder / "cfg.json").write_text(json.dumps(config))
    save_file({key: np.ascontiguousarray(array, dtype) for key, array in arrays.items()}, folder / name)
    return folder


def saelens(folder, arrays, dtype=np.float32, **config):
    written = {
        **{"d_in": D, "d_sae": WIDTH, "dtype": "float32", "device": "cpu", "apply_b_dec_to_input": True},
        **{"normalize_activations": "none", "reshape_activations": "none", "architecture": "standard"},
        "metadata": {"sae_lens_version": "6.18.0", "model_name": "mlp", "hook_name": "hidden", "prepend_bos": True},
    }
    return write(folder, written | config, arrays, "sae_weights.safetensors", dtype)


def sparsify(folder, dtype=np.float32, w_enc=W_ENC, **config):
    written = {
        **{"activation": "topk", "expansion_factor": 2, "normalize_decoder": True, "num_latents": 0, "k": K},
        **{"multi_topk": False, "skip_connection": False, "transcode": False, "d_in": len(w_enc)},
    }
    arrays = {"encoder.weight": w_enc.T, "encoder.bias": B_ENC, "W_dec": W_DEC, "b_dec": B_DEC[: len(w_enc)]}
    return write(folder, written | config, arrays, "sae.safetensors", dtype)


SCALE = np.linalg.norm(W_DEC, axis=1)
TOP_K = {"architecture": "topk", "k": K}
OLD_TOP_K = {"activation_fn_str": "topk", "activation_fn_kwargs": {"k": K}, "metadata": {}}
SAELENS = {
    "standard": (BIASED, {}, lambda x: relu(before(x - B_DEC))),
    "bias kept": (BIASED, {"apply_b_dec_to_input": False}, lambda x: relu(before(x))),
    "layer norm": (BIASED, {"normalize_activations": "layer_norm"}, lambda x: relu(before(layer_norm(x) - B_DEC))),
    "constant norm": (
        BIASED,
        {"normalize_activations": "constant_norm_rescale"},
        lambda x: relu(before(x * np.sqrt(D) / np.linalg.norm(x, axis=1, keepdims=True) - B_DEC)),
    ),
    "gated": (GATED, {"architecture": "gated"}, lambda x: gated(x - B_DEC)),
    "jumprelu": (
        {**BIASED, "threshold": THRESHOLD},
        {"architecture": "jumprelu"},
        lambda x: relu(before(x - B_DEC)) * (before(x - B_DEC) > THRESHOLD),
    ),
    "topk": (BIASED, TOP_K, lambda x: keep_largest(relu(before(x - B_DEC)), before(x - B_DEC))),
    "topk of scaled": (
        BIASED,
        {**TOP_K, "rescale_acts_by_decoder_norm": True},
        lambda x: keep_largest(relu(before(x - B_DEC) * SCALE), before(x - B_DEC) * SCALE),
    ),
    "before version 6": (BIASED, OLD_TOP_K, lambda x: keep_largest(relu(before(x - B_DEC)), before(x - B_DEC))),
}
SPARSIFY = {
    "topk": ({}, lambda x: keep_largest(relu(before(x - B_DEC)), before(x - B_DEC))),
    "transcoder": ({"transcode": True}, lambda x: keep_largest(relu(before(x)), before(x))),
    "groupmax": ({"activation": "groupmax"}, lambda x: group_max(relu(before(x - B_DEC)))),
    "signed": ({"signed": True}, lambda x: keep_largest(before(x - B_DEC), np.abs(before(x - B_DEC)))),
}


@pytest.mark.parametrize("name", SAELENS)
def test_saelens_folders_give_the_codes_of_their_formulas(tmp_path, name):
    arrays, config, formula = SAELENS[name]
    encode = aejax.load_encoder(saelens(tmp_path / "sae", arrays, **config))
    np.testing.assert_allclose(encode(X), formula(X), atol=1e-5)
    assert (encode.width, encode.example_shape) == (WIDTH, (D,))


@pytest.mark.parametrize("name", SPARSIFY)
def test_sparsify_folders_give_the_codes_of_their_formulas(tmp_path, name):
    config, formula = SPARSIFY[name]
    codes = aejax.load_encoder(sparsify(tmp_path / "layers.5", **config))(X)
    np.testing.assert_allclose(codes, formula(X), atol=1e-5)
    assert (np.count_nonzero(codes, axis=1) <= K).all()


def test_square_weights_of_sparsify_are_not_taken_for_their_transpose(tmp_path):
    square = RNG.normal(size=(WIDTH, WIDTH))
    encode = aejax.load_encoder(sparsify(tmp_path / "s", w_enc=square, num_latents=WIDTH, k=WIDTH, transcode=True))
    inputs = RNG.normal(size=(5, WIDTH)).astype(np.float32)
    np.testing.assert_allclose(encode(inputs), relu(inputs @ square + B_ENC), atol=1e-5)


@pytest.mark.parametrize("dtype", [np.float64, np.float16, ml_dtypes.bfloat16])
def test_weights_of_any_precision_become_float32(tmp_path, dtype):
    rounded = {name: array.astype(dtype).astype(np.float64) for name, array in BIASED.items()}
    encode = aejax.load_encoder(saelens(tmp_path / "sae", BIASED, dtype))
    codes = encode(X)
    assert codes.dtype == np.float32
    np.testing.assert_allclose(codes, relu((X - rounded["b_dec"]) @ rounded["W_enc"] + rounded["b_enc"]), atol=1e-5)


def test_it_is_a_pure_function_of_single_activations_batches_and_heads(tmp_path):
    encode = aejax.load_encoder(sparsify(tmp_path / "sae"))
    codes = encode(X)
    np.testing.assert_allclose(encode(X[0]), codes[0], atol=1e-6)
    np.testing.assert_allclose(jax.jit(encode)(X.reshape(-1, 2, D // 2)), codes, atol=1e-6)
    doubled = {**encode.variables, "b_enc": 2 * encode.variables["b_enc"]}
    assert np.abs(encode.apply(doubled, X) - codes).max() > 0.1
    with pytest.raises(InputError, match=r"inputs of shape \(50, 3\): expected \(batch, 6\)"):
        encode(X[:, :3])


def test_the_announced_sum_opens_it_and_a_changed_bit_does_not(tmp_path):
    folder = saelens(tmp_path / "sae", BIASED)
    digest = aejax.load_encoder(folder).sha256
    assert aejax.load_encoder(folder, sha256=digest).sha256 == digest
    saelens(folder, {**BIASED, "b_enc": B_ENC + 1e-3})
    with pytest.raises(CorruptedFileError, match="SHA-256"):
        aejax.load_encoder(folder, sha256=digest)


NOT_READ = {
    "architecture 'transcoder'": {"architecture": "transcoder"},
    "activation 'tanh-relu'": {"activation_fn_str": "tanh-relu"},
    r"W_enc has shape \(6, 12\); cfg.json says \(6, 13\)": {"d_sae": 13},
    "has no array threshold; there are W_dec": {"architecture": "jumprelu"},
    "k 13: expected an integer from 1 to 12": {"architecture": "topk", "k": 13},
    "k: expected a number, found many": {"architecture": "topk", "k": "many"},
    "architecture 'batchtopk'.*save_inference_model": {"architecture": "batchtopk", "k": 12.5},
    "k 1.5: expected an integer from 1": OLD_TOP_K | {"activation_fn_kwargs": {"k": 1.5}},
    "d_in -1: expected an integer": {"d_in": -1},
    "d_sae 4611686018427387904: expected an integer": {"d_sae": 2**62},
    "normalize_activations expected_average_only_in: its factor": {"normalize_activations": "expected_average_only_in"},
    "normalize_activations True: its factor": {"normalize_activations": True},
    "'gated' with activation 'topk'": OLD_TOP_K | {"architecture": "gated"},
    "normalize_activations batch": {"normalize_activations": "batch"},
}


@pytest.mark.parametrize("message", NOT_READ)
def test_what_is_not_read_is_named(tmp_path, message):
    folder = saelens(tmp_path / "sae", BIASED, **NOT_READ[message])
    with pytest.raises(InputError, match=message):
        aejax.load_encoder(folder)


def test_damaged_files_are_named(tmp_path):
    folder = saelens(tmp_path / "sae", BIASED)
    weights = (folder / "sae_weights.safetensors").read_bytes()
    (folder / "sae_weights.safetensors").write_bytes(weights[:-8])
    with pytest.raises(CorruptedFileError, match=r"sae_weights\.safetensors: cannot be read"):
        aejax.load_encoder(folder)
    (folder / "cfg.json").write_text("[" * 100_000)
    with pytest.raises(CorruptedFileError, match=r"cfg\.json: is not JSON"):
        aejax.load_encoder(folder)
    saelens(folder, {**BIASED, "b_enc": np.full(WIDTH, np.nan)})
    with pytest.raises(InputError, match="b_enc has values that are NaN or infinite"):
        aejax.load_encoder(folder)
    with pytest.raises(InputError, match="12 latents are not 5 groups"):
        aejax.load_encoder(sparsify(tmp_path / "groups", activation="groupmax", k=5))
