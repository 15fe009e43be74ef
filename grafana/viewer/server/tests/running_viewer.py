"""Starts the viewer as the container does, as a process with gunicorn, and a server that stands in for Prometheus."""

import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

PATIENCE = 20.0
COMMAND = (sys.executable, "-W", "error", "-m", "gunicorn", "-c", "python:dashboard_viewer.serving")
FORM = "application/x-www-form-urlencoded"


def wait_until(condition: Callable[[], Any], what: str) -> Any:
    """Return the first true value of `condition`; fail after the deadline."""
    deadline = time.monotonic() + PATIENCE
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {PATIENCE} s: {what}")
        time.sleep(0.02)
    return value


@dataclass(frozen=True)
class Answer:
    """An HTTP answer, read to its end."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Asked:
    """A request as Prometheus got it."""

    method: str
    target: str
    headers: Message
    body: bytes


class FakePrometheus:
    """Keeps what it is asked, and gives every request the same answer."""

    def __init__(self) -> None:
        self.reset()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                outer.asked.append(Asked(self.command, self.path, self.headers, body))
                outer.before_answer()
                try:
                    self.send_response(outer.status)
                    for name, value in outer.headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(outer.body)))
                    self.end_headers()
                    self.wfile.write(outer.body)
                except ConnectionError:
                    pass  # the viewer has given up

            do_GET = do_POST = answer  # noqa: N815

            def log_message(self, *arguments: object) -> None:
                """Nothing: `asked` has it."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def reset(self) -> None:
        """Forget what it was asked, and answer as in the beginning."""
        self.asked: list[Asked] = []
        self.status = 200
        self.headers = {"Content-Type": "application/json"}
        self.body = b'{"status":"success","data":[]}'
        self.before_answer: Callable[[], object] = lambda: None

    def stop(self) -> None:
        """Stop listening."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()


class RunningViewer:
    """A folder of dashboards, a built page, and a process that serves both."""

    def __init__(self, folder: Path, prometheus: FakePrometheus) -> None:
        self.prometheus = prometheus
        self.dashboards = folder / "dashboards"
        self.page = folder / "public"
        self.empty()
        (self.page / "fonts").mkdir(parents=True)
        (self.page / "index.html").write_text("<!doctype html><title>Dashboards</title>")
        (self.page / "viewer.js").write_text("start();")
        (self.page / "fonts" / "inter.woff2").write_bytes(b"wOF2")
        self.environment = {
            "DASHBOARD_VIEWER_PAGE": str(self.page),
            "DASHBOARD_VIEWER_DASHBOARDS": str(self.dashboards),
            "DASHBOARD_VIEWER_PROMETHEUS": prometheus.address,
            "DASHBOARD_VIEWER_SCRAPE_INTERVAL": "5s",
            "DASHBOARD_VIEWER_PROMETHEUS_URL": "http://monitor.example:9091/",
        }
        self.log = folder / "log"
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    def empty(self) -> None:
        """Remove every dashboard."""
        shutil.rmtree(self.dashboards, ignore_errors=True)
        self.dashboards.mkdir()

    def start(self) -> None:
        """Start it on a free port, and return when it answers."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*COMMAND, "--bind", "127.0.0.1:0"],
                env={**os.environ, **self.environment},
                stdout=log,
                stderr=log,
                # A group of its own, so that a kill reaches the worker too, as when a container is killed.
                start_new_session=True,
            )
        found = wait_until(
            lambda: (
                re.search(rb"Listening at: http://127\.0\.0\.1:(\d+)", self.log.read_bytes())
                or self._process is None
                or self._process.poll() is not None
            ),
            "the viewer listens",
        )
        assert isinstance(found, re.Match), self.log.read_text()
        self.port = int(found[1])
        wait_until(self._answers, "the viewer answers")

    def _answers(self) -> bool:
        try:
            return self.get("/api/health").status == 200
        except OSError:
            return False

    def stop(self) -> None:
        """Kill it with its worker."""
        if self._process:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(PATIENCE)
            self._process = None

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """Send one request on a connection of its own; nothing of the path is changed on the way."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, body, headers or {})
            with connection.getresponse() as answer:
                return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        """GET; header names are written with `_` for `-`."""
        return self.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    def post(self, path: str, form: bytes, kind: str = FORM) -> Answer:
        """POST a form."""
        return self.request("POST", path, form, {"Content-Type": kind})

    def write(self, file: str, content: Any) -> None:
        """Write a dashboard file: bytes as they are, anything else as JSON."""
        path = self.dashboards / file
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
