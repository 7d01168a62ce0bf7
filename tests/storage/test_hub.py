"""An encoder goes to the Hugging Face Hub and comes back through its client; damaged repositories are not loaded.

The server is a fake of the Hub's HTTP interface, as far as the client uses it for small files.
"""

import base64
import hashlib
import http.server
import json
import re
import threading
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save
from sklearn.datasets import load_wine

import aejax
from aejax.errors import InputError
from aejax.storage.manifest import CorruptedFileError

huggingface_hub = pytest.importorskip("huggingface_hub")
constants = pytest.importorskip("huggingface_hub.constants")
X, Y = load_wine(return_X_y=True)
OID = "0" * 40
TRAINED_ON_WINE = Path(__file__).parents[1] / "fixtures" / "version-0.1.0" / "pretrain"


class FakeHub(http.server.BaseHTTPRequestHandler):
    """Keeps files of any repository in `server.files`."""

    def log_message(self, *_):
        pass

    def reply(self, value, status=200, headers=()):
        content = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        for name, header in {"Content-Length": str(len(content)), **dict(headers)}.items():
            self.send_header(name, header)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self.path == "/api/repos/create":
            self.reply({"url": f"{self.server.address}/me/wine", "name": "me/wine", "id": "me/wine"})
        elif "/preupload/" in self.path:
            paths = [file["path"] for file in json.loads(body)["files"]]
            modes = [{"path": path, "uploadMode": "regular", "shouldIgnore": False} for path in paths]
            self.reply({"files": modes})
        elif "/commit/" in self.path:
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    self.server.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            self.reply({"success": True, "commitOid": OID, "commitUrl": f"{self.server.address}/me/wine/commit/{OID}"})
        elif self.path == "/api/validate-yaml":
            self.reply({"errors": [], "warnings": []})
        else:
            self.reply({"error": "unknown"}, 404)

    def do_GET(self):
        files = self.server.files
        match = re.fullmatch(r"/me/wine/resolve/[^/]*/(.*)", self.path.split("?")[0])
        if self.path.startswith("/api/models/me/wine/tree/"):
            self.reply([{"type": "file", "path": name, "size": len(files[name]), "oid": OID} for name in files])
        elif self.path.startswith("/api/models/me/wine"):
            siblings = [{"rfilename": name, "size": len(content), "blobId": OID} for name, content in files.items()]
            self.reply({"id": "me/wine", "sha": OID, "siblings": siblings})
        elif match and match[1] in files:
            content = files[match[1]]
            etag = hashlib.sha256(content).hexdigest()
            self.reply(content, headers={"X-Repo-Commit": OID, "ETag": f'"{etag}"'})
        else:
            self.reply({"error": "not found"}, 404, {"X-Error-Code": "RepoNotFound"})

    do_HEAD = do_GET  # noqa: N815


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """The files of a fake Hub that the client uses, with a cache of its own."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), FakeHub)
    server.files, server.address = {}, f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))  # seconds until it notices its end
    thread.start()
    monkeypatch.setattr(constants, "ENDPOINT", server.address)
    template = f"{server.address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    yield server.files
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def encoder():
    return aejax.load_run(TRAINED_ON_WINE).encoder(seed=1)


def test_an_encoder_returns_from_the_hub_with_its_card(hub, encoder):
    probe = aejax.probe(encoder(X), Y, seeds=5, probe="ridge")
    address = encoder.push_to_hub("me/wine", probe=probe, token="hf_x")
    assert address.endswith(f"/me/wine/commit/{OID}")
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
