"""Starts the inbox as the container does, as a process with gunicorn, and talks to it over HTTP."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PATIENCE = 20.0

Json = Any


def wait_until(condition: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    """Return the first true value of `condition`; fail after the deadline."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.02)
    return value


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def alert(name: str = "GTE_TaskLatencyHigh", status: str = "firing", **changes: Json) -> Json:
    """Return one alert in Alertmanager's form."""
    return {
        "status": status,
        "labels": {"alertname": name, "severity": "warning", "task_type": "embedding"},
        "annotations": {"summary": f"{name} summary", "description": "Slow for two minutes."},
        "startsAt": "2026-03-04T05:06:07.123456789Z",
        "endsAt": "0001-01-01T00:00:00Z" if status == "firing" else "2026-03-04T07:11:07Z",
        "generatorURL": "http://127.0.0.1:9091/graph?g0.expr=up",
        "fingerprint": "1234567890abcdef",
        **changes,
    }


def notification(*alerts: Json, **changes: Json) -> Json:
    """Return a webhook body, version "4"."""
    alerts = alerts or (alert(),)
    firing = any(sent["status"] == "firing" for sent in alerts)
    name = alerts[0]["labels"]["alertname"]
    return {
        "receiver": "alert-inbox",
        "status": "firing" if firing else "resolved",
        "alerts": list(alerts),
        "groupLabels": {"alertname": name},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://127.0.0.1:9093",
        "version": "4",
        "groupKey": f'{{}}:{{alertname="{name}"}}',
        "truncatedAlerts": 0,
        **changes,
    }


@dataclass(frozen=True)
class Answer:
    """An HTTP answer, read to its end."""

    status: int
    headers: http.client.HTTPMessage
    text: str

    def json(self) -> Json:
        return json.loads(self.text)

    def error(self) -> Json:
        """Return what is in the one form that errors have."""
        document = self.json()
        assert set(document) == {"error"}
        assert set(document["error"]) == {"code", "message"}
        return document["error"]


class RunningInbox:
    """One database, and a process that serves it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = folder / "inbox.sqlite3"
        self.environment = {"ALERT_INBOX_DATABASE": str(self.database)}
        self.log = folder / "log"
        self.port = 0
        self.inside_port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, before_exec: Callable[[], None] | None = None) -> None:
        """Start it on a free port, and return when it answers."""
        begin = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-W", "error", "-m", "alert_inbox",
                 "--bind", "127.0.0.1:0", "--inside", f"127.0.0.1:{self.inside_port}"],
                env={**os.environ, **self.environment},
                stdout=log,
                stderr=log,
                # A group of its own, so that a kill reaches the worker too, as when a container is killed.
                start_new_session=True,
                preexec_fn=before_exec,  # noqa: PLW1509 - no threads run here
            )  # fmt: skip
        found = wait_until(
            lambda: (
                re.search(rb"Listening at: http://127\.0\.0\.1:(\d+)", self.log.read_bytes()[begin:])
                or self._process is None
                or self._process.poll() is not None
            ),
            "the inbox listens",
        )
        assert isinstance(found, re.Match), self.log.read_text()
        self.port = int(found[1])
        wait_until(self._answers, "the inbox answers")

    def _answers(self) -> bool:
        try:
            return self.get("/metrics").status == 200
        except OSError:
            return False

    @property
    def pid(self) -> int:
        """The process id of gunicorn's master."""
        assert self._process is not None
        return self._process.pid

    def wait(self) -> int:
        """Wait for its end, and return its exit status."""
        assert self._process is not None
        status = self._process.wait(PATIENCE)
        self._process = None
        return status

    def stop(self, sign: signal.Signals = signal.SIGTERM) -> None:
        """End it: SIGTERM to the master as Docker does, SIGKILL to everything at once."""
        if self._process is None:
            return
        if sign is signal.SIGKILL:
            os.killpg(self.pid, sign)
        else:
            os.kill(self.pid, sign)
        self.wait()

    def request(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, port: int | None = None
    ) -> Answer:
        """Send one request on a connection of its own, to the published port unless another one is named."""
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, body, headers or {})
            with connection.getresponse() as answer:
                return Answer(answer.status, answer.headers, answer.read().decode())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        """GET; header names are written with `_` for `-`."""
        return self.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    def post(self, body: Json) -> Answer:
        """POST to /alerts as Alertmanager does; bytes are sent as they are, anything else as JSON."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.request("POST", "/alerts", raw, {"Content-Type": "application/json"})

    def stored(self, query: str = "") -> list[Json]:
        """Return what the API lists."""
        answer = self.get(f"/api/notifications{query}")
        assert answer.status == 200, answer.text
        listed: list[Json] = answer.json()["notifications"]
        return listed
