"""The cache that `cna pull` writes is one that huggingface_hub reads, and the other way round, from a small hub here."""

import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading

import pytest
from huggingface_hub import scan_cache_dir, snapshot_download, try_to_load_from_cache

CNA = os.path.abspath(os.environ.get("CNA_BIN", "build/cna"))
COMMIT = "0123456789abcdef0123456789abcdef01234567"
FILES = {
    "config.json": b'{"model_type": "llama"}\n',
    "tokenizer.json": b"{}",
    "model.safetensors": bytes(range(256)) * 4096,
}
LARGE = {"model.safetensors"}


def etag(name):
    data = FILES[name]
    if name in LARGE:
        return hashlib.sha256(data).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class Hub(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, body):
        path = self.path.split("?")[0]
        if path.startswith("/api/models/org/model/tree/"):
            tree = [{"type": "file", "path": n, "size": len(d), "oid": etag(n)} for n, d in FILES.items()]
            self.send(200, json.dumps(tree).encode(), {"Content-Type": "application/json"}, body)
            return
        if path.startswith("/api/models/org/model"):
            files = [{"rfilename": n, "size": len(d)} for n, d in FILES.items()]
            data = json.dumps({"id": "org/model", "sha": COMMIT, "siblings": files, "tags": []}).encode()
            self.send(200, data, {"Content-Type": "application/json"}, body)
            return
        name = path.rsplit("/", 1)[-1]
        if name not in FILES:
            self.send(404, b"no", {"X-Error-Code": "EntryNotFound"}, body)
            return
        data, first, last = FILES[name], 0, len(FILES[name]) - 1
        headers = {"ETag": f'"{etag(name)}"', "X-Repo-Commit": COMMIT}
        if name in LARGE:
            headers |= {"X-Linked-Etag": f'"{etag(name)}"', "X-Linked-Size": str(len(data))}
        status = 200
        if "Range" in self.headers:
            first, last = (int(x) if x else last for x in self.headers["Range"].removeprefix("bytes=").split("-"))
            headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
            status = 206
        self.send(status, data[first:last + 1], headers, body)

    def send(self, status, data, headers, body):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if body:
            self.wfile.write(data)


@pytest.fixture
def endpoint():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def environment(endpoint, cache):
    env = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
    return env | {"HF_ENDPOINT": endpoint, "HF_HUB_CACHE": str(cache), "HF_HUB_DISABLE_XET": "1"}


def pull(endpoint, cache):
    return subprocess.run([CNA, "pull", "org/model", "--json"], env=environment(endpoint, cache), check=True,
                          capture_output=True, text=True)


def test_python_reads_what_pull_writes(endpoint, tmp_path):
    result = json.loads(pull(endpoint, tmp_path).stdout)
    folder = snapshot_download("org/model", cache_dir=tmp_path, local_files_only=True)
    assert folder == result["path"]
    for name, data in FILES.items():
        found = try_to_load_from_cache("org/model", name, cache_dir=tmp_path)
        assert isinstance(found, str)
        with open(found, "rb") as file:
            assert file.read() == data
    scan = scan_cache_dir(tmp_path)
    assert not scan.warnings
    (repository,) = scan.repos
    (revision,) = repository.revisions
    assert (revision.commit_hash, revision.refs) == (COMMIT, frozenset({"main"}))
    assert len(revision.files) == len(FILES)


def test_pull_reads_what_python_writes(endpoint, tmp_path):
    program = "import huggingface_hub as h; print(h.snapshot_download('org/model'))"
    env = environment(endpoint, tmp_path) | {"HF_HUB_OFFLINE": "0"}
    theirs = subprocess.run([sys.executable, "-c", program], env=env, check=True, capture_output=True, text=True)
    result = json.loads(pull(endpoint, tmp_path).stdout)
    assert result["path"] == theirs.stdout.strip()
    assert (result["n_files"], result["n_fetched"]) == (len(FILES), 0)
