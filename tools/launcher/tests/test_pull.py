"""Pulling: from registries on loopback that have an image or not, that are slow or silent, and from a fake Compose."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import platform
import socket
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tools.launcher import pull as module
from tools.launcher.compose import docker
from tools.launcher.images import is_present
from tools.launcher.pull import pull
from tools.launcher.tests.conftest import needs_engine

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
BLOB = "application/octet-stream"
CHUNKS = 6


class Registry(BaseHTTPRequestHandler):
    """As much of a registry as one pull of `there:1` asks for."""

    protocol_version = "HTTP/1.1"
    blobs: dict[str, tuple[str, bytes]]
    pause_seconds: float
    """Between the chunks of the layer."""
    closed: threading.Event

    def do_GET(self) -> None:
        name = self.path.rsplit("/", 1)[-1]
        if self.path == "/v2/":
            self._answer(200, "application/json", b"{}")
        elif "/there/" in self.path and name in self.blobs:
            self._answer(200, *self.blobs[name])
        else:
            errors = {"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}
            self._answer(404, "application/json", json.dumps(errors).encode())

    do_HEAD = do_GET  # noqa: N815

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Docker-Content-Digest", digest(body))
        self.end_headers()
        if self.command == "HEAD":
            return
        size = len(body) // CHUNKS + 1 if len(body) > 100_000 else len(body)
        for begin in range(0, len(body), size):
            if begin and self.closed.wait(self.pause_seconds):
                return
            self.wfile.write(body[begin : begin + size])

    def log_message(self, *arguments: object) -> None:
        """Nothing: the test's output is enough."""


def digest(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


@pytest.fixture
def serve_image() -> Iterator[Callable[[float], str]]:
    """Start a registry that holds `there:1`, with a pause between the chunks of its layer; returns its address."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        content = os.urandom(600_000)
        file = tarfile.TarInfo("file")
        file.size = len(content)
        tar.addfile(file, io.BytesIO(content))
    layer = gzip.compress(archive.getvalue())
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    rootfs = {"type": "layers", "diff_ids": [digest(archive.getvalue())]}
    config = json.dumps({"architecture": machine, "os": "linux", "config": {}, "rootfs": rootfs}).encode()

    def described(kind: str, body: bytes) -> dict[str, object]:
        return {"mediaType": f"application/vnd.docker.{kind}", "size": len(body), "digest": digest(body)}

    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": described("container.image.v1+json", config),
            "layers": [described("image.rootfs.diff.tar.gzip", layer)],
        }
    ).encode()
    Registry.blobs = {
        "1": (MANIFEST, manifest),
        digest(manifest): (MANIFEST, manifest),
        digest(config): (BLOB, config),
        digest(layer): (BLOB, layer),
    }
    Registry.closed = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"127.0.0.1:{server.server_port}"

    def start(pause_seconds: float) -> str:
        Registry.pause_seconds = pause_seconds
        return address

    yield start
    Registry.closed.set()
    server.shutdown()
    server.server_close()
    docker("image", "rm", f"{address}/there:1")


@needs_engine
def test_each_image_is_pulled_or_has_the_reason_why_not(serve_image: Callable[[float], str]) -> None:
    registry = serve_image(0)
    there, absent, refused = f"{registry}/there:1", f"{registry}/absent:1", "127.0.0.1:9/there:1"
    reasons = pull([there, absent, refused])
    assert is_present(there)
    assert set(reasons) == {absent, refused}
    assert "manifest unknown" in reasons[absent] or "not found" in reasons[absent]
    assert "connection refused" in reasons[refused]


@needs_engine
def test_a_slow_download_goes_on_and_shows_its_progress(
    serve_image: Callable[[float], str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "REPORT_SECONDS", 0.0)
    image = f"{serve_image(0.5)}/there:1"
    begun = time.monotonic()
    assert pull([image], stall_seconds=2.0) == {}
    assert time.monotonic() - begun > 2.0
    assert is_present(image)
    assert "Downloading" in capsys.readouterr().out


@needs_engine
def test_a_download_that_stands_still_is_given_up(serve_image: Callable[[float], str]) -> None:
    image = f"{serve_image(60.0)}/there:1"
    assert pull([image], stall_seconds=1.0) == {image: "the registry sent nothing for 1 s"}
    assert not is_present(image)


@needs_engine
def test_a_silent_registry_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        image = f"127.0.0.1:{silent.getsockname()[1]}/there:1"
        begun = time.monotonic()
        reasons = pull([image], answer_seconds=1.0)
        assert time.monotonic() - begun < 6
    assert reasons == {image: "the registry sent nothing for 1 s"}


def test_repeating_the_same_line_is_no_progress(fake_docker: Callable[[str], None]) -> None:
    fake_docker("echo ' image-0 Pulling'; for i in $(seq 100); do echo ' 1a2b Downloading 12kB'; sleep 0.05; done")
    assert pull(["a:1"], stall_seconds=0.5) == {"a:1": "the registry sent nothing for 0 s"}


def test_compose_5_names_the_image_with_the_reason(fake_docker: Callable[[str], None]) -> None:
    fake_docker("echo ' Image a:1 Pulling'; echo ' Image a:1 Error no such host'; echo ' Image b:1 Pulled'")
    assert pull(["a:1", "b:1"]) == {"a:1": "no such host"}
