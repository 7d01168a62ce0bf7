"""Small valid inputs of every reader: what the fuzzing starts from."""

import gzip
import io
import json
import shutil
import zipfile
import zlib
from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow
import pyarrow.feather
import pyarrow.parquet
import safetensors.numpy
from PIL import Image

from aejax.config import CompareConfig, to_dict
from aejax.data.archives import NPY_SUFFIX
from aejax.report.examples import Examples, write_examples
from aejax.storage.manifest import MANIFEST
from aejax.storage.pytree_io import save_tree
from aejax.storage.run_identity import RunIdentity
from aejax.storage.runs import open_run
from tests.data.idx_files import PARTS

FIXTURES = Path(__file__).parents[1] / "fixtures" / "version-0.1.0"
Arrays = dict[str, np.ndarray]
N_ROWS = 12
LABELS = np.arange(N_ROWS) % 2
IMAGE_KINDS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM")  # Pillow's names
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


class Sample(NamedTuple):
    """One valid file."""

    path: str  # relative to the reader's folder
    content: bytes  # to be damaged
    wrap: Callable[[bytes], bytes] = bytes  # puts damaged content into an intact container with valid checksums


def npz_samples(folder: Path) -> list[Sample]:
    """Returns a table and Keras' four arrays as archives, and as members of intact archives."""
    table: Arrays = {"x": np.linspace(0, 1, 3 * N_ROWS).reshape(N_ROWS, 3), "y": LABELS}
    images = np.arange(N_ROWS * 6, dtype=np.uint8).reshape(N_ROWS, 2, 3)
    parts: Arrays = {"x_train": images, "y_train": LABELS, "x_test": images[:4], "y_test": LABELS[:4]}
    text: Arrays = {"x": table["x"].astype(np.float32), "y": np.array(["ant", "bee"] * (N_ROWS // 2))}
    archives = [{name: npy_bytes(array) for name, array in arrays.items()} for arrays in (table, parts, text)]
    members = [
        Sample("set.npz", content, lambda npy, members=members, name=name: npz_bytes({**members, name: npy}))
        for members in (archives[0], archives[2])
        for name, content in members.items()
    ]
    return [*(Sample("set.npz", npz_bytes(archive)) for archive in archives), *members]


def written_by(write: Callable[[io.BytesIO], object]) -> bytes:
    """Returns what a function writes into a file."""
    stream = io.BytesIO()
    write(stream)
    return stream.getvalue()


def npy_bytes(array: np.ndarray) -> bytes:
    """Returns the content of an `.npy` file."""
    return written_by(partial(np.save, arr=array, allow_pickle=False))


def npz_bytes(members: dict[str, bytes]) -> bytes:
    """Returns the content of an `.npz` file with these members."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name + NPY_SUFFIX, content)
    return stream.getvalue()


def csv_samples(folder: Path) -> list[Sample]:
    """Returns tables with and without a header, in three dialects, plain and gzipped."""
    rows = [f"{i},{i / 2},{'ab'[i % 2]}" for i in range(N_ROWS)]
    quoted = '"a\tb"\t"label"\n' + '1\t"0"\n-2e3\t"1"\n' * (N_ROWS // 2)
    texts = ("\n".join(["width,height,kind", *rows]), "\r\n".join(rows).replace(",", ";"), quoted)
    zipped = [Sample("set.csv.gz", gzip.compress(texts[0].encode(), mtime=0))]
    zipped += [Sample("set.tsv.gz", quoted.encode(), partial(gzip.compress, compresslevel=1, mtime=0))]
    return [*(Sample("set.csv", text.encode()) for text in texts), *zipped]


def parquet_samples(folder: Path) -> list[Sample]:
    """Returns tables without and with compression, and with checksums."""
    table = pyarrow.table(
        {"a": np.arange(N_ROWS), "b": np.linspace(0, 1, N_ROWS), "label": ["ant", "bee"] * (N_ROWS // 2)}
    )
    settings = ({"use_dictionary": False, "compression": "none"}, {}, {"write_page_checksum": True})
    contents = [written_by(partial(pyarrow.parquet.write_table, table, **options)) for options in settings]
    return [Sample("set.parquet", content) for content in contents]


def arrow_samples(folder: Path) -> list[Sample]:
    """Returns Feather files without and with compression; one has the class names that Hugging Face stores."""
    feature = {"names": ["ant", "bee"], "_type": "ClassLabel"}
    info = json.dumps({"info": {"features": {"label": feature}}})
    columns = {"a": np.arange(N_ROWS), "b": np.linspace(0, 1, N_ROWS)}
    words = pyarrow.table({**columns, "label": ["ant", "bee"] * (N_ROWS // 2)})
    codes = pyarrow.table({**columns, "label": LABELS}).replace_schema_metadata({"huggingface": info})
    files = ((words, "uncompressed"), (codes, "uncompressed"), (words, "lz4"))
    writers = [partial(pyarrow.feather.write_feather, table, compression=compression) for table, compression in files]
    return [Sample("set.feather", written_by(write)) for write in writers]


def features_samples(folder: Path) -> list[Sample]:
    """Returns features with the rows they belong to, in each format of `--features`."""
    arrays: Arrays = {"f": np.linspace(0, 1, 2 * N_ROWS).reshape(N_ROWS, 2), "row": np.arange(N_ROWS)}
    table = pyarrow.table({"a": arrays["f"][:, 0], "b": arrays["f"][:, 1], "row": arrays["row"]})
    return [
        Sample("set.npy", npy_bytes(arrays["f"])),
        Sample("set.npz", npz_bytes({name: npy_bytes(array) for name, array in arrays.items()})),
        Sample("set.safetensors", safetensors.numpy.save(arrays)),
        Sample("set.parquet", written_by(partial(pyarrow.parquet.write_table, table))),
    ]


def idx_samples(folder: Path) -> list[Sample]:
    """Returns four small files in MNIST's format, plain and gzipped, and writes intact ones to the folder."""
    samples = []
    for name, content in PARTS.items():
        (folder / name).write_bytes(content)
        samples += [
            Sample(name, content),
            Sample(name, gzip.compress(content, mtime=0)),
            Sample(name, content, partial(gzip.compress, compresslevel=1, mtime=0)),
        ]
    return samples


def npy_samples(folder: Path) -> list[Sample]:
    """Returns the two files of a folder of arrays, and writes intact ones to the folder."""
    return _array_folder(folder, "x", "y")


def stream_samples(folder: Path) -> list[Sample]:
    """Returns the two files of a stream, and writes intact ones to the folder."""
    return _array_folder(folder, "inputs", "labels")


def _array_folder(folder: Path, inputs: str, labels: str) -> list[Sample]:
    arrays: Arrays = {inputs: np.linspace(0, 1, 3 * N_ROWS).reshape(N_ROWS, 3), labels: LABELS}
    samples = [Sample(f"{name}{NPY_SUFFIX}", npy_bytes(array)) for name, array in arrays.items()]
    for sample in samples:
        (folder / sample.path).write_bytes(sample.content)
    return samples


def image_samples(folder: Path) -> list[Sample]:
    """Returns images of each format, PNG also with fixed checksums; writes intact images of two classes."""
    rng = np.random.default_rng(0)
    grey = Image.fromarray(rng.integers(0, 256, (4, 5), dtype=np.uint8))
    colour = Image.fromarray(rng.integers(0, 256, (4, 5, 3), dtype=np.uint8))
    for number in range(6):
        path = folder / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        grey.save(path)
    samples = []
    for image, kind in product((grey, colour, colour.quantize(4)), IMAGE_KINDS):
        if image.mode != "P" or kind in ("PNG", "GIF", "BMP"):
            content = written_by(partial(image.save, format=kind))
            wraps = [bytes, fix_png_checksums] if kind == "PNG" else [bytes]
            samples += [Sample("a/0.png", content, wrap) for wrap in wraps]
    return samples


def fix_png_checksums(png: bytes) -> bytes:
    """Returns a damaged PNG with valid checksums, for the chunks whose lengths make sense."""
    fixed, start = bytearray(png), len(PNG_SIGNATURE)
    while png.startswith(PNG_SIGNATURE) and start + 12 <= len(png):
        end = start + 12 + int.from_bytes(png[start : start + 4])
        if end > len(png):
            break
        fixed[end - 4 : end] = zlib.crc32(png[start + 4 : end - 4]).to_bytes(4)
        start = end
    return bytes(fixed)


def axis_samples(folder: Path) -> list[Sample]:
    """Returns values of the flag `--axis`."""
    values = "latent_dim=2,4,8 noise-std=0.1,0.3 hidden=128x64,none optimizer=adam,sgd batch_norm=true,false"
    return [Sample("axis", value.encode()) for value in values.split()]


def run_samples(folder: Path) -> list[Sample]:
    """Returns the files of a finished run."""
    with open_run(
        folder / "run", RunIdentity(to_dict(CompareConfig())), attempt_info={"versions": {"jax": "0"}}
    ) as run:
        run.finish(json.loads((FIXTURES / "compare" / "results.json").read_text()))
    return _file_samples(folder / "run")


def checkpoint_samples(folder: Path) -> list[Sample]:
    """Returns the files of a checkpoint without its manifest of checksums."""
    tree = {"params": {"kernel": np.arange(6.0, dtype=np.float32).reshape(2, 3)}, "none": np.zeros((0, 2))}
    save_tree(folder / "checkpoint", tree, {"epoch": 3})
    return _file_samples(folder / "checkpoint")


def fixture_samples(name: str, *files: str) -> Callable[[Path], list[Sample]]:
    """Returns a function that copies a run of version 0.1.0 into a folder and returns its files, or some of them."""

    def make(folder: Path) -> list[Sample]:
        shutil.copytree(FIXTURES / name, folder / name)
        return [one for one in _file_samples(folder / name) if not files or Path(one.path).name in files]

    return make


def sparse_coder_samples(folder: Path) -> list[Sample]:
    """Returns the two files of a sparse autoencoder of SAELens, and writes intact ones to the folder."""
    config = {"architecture": "topk", "d_in": 3, "d_sae": 4, "k": 2, "rescale_acts_by_decoder_norm": True}
    shapes = {"W_enc": (3, 4), "b_enc": (4,), "W_dec": (4, 3), "b_dec": (3,)}
    weights = safetensors.numpy.save({name: np.ones(shape, np.float32) for name, shape in shapes.items()})
    samples = [Sample("cfg.json", json.dumps(config).encode()), Sample("sae_weights.safetensors", weights)]
    for sample in samples:
        (folder / sample.path).write_bytes(sample.content)
    return samples


def page_samples(folder: Path) -> list[Sample]:
    """Returns what the page of a run reads next to its results: curves, scores, examples."""
    run = folder / "compare"
    shutil.copytree(FIXTURES / "compare", run)
    codes = {"vae": np.linspace(0, 1, 2 * N_ROWS).reshape(N_ROWS, 2)}
    images = np.linspace(0, 1, 4 * N_ROWS).reshape(N_ROWS, 2, 2, 1)
    write_examples(run, Examples(np.arange(N_ROWS), LABELS, images, [], codes))
    return [one for one in _file_samples(run) if one.path.endswith((".jsonl", ".npz"))]


def study_samples(folder: Path) -> list[Sample]:
    """Returns the declaration of a small study."""
    return [Sample("small.toml", (FIXTURES.parents[2] / "scripts" / "studies" / "small.toml").read_bytes())]


def ledger_samples(folder: Path) -> list[Sample]:
    """Returns the ledger of two claims."""
    ledger = json.loads((FIXTURES.parents[2] / "results" / "ledger" / "ledger.json").read_text())
    return [Sample("ledger.json", json.dumps({**ledger, "claims": ledger["claims"][:2]}).encode())]


def config_samples(folder: Path) -> list[Sample]:
    """Returns the settings of a comparison."""
    return [Sample("config.json", json.dumps(to_dict(CompareConfig())).encode())]


def _file_samples(folder: Path) -> list[Sample]:
    left_out = (MANIFEST, "README.md", "table.md", "encode.stablehlo")
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in left_out)
    return [Sample(str(path.relative_to(folder.parent)), path.read_bytes()) for path in files if path.stat().st_size]
