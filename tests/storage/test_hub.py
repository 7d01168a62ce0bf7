"""An encoder goes to the Hugging Face Hub and comes back; damaged repositories are not loaded.

The Hub's client is replaced by one that keeps files in memory and takes the arguments of the real one.
"""

from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pytest
from safetensors.numpy import save
from sklearn.datasets import load_wine

import aejax
from aejax.errors import InputError
from aejax.storage.manifest import CorruptedFileError

huggingface_hub = pytest.importorskip("huggingface_hub")
errors = pytest.importorskip("huggingface_hub.errors")
X, Y = load_wine(return_X_y=True)
TRAINED_ON_WINE = Path(__file__).parents[1] / "fixtures" / "version-0.1.0" / "pretrain"
ADDRESS = "https://hub/me/wine/commit/1"


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """The files of the repository `me/wine` on a Hub that has no other one."""
    files: dict[str, bytes] = {}

    def upload(*, folder_path, **_):
        paths = (path for path in folder_path.rglob("*") if path.is_file())
        files.update({path.relative_to(folder_path).as_posix(): path.read_bytes() for path in paths})
        return SimpleNamespace(commit_url=ADDRESS)

    def info(repo_id, **_):
        if repo_id != "me/wine":
            raise errors.HfHubHTTPError("404", response=mock.Mock())
        siblings = [SimpleNamespace(rfilename=name, size=len(content)) for name, content in files.items()]
        return SimpleNamespace(sha="1", siblings=siblings)

    def download(repo_id, name, *, revision):
        assert (repo_id, revision) == ("me/wine", "1")
        path = tmp_path / "cache" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(files[name])
        return str(path)

    def snapshot(repo_id, *, revision, allow_patterns):
        for name in set(files) & set(allow_patterns):
            download(repo_id, name, revision=revision)
        return str(tmp_path / "cache")

    client = mock.create_autospec(huggingface_hub.HfApi, instance=True)
    client.upload_folder.side_effect, client.model_info.side_effect = upload, info
    client.hf_hub_download.side_effect, client.snapshot_download.side_effect = download, snapshot
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda **_: client)
    return files


@pytest.fixture(scope="module")
def encoder():
    return aejax.load_run(TRAINED_ON_WINE).encoder(seed=1)


def test_an_encoder_returns_from_the_hub_with_its_card(hub, encoder):
    probe = aejax.probe(encoder(X), Y, seeds=5, probe="ridge")
    address = encoder.push_to_hub("me/wine", probe=probe, token="hf_x")
    assert address == ADDRESS
    hub[".gitattributes"] = b"*.bin filter=lfs"  # the Hub adds it to every repository
    np.testing.assert_array_equal(aejax.load_encoder("hf:me/wine")(X), encoder(X))
    card = huggingface_hub.ModelCard(hub["README.md"].decode())
    assert card.data.library_name == "aejax"
    (accuracy, _) = card.data.eval_results
    assert (accuracy.metric_type, accuracy.dataset_name) == ("accuracy", "wine")
    assert abs(accuracy.metric_value - probe.accuracy) < 1e-6
    assert f"{100 * probe.accuracy:.2f} % test accuracy" in card.text


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("encoder.json", None, "encoder.json is missing, or has another size"),
        ("encoder.json", b"{}", "encoder.json is missing, or has another size"),
        ("manifest.json", b"{}", "manifest.json is damaged"),
    ],
)
def test_a_repository_is_held_to_its_manifest(hub, encoder, name, content, error):
    encoder.push_to_hub("me/wine", token="hf_x")
    hub.pop(name) if content is None else hub.update({name: content})
    with pytest.raises(InputError, match=f"hf:me/wine: {error}"):
        aejax.load_encoder("hf:me/wine")


def test_a_flipped_byte_and_other_content_than_announced_are_found(hub, encoder):
    encoder.push_to_hub("me/wine", token="hf_x")
    (array,) = [name for name in hub if name.endswith("kernel/0.0")][:1]
    hub[array] = bytes([hub[array][0] ^ 1]) + hub[array][1:]
    with pytest.raises(CorruptedFileError, match=r"hf:me/wine: .* has another SHA-256"):
        aejax.load_encoder("hf:me/wine")


def test_a_repository_that_is_not_there_is_named(hub):
    with pytest.raises(InputError, match="hf:me/other: "):
        aejax.load_encoder("hf:me/other")
    with pytest.raises(InputError, match=r"hf:me/wine: .*holds no manifest.json"):
        aejax.load_encoder("hf:me/wine")


@pytest.mark.parametrize("folder", ["layers.5", ""], ids=["folder", "repository"])
def test_a_sparse_coder_is_read_from_a_folder_of_a_repository(hub, folder):
    weights = {"encoder.weight": np.eye(4, 13), "encoder.bias": np.ones(4), "b_dec": np.zeros(13)}
    files = {"cfg.json": b'{"d_in": 13, "num_latents": 4, "k": 2}', "sae.safetensors": save(weights)}
    hub.update({f"{folder}/{name}".removeprefix("/"): content for name, content in files.items()})
    encode = aejax.load_encoder(f"hf:me/wine/{folder}".removesuffix("/"))
    assert np.count_nonzero(encode(X)) == 2 * len(X)
    with pytest.raises(InputError, match=r"hf:me/wine/other: holds no other/cfg\.json"):
        aejax.load_encoder("hf:me/wine/other")
