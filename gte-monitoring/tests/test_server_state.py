"""A server that hangs or is dead is seen as such from outside, and so is what waits for it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from conftest import free_port, wait_for
from gte_monitoring.processes.slots import read_holders

# PyDLL keeps the interpreter's lock during the call: no thread of the worker goes on, as when a library hangs.
APP = """
    import ctypes
    from flask import Flask

    app = Flask(__name__)

    @app.get("/")
    def index():
        return "here"

    @app.get("/hang")
    def hang():
        ctypes.PyDLL(None).sleep(60)
        return "gone on"
"""


@dataclass
class Server:
    """gunicorn with one threaded worker, measured from outside."""

    process: subprocess.Popen[bytes]
    port: int
    metrics_port: int
    metrics_dir: Path

    def metrics(self) -> dict[str, float]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=10) as answer:
            families = text_string_to_metric_families(answer.read().decode())
        return {
            sample.name + "".join(f" {value}" for value in sample.labels.values()): sample.value
            for family in families
            for sample in family.samples
        }

    def get(self, path: str, timeout: float = 10) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=timeout) as answer:
            return str(answer.read().decode())

    def worker(self) -> int:
        """The process id of the worker."""
        (found,) = [holder.pid for holder in read_holders(self.metrics_dir) if holder.alive]
        return found


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "app.py").write_text(textwrap.dedent(APP))
    port, metrics_port = free_port(), free_port()
    settings = {"GTE_METRICS_LISTEN_PORT": str(metrics_port), "GTE_METRICS_DIR": str(tmp_path / "metrics")}
    options = [
        "-c",
        "python:gte_monitoring.gunicorn_conf",
        "-k",
        "gthread",
        "--threads",
        "4",
        "--timeout",
        "120",
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", *options, "-b", f"127.0.0.1:{port}", "--graceful-timeout", "1", "app:app"],
        cwd=tmp_path, env=dict(os.environ) | settings,
    )  # fmt: skip
    started = Server(process, port, metrics_port, tmp_path / "metrics")
    try:
        wait_for(lambda: answers(started), "the server answers")
        yield started
    finally:
        for pid in (process.pid, *workers(process.pid)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def workers(master: int) -> list[int]:
    with suppress(OSError):
        return [int(pid) for pid in Path(f"/proc/{master}/task/{master}/children").read_text().split()]
    return []


def answers(server: Server) -> bool:
    try:
        return server.get("/") == "here" and server.metrics()["gte_workers"] == 1
    except (OSError, KeyError):
        return False


def test_a_server_that_answers_is_up(server: Server) -> None:
    metrics = server.metrics()
    assert metrics["gte_server_up"] == 1
    assert metrics["gte_worker_heartbeat_age_seconds worker-0"] < 5
    assert metrics["gte_backlog_connections accept"] == metrics["gte_backlog_connections unread"] == 0
    assert metrics["gte_process_threads worker-0"] >= 1
    assert metrics["gte_process_open_fds worker-0"] > 3
    boot = metrics["gte_process_start_time_seconds master"]
    assert boot <= metrics["gte_process_start_time_seconds worker-0"] <= boot + 60


def test_a_worker_that_hangs_makes_the_server_down_and_the_backlog_grow(server: Server) -> None:
    hanging = threading.Thread(target=lambda: suppress_errors(server, "/hang"))
    hanging.start()
    wait_for(lambda: server.metrics()["gte_server_up"] == 0, "the hung server shows", seconds=20)
    metrics = server.metrics()
    assert metrics["gte_workers"] == 1
    assert metrics["gte_worker_heartbeat_age_seconds worker-0"] > 5
    waiting = [socket.create_connection(("127.0.0.1", server.port), timeout=5) for _ in range(3)]
    try:
        wait_for(lambda: server.metrics()["gte_backlog_connections accept"] == 3, "connections nobody takes")
    finally:
        for each in waiting:
            each.close()
        os.kill(server.worker(), signal.SIGKILL)
        hanging.join(20)
    wait_for(lambda: server.metrics()["gte_server_up"] == 1, "the server is back")
    assert server.metrics()["gte_worker_restarts_total"] == 1


def suppress_errors(server: Server, path: str) -> None:
    with suppress(OSError):
        server.get(path, timeout=60)


def test_a_stopped_worker_makes_the_server_down_at_once(server: Server) -> None:
    os.kill(server.worker(), signal.SIGSTOP)
    metrics = server.metrics()
    assert (metrics["gte_server_up"], metrics["gte_workers"]) == (0, 1)
    os.kill(server.worker(), signal.SIGCONT)
    wait_for(lambda: server.metrics()["gte_server_up"] == 1, "it goes on")


def test_requests_of_accepted_connections_that_nobody_reads_are_seen(server: Server) -> None:
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=5)
    try:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(1 << 16)
        # It is open and says nothing: nobody waits.
        assert server.metrics()["gte_backlog_connections unread"] == 0
        os.kill(server.worker(), signal.SIGSTOP)
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_for(lambda: server.metrics()["gte_backlog_connections unread"] == 1, "a request nobody has read")
        assert server.metrics()["gte_backlog_connections accept"] == 0
    finally:
        connection.close()


def test_a_dead_server_is_down_and_its_counts_are_still_there(server: Server) -> None:
    server.get("/")
    before = server.metrics()["flask_http_request_total GET 200"]
    # Both at once, or the master would start another worker, and the worker would end its requests.
    worker = server.worker()
    os.kill(server.process.pid, signal.SIGSTOP)
    os.kill(worker, signal.SIGKILL)
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait()
    metrics = wait_for(
        lambda: (now := server.metrics())["gte_workers"] == 0 and now, "the dead server shows", seconds=5
    )
    assert metrics["gte_server_up"] == 0
    assert metrics["flask_http_request_total GET 200"] == before
    with pytest.raises(urllib.error.URLError):
        server.get("/")
    # Its exporter has outlived it; the test is its last user.
    (pid,) = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal() and exports(path, server)]
    os.kill(pid, signal.SIGTERM)


def exports(process: Path, server: Server) -> bool:
    try:
        words = (process / "cmdline").read_text().split("\0")
    except OSError:
        return False
    return "gte_monitoring" in words and str(server.metrics_port) in words
