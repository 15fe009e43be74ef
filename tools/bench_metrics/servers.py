"""The servers that are measured from outside: started, waited for, and ended."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from tools.bench_metrics.app import WAYS, environ_of
from tools.bench_metrics.child import ROOT, end
from tools.bench_metrics.errors import MeasuringError
from tools.bench_metrics.traffic import API_KEY, MOST_BODY_BYTES, one_of_each, send

HOST = "127.0.0.1"
WORKERS = 4
SECONDS = 60.0
_START_SECONDS = 180.0
_POLL_SECONDS = 0.05
_LOG_LINES = 15


@contextmanager
def served_app(way: str, folder: Path) -> Iterator[http.client.HTTPConnection]:
    """The measured app behind gunicorn with one worker, and a connection to it that is kept open."""
    environ = environ_of(way, folder) | {
        "GTE_METRICS_DIR": str(folder),
        "GTE_METRICS_ADDRESS": HOST,
        "GTE_METRICS_LISTEN_PORT": str(_free_port()),
    }
    with socket.create_server((HOST, 0)) as listening:
        # Inherited by each connection: the two parts of an answer don't wait for each other.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        descriptor, port = listening.fileno(), listening.getsockname()[1]
        command = ["gunicorn", *WAYS[way].gunicorn, "--bind", f"fd://{descriptor}", "--workers", "1",
                   "--worker-class", "gthread", "--threads", "2", "--keep-alive", "60", "--log-level", "warning",
                   "--worker-tmp-dir", str(folder), "tools.bench_metrics.app:app_of_environment()"]  # fmt: skip
        # The socket listens before gunicorn does, so the first request waits for its worker.
        with _server(command, lambda: _answers(port, "/"), environ, (descriptor,)):
            connection = http.client.HTTPConnection(HOST, port, timeout=SECONDS)
            yield connection
            connection.close()


@contextmanager
def exporter(folder: Path) -> Iterator[int]:
    """The exporter of a folder, as gunicorn's configuration for an existing app starts it; gives its port."""
    port = _free_port()
    command = ["gte_monitoring", str(folder), HOST, str(port)]
    with _server(command, lambda: _answers(port, "/metrics")):
        yield port


@contextmanager
def service(home: Path, metrics: Path) -> Iterator[tuple[int, int]]:
    """`gte-service serve` as the container runs it, with the demo model and four workers, ready.

    While it starts, requests are refused for that.

    Args:
        home: for its model and state.
        metrics: for its metric files.

    Yields:
        its port, and its exporter's.
    """
    port, metrics_port = _free_port(), _free_port()
    keys = home / "keys"
    keys.write_text(f"{API_KEY}\n", encoding="ascii")
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GTE_")} | {
        "GTE_MODEL": "builtin:lexical",
        "GTE_MODELS_HOME": str(home / "models"),
        "GTE_RUN_DIR": str(home / "run"),
        "GTE_METRICS_DIR": str(metrics),
        "GTE_LISTEN_PORT": str(port),
        "GTE_METRICS_LISTEN_PORT": str(metrics_port),
        "GTE_TORCH_THREADS": "1",
        "GTE_WORKERS": str(WORKERS),
        "GTE_API_KEYS_FILE": str(keys),
        "GTE_MAX_BODY_BYTES": str(MOST_BODY_BYTES),
    }

    def ready() -> bool:
        connection = http.client.HTTPConnection(HOST, port, timeout=SECONDS)
        for each in one_of_each():
            if not send(connection, each):
                break
        connection.request("GET", "/readyz")
        state = json.loads(connection.getresponse().read())["status"]
        connection.close()
        return bool(state == "ready")

    with _server(["gte_service", "serve"], ready, environ):
        yield port, metrics_port


@contextmanager
def _server(
    command: Sequence[str],
    ready: Callable[[], bool],
    environ: Mapping[str, str] | None = None,
    descriptors: Sequence[int] = (),
) -> Iterator[None]:
    """`python -m` with these words. What it writes is shown only when it fails."""
    with tempfile.TemporaryFile() as log:
        # In a session of its own: Ctrl-C is for us, and we end it.
        process = subprocess.Popen(
            [sys.executable, "-m", *command], cwd=ROOT, env=environ, pass_fds=descriptors, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
        try:
            deadline = time.monotonic() + _START_SECONDS
            while not _holds(ready):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise MeasuringError(f"`{' '.join(command[:2])}` doesn't get ready:\n{_last_lines(log)}")
                time.sleep(_POLL_SECONDS)
            yield
        finally:
            end(process, told=True)


def _holds(condition: Callable[[], bool]) -> bool:
    with suppress(OSError, http.client.HTTPException):
        return condition()
    return False


def _answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=SECONDS)
    try:
        connection.request("GET", path)
        connection.getresponse().read()
    finally:
        connection.close()
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port


def _last_lines(log: IO[bytes]) -> str:
    log.seek(0)
    lines = [line for line in log.read().decode(errors="replace").splitlines() if line.strip()]
    return "\n".join(lines[-_LOG_LINES:])
