"""Pulling, tried on registries of our own on loopback: one that has an image, one that hasn't, one that is silent."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import platform
import pty
import socket
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tools.launcher.pull import pull, registry_of
from tools.launcher.tests.conftest import ROOT, needs_engine

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


@pytest.mark.parametrize(
    ("image", "registry"),
    [
        ("python:3.11", "docker.io"),
        ("prom/prometheus:v3", "docker.io"),
        ("mirror.example/prom/prometheus:v3", "mirror.example"),
        ("mirror:5000/python:3", "mirror:5000"),
        ("localhost/python:3", "localhost"),
    ],
)
def test_the_registry_is_read_from_the_name(image: str, registry: str) -> None:
    assert registry_of(image) == registry


class Registry(BaseHTTPRequestHandler):
    """As much of a registry as one pull of `there:1` asks for."""

    protocol_version = "HTTP/1.1"
    blobs: dict[str, tuple[str, bytes]]

    def do_GET(self) -> None:
        name = self.path.rsplit("/", 1)[-1]
        if self.path == "/v2/":
            self._answer(200, "application/json", b"{}")
        elif "/there/" in self.path and name in self.blobs:
            self._answer(200, *self.blobs[name])
        else:
            self._answer(
                404, "application/json", b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}'
            )

    do_HEAD = do_GET  # noqa: N815

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Docker-Content-Digest", _digest(body))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Nothing: the test's output is enough."""


def _digest(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


@pytest.fixture
def registry() -> Iterator[str]:
    """The address of a registry that holds `there:1`."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("file"))
    layer = gzip.compress(archive.getvalue())
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    config = json.dumps(
        {
            "architecture": machine,
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [_digest(archive.getvalue())]},
        }
    ).encode()
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {
                "mediaType": "application/vnd.docker.container.image.v1+json",
                "size": len(config),
                "digest": _digest(config),
            },
            "layers": [
                {
                    "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip",
                    "size": len(layer),
                    "digest": _digest(layer),
                }
            ],
        }
    ).encode()
    Registry.blobs = {
        "1": (MANIFEST, manifest),
        _digest(manifest): (MANIFEST, manifest),
        _digest(config): ("application/octet-stream", config),
        _digest(layer): ("application/octet-stream", layer),
    }
    server = ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@needs_engine
def test_an_image_that_the_registry_has_is_pulled_with_progress(
    registry: str, capfd: pytest.CaptureFixture[str]
) -> None:
    image = f"{registry}/there:1"
    try:
        assert pull(image).done
        said = capfd.readouterr().out
        assert "Pulling from there" in said
        assert "Pull complete" in said
    finally:
        subprocess.run(["docker", "image", "rm", image], capture_output=True, check=False)


@needs_engine
def test_on_a_terminal_the_engine_draws_its_progress(registry: str) -> None:
    image = f"{registry}/there:1"
    program = f"from launcher.pull import pull; print(pull({image!r}).done)"
    ours, its = pty.openpty()
    try:
        subprocess.run([sys.executable, "-c", program], cwd=ROOT, stdout=its, stderr=its, check=True)
        said = os.read(ours, 1 << 16).decode()
    finally:
        os.close(ours)
        os.close(its)
        subprocess.run(["docker", "image", "rm", image], capture_output=True, check=False)
    assert "\x1b[" in said
    assert "Pull complete" in said
    assert said.rstrip().endswith("True")


@needs_engine
def test_an_image_that_it_has_not_is_refused_by_a_registry_that_answers(registry: str) -> None:
    pulled = pull(f"{registry}/absent:1")
    assert not pulled.done
    assert pulled.reached
    assert "manifest unknown" in pulled.reason or "not found" in pulled.reason


@needs_engine
def test_a_registry_that_is_not_there_is_not_reached() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        pulled = pull(f"127.0.0.1:{taken.getsockname()[1]}/there:1")
    assert not pulled.done
    assert not pulled.reached
    assert "connection refused" in pulled.reason
    assert not pulled.reason.startswith("Error response")


@needs_engine
def test_a_silent_registry_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        started = time.monotonic()
        pulled = pull(f"{address}/there:1", answer_seconds=0.5)
        assert time.monotonic() - started < 5
    assert not pulled.done
    assert not pulled.reached
    assert pulled.reason == f"{address} has not answered within 0 s"
