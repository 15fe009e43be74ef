"""Shared by several test files: a small web server, Compose projects that leave nothing, and a stand-in for Docker."""

from __future__ import annotations

import os
import shutil
import threading
import uuid
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tools.launcher.compose import Compose
from tools.launcher.container_engine import ask_engine

needs_docker = pytest.mark.skipif(shutil.which("docker") is None, reason="no docker program on this host")
needs_engine = pytest.mark.skipif(not ask_engine().version, reason="no container engine answers on this host")

Serve = Callable[[int, str, bytes], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a server that gives every GET the same answer; returns its host:port."""
    servers = []

    def start(status: int, kind: str, body: bytes) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: object) -> None:
                """Nothing: the test's output is enough."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Callable[[str], Compose]]:
    """Write a compose.yaml of its own project; what was started from it is gone afterwards."""
    composes = []

    def write(services: str) -> Compose:
        name = f"launcher-test-{uuid.uuid4().hex[:8]}"
        (tmp_path / "compose.yaml").write_text(f"name: {name}\n{services}", encoding="utf-8")
        compose = Compose(tmp_path, {"COMPOSE_PROJECT_NAME": name})
        composes.append(compose)
        return compose

    yield write
    for compose in composes:
        compose.capture("down", "--volumes", "--remove-orphans", "--timeout", "1", profile="*")


@pytest.fixture
def fake_docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Put a program named `docker` first on the PATH, with the shell commands that it runs."""

    def write(script: str) -> None:
        program = tmp_path / "bin" / "docker"
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")

    return write
