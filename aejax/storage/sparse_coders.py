"""Reads the encoders of sparse autoencoders that SAELens or sparsify trained: `cfg.json` and safetensors.

    SAELens   cfg.json, sae_weights.safetensors   standard, gated, jumprelu (also of batch top-k and matryoshka), topk
    sparsify  cfg.json, sae.safetensors           topk, groupmax, and the signed top-k of its first versions

Loading is as safe as that of published encoders: only JSON and arrays are read, names, types, shapes and memory are
checked before an array is, and no code of either project is needed or run.
"""

import dataclasses
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from aejax.config.serialization import check_type
from aejax.data.input_encoding import InputEncoding, RawInputs
from aejax.data.packages import require_package
from aejax.errors import list_names, require, summarize_error
from aejax.models.sparsity import topk_mask
from aejax.storage.encoder_metadata import MAX_WIDTH
from aejax.storage.manifest import CorruptedFileError, read_bounded_json, size_and_sha256
from aejax.storage.pytree_io import require_memory_for

CONFIG_FILE = "cfg.json"
SAELENS_FILE, SPARSIFY_FILE = "sae_weights.safetensors", "sae.safetensors"
FLOAT_TYPES = ("F64", "F32", "F16", "BF16")  # names of safetensors; all become float32
LAYER_NORM_EPSILON = 1e-5  # SAELens', added to the deviation

Variables = Mapping[str, Float[Array, "..."]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class SparseCoderSettings:
    """What the codes of a sparse autoencoder depend on next to its arrays."""

    activation: str  # key in `ACTIVATIONS`
    d_in: int
    width: int
    k: int = 0  # of activations that have one
    subtract_decoder_bias: bool = True
    scale_by_decoder_norm: bool = False  # top-k of pre-activations times the norm of each latent's decoder row
    normalization: str = "none"  # of each activation vector, by the names of SAELens

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the arrays, by SAELens' names."""
        width = (self.width,)
        shapes = {"W_enc": (self.d_in, self.width), **dict.fromkeys(ACTIVATIONS[self.activation][1], width)}
        shapes |= {"b_dec": (self.d_in,)} if self.subtract_decoder_bias else {}
        return shapes | ({"W_dec": (self.width, self.d_in)} if self.scale_by_decoder_norm else {})


def _relu(settings: SparseCoderSettings, v: Variables, x: Array) -> Array:
    return jax.nn.relu(x @ v["W_enc"] + v["b_enc"][None])


def _gated(settings: SparseCoderSettings, v: Variables, x: Array) -> Array:
    """Rajamanoharan et al. 2024a, equations 5 to 7: the gate and the magnitude share their directions."""
    projected = x @ v["W_enc"]
    magnitude = jax.nn.relu(projected * jnp.exp(v["r_mag"])[None] + v["b_mag"][None])
    return jnp.where(projected + v["b_gate"][None] > 0, magnitude, 0.0)


def _jump_relu(settings: SparseCoderSettings, v: Variables, x: Array) -> Array:
    """Rajamanoharan et al. 2024b, equation 4."""
    before = x @ v["W_enc"] + v["b_enc"][None]
    return jnp.where(before > v["threshold"][None], jax.nn.relu(before), 0.0)


def _top_k(settings: SparseCoderSettings, v: Variables, x: Array) -> Array:
    """Gao et al. 2024, equation 2."""
    before = x @ v["W_enc"] + v["b_enc"][None]
    if settings.scale_by_decoder_norm:
        before = before * jnp.linalg.norm(v["W_dec"], axis=1)[None]
    return jax.nn.relu(before) * topk_mask(before, settings.k)


def _signed_top_k(settings: SparseCoderSettings, v: Variables, x: Array) -> Array:
    before = x @ v["W_enc"] + v["b_enc"][None]
    return before * topk_mask(jnp.abs(before), settings.k)


def _group_max(settings: SparseCoderSettings, v: Variables, x: Array) -> Array:
    """The largest latent of each of k groups of neighbours."""
    groups = _relu(settings, v, x).reshape(len(x), settings.k, -1)
    largest = jax.nn.one_hot(jnp.argmax(groups, axis=2), groups.shape[2])
    return (groups * largest).reshape(len(x), -1)


ACTIVATIONS: dict[str, tuple[Callable[[SparseCoderSettings, Variables, Array], Array], tuple[str, ...]]] = {
    "standard": (_relu, ("b_enc",)),
    "gated": (_gated, ("b_gate", "b_mag", "r_mag")),
    "jumprelu": (_jump_relu, ("b_enc", "threshold")),
    "topk": (_top_k, ("b_enc",)),
    "signed topk": (_signed_top_k, ("b_enc",)),
    "groupmax": (_group_max, ("b_enc",)),
}  # the function, and its arrays with a number for each latent


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class SparseCoder:
    """The encoder of a sparse autoencoder: call it on activations for codes. Pure; works under `jit` and `vmap`.

    Activations are `(batch, d_in)`, or a single one `(d_in)`, or have further axes that are flattened, such as heads.
    Codes are `(batch, width)`, dense, in float32 whatever the type of the saved weights.
    """

    settings: SparseCoderSettings
    variables: Variables
    sha256: str  # of the two files

    @property
    def example_shape(self) -> tuple[int, ...]:
        """Shape of one activation vector."""
        return (self.settings.d_in,)

    @property
    def width(self) -> int:
        """Number of latents."""
        return self.settings.width

    def __call__(self, inputs: RawInputs) -> Float[Array, "..."]:
        """Returns the codes of activations. Raises `InputError` for another shape."""
        return self.apply(self.variables, inputs)

    def apply(self, variables: Variables, inputs: RawInputs) -> Float[Array, "..."]:
        """Returns codes computed with the given variables, such as fine-tuned ones."""
        flat = inputs.reshape(len(inputs), -1) if np.ndim(inputs) > 2 else inputs
        rows, batched = InputEncoding().to_rows(flat, self.example_shape)
        rows = _normalize(self.settings.normalization, rows)
        if self.settings.subtract_decoder_bias:
            rows = rows - variables["b_dec"][None]
        codes = ACTIVATIONS[self.settings.activation][0](self.settings, variables, rows)
        return codes if batched else codes[0]

    def __repr__(self) -> str:
        return f"SparseCoder({self.settings.activation}: {self.settings.d_in} to {self.width})"


def _normalize(normalization: str, rows: Float[Array, "batch d"]) -> Float[Array, "batch d"]:
    if normalization == "constant_norm_rescale":
        return rows * (rows.shape[1] ** 0.5 / jnp.linalg.norm(rows, axis=1, keepdims=True))
    if normalization == "layer_norm":
        centred = rows - jnp.mean(rows, axis=1, keepdims=True)
        return centred / (jnp.std(rows, axis=1, keepdims=True, ddof=1) + LAYER_NORM_EPSILON)
    return rows


def is_sparse_coder(folder: Path) -> bool:
    """Returns whether a folder holds the files of SAELens or sparsify."""
    return (folder / CONFIG_FILE).is_file() and any((folder / name).exists() for name in (SAELENS_FILE, SPARSIFY_FILE))


def load_sparse_coder(folder: Path) -> SparseCoder:
    """Reads a folder of SAELens or sparsify.

    Raises:
        CorruptedFileError: a file is damaged.
        InputError: its architecture is another one, or its arrays do not fit it, or memory.
    """
    by_saelens = (folder / SAELENS_FILE).exists()
    config_path, path = folder / CONFIG_FILE, folder / (SAELENS_FILE if by_saelens else SPARSIFY_FILE)
    config = read_bounded_json(config_path)
    schema, read = (_SaeLensConfig, _read_saelens) if by_saelens else (_SparsifyConfig, _read_sparsify)
    check_type(schema, config, str(config_path), "save it again by the project that trained it")
    settings = read(config, str(config_path))
    names = {} if by_saelens else {"W_enc": "encoder.weight", "b_enc": "encoder.bias"}
    arrays = _read_arrays(path, settings.shapes, names)
    digest = hashlib.sha256("".join(size_and_sha256(file)["sha256"] for file in (config_path, path)).encode())
    return SparseCoder(settings, arrays, digest.hexdigest())


class _SaeLensConfig(TypedDict):
    """What is read of a config of SAELens, before or after its version 6."""

    d_in: int
    d_sae: int
    architecture: NotRequired[str]
    k: NotRequired[float]  # an integer but in the training of batch top-k
    activation_fn: NotRequired[str]
    activation_fn_str: NotRequired[str]
    activation_fn_kwargs: NotRequired[dict[str, Any] | None]
    apply_b_dec_to_input: NotRequired[bool]
    rescale_acts_by_decoder_norm: NotRequired[bool]
    normalize_activations: NotRequired[str | bool | None]


def _read_saelens(config: Mapping[str, Any], where: str) -> SparseCoderSettings:
    function = config.get("activation_fn_str", config.get("activation_fn", "relu"))
    architecture, k = config.get("architecture", "standard"), config.get("k", 100)
    if function == "topk" and architecture in ("standard", "topk"):
        architecture, k = "topk", (config.get("activation_fn_kwargs") or {}).get("k", k)
    supported = ("standard", "gated", "jumprelu", "topk")
    require(
        architecture in supported and (function == "relu" or architecture == function == "topk"),
        f"{where}: architecture {architecture!r} with activation {function!r}; those that are read are "
        f"{', '.join(supported)}; SAELens' save_inference_model saves batch top-k and matryoshka as jumprelu",
    )
    normalization = config.get("normalize_activations") or "none"
    require(
        normalization not in (True, "expected_average_only_in"),
        f"{where}: normalize_activations {normalization}: its factor is not in these files; multiply the weights by "
        "it (SAELens' fold_activation_norm_scaling_factor) and save again, or write none if that is done",
    )
    known = ("none", "constant_norm_rescale", "layer_norm")
    require(normalization in known, f"{where}: normalize_activations {normalization[:60]}; expected one of {known}")
    is_topk = architecture == "topk"
    _require_sizes(where, d_in=config["d_in"], d_sae=config["d_sae"], k=k if is_topk else 1)
    return SparseCoderSettings(
        activation=architecture,
        d_in=config["d_in"],
        width=config["d_sae"],
        k=k if is_topk else 0,
        subtract_decoder_bias=config.get("apply_b_dec_to_input", True),
        scale_by_decoder_norm=is_topk and config.get("rescale_acts_by_decoder_norm", False),
        normalization=normalization,
    )


class _SparsifyConfig(TypedDict):
    """What is read of a config of sparsify, or of its first versions, which were named sae."""

    d_in: int
    activation: NotRequired[str]
    expansion_factor: NotRequired[int]
    num_latents: NotRequired[int | None]
    k: NotRequired[int]
    signed: NotRequired[bool]
    transcode: NotRequired[bool]


def _read_sparsify(config: Mapping[str, Any], where: str) -> SparseCoderSettings:
    activation, d_in, k = config.get("activation", "topk"), config["d_in"], config.get("k", 32)
    require(activation in ("topk", "groupmax"), f"{where}: activation {activation!r}; expected topk or groupmax")
    width = config.get("num_latents") or d_in * config.get("expansion_factor", 32)
    _require_sizes(where, d_in=d_in, num_latents=width, k=k)
    divides = activation != "groupmax" or width % k == 0
    require(divides, f"{where}: {width} latents are not {k} groups of one size")
    return SparseCoderSettings(
        activation="signed topk" if activation == "topk" and config.get("signed") else activation,
        d_in=d_in,
        width=width,
        k=k,
        subtract_decoder_bias=not config.get("transcode", False),
    )


def _require_sizes(where: str, **sizes: Any) -> None:
    """Raises `InputError` for the first number that is out of range; the last is at most the one before it."""
    most = MAX_WIDTH
    for name, value in sizes.items():
        valid = type(value) is int and 1 <= value <= most
        require(valid, f"{where}: {name} {str(value)[:60]}: expected an integer from 1 to {most}")
        most = MAX_WIDTH if name == "d_in" else value


def _read_arrays(path: Path, shapes: Mapping[str, tuple[int, ...]], names: Mapping[str, str]) -> dict[str, Array]:
    """Returns arrays in float32, by SAELens' names; `names` are those in the file."""
    require_package("safetensors", "export", str(path))
    from safetensors import SafetensorError, safe_open

    if path.is_symlink() or not path.is_file():
        raise CorruptedFileError(f"{path}: is no regular file")
    require_memory_for({name: jax.ShapeDtypeStruct(shape, np.float32) for name, shape in shapes.items()}, str(path))
    arrays = {}
    try:
        with safe_open(path, framework="numpy") as file:
            present = list(file.keys())
            for name, shape in shapes.items():
                saved = names.get(name, name)
                require(saved in present, f"{path}: has no array {saved}; there are {list_names(present)}")
                transposed = saved == "encoder.weight"
                part, expected = file.get_slice(saved), shape[::-1] if transposed else shape
                found = tuple(part.get_shape()), part.get_dtype()
                require(found[0] == expected, f"{path}: {saved} has shape {found[0]}; {CONFIG_FILE} says {expected}")
                require(found[1] in FLOAT_TYPES, f"{path}: {saved} holds {found[1]}; expected one of {FLOAT_TYPES}")
                with np.errstate(over="ignore"):  # infinite ones are rejected
                    array = file.get_tensor(saved).astype(np.float32)
                require(np.isfinite(array).all(), f"{path}: {saved} has values that are NaN or infinite")
                arrays[name] = jnp.asarray(array.T if transposed else array)
    except (SafetensorError, OSError) as error:
        raise CorruptedFileError(f"{path}: cannot be read ({summarize_error(error)})") from None
    return arrays
