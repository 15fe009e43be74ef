"""A stack for tools that ask Prometheus: a `docker` of our own that names its port, and a Prometheus of our own."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tools import ROOT


@contextmanager
def running_prometheus(answer: Callable[[str], Any]) -> Iterator[int]:
    """Answer each GET on a port of 127.0.0.1 with the JSON that `answer` gives for its target; yields the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(answer(self.path)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def run_tool(
    tool: str, arguments: tuple[str, ...], folder: Path, port: int, cases: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run `python3 -m <tool>` as on a host whose stack publishes Prometheus on a port.

    Args:
        tool: its module.
        arguments: of the command.
        folder: where `docker` is written to.
        port: Prometheus' on this host.
        cases: what `docker` answers besides, as lines of a shell's `case`.
    """
    published = {"target": 9091, "published": str(port), "host_ip": "127.0.0.1"}
    # The launcher reads .env as a service's environment.
    services = {"reverse-proxy": {"image": "x", "ports": [published]}, "settings": {"image": "x"}}
    config = json.dumps({"name": "x", "services": services})
    docker = folder / "docker"
    docker.write_text(
        f"#!/bin/sh\ncase \"$*\" in\n*config*) echo '{config}' ;;\n{cases}*version*) echo 28.0.0 ;;\nesac\n"
    )
    docker.chmod(0o755)
    environ = {"PATH": f"{folder}:/usr/bin:/bin", "PYTHONPATH": str(ROOT), "HOME": str(folder)}
    command = [sys.executable, "-m", tool, *arguments]
    return subprocess.run(command, env=environ, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
