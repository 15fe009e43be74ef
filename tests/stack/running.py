"""Drives one stack of its own: project, ports, and commands as a user types them."""

from __future__ import annotations

import http.client
import itertools
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
# A run of its own: it must pass beside a running stack of the same machine, and leave that alone.
PROJECT = os.environ.get("COMPOSE_PROJECT_NAME", "gte-test")
MAKE = ("make", "--no-print-directory", f"PYTHON={sys.executable}")
PORTS = (
    "GTE_PORT",
    "GTE_METRICS_PORT",
    "PROMETHEUS_PORT",
    "ALERTMANAGER_PORT",
    "ALERT_INBOX_PORT",
    "GRAFANA_PORT",
    "NODE_EXPORTER_PORT",
)


def wait_for(condition: Callable[[], Any], what: str, seconds: float) -> Any:
    """Poll until the condition is true, and give its value."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.25)
    return value


def pass_time(seconds: float) -> None:
    """Let something go on: here time itself is what is waited for."""
    over = time.monotonic() + seconds
    wait_for(lambda: time.monotonic() > over, "time passes", seconds + 5)


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for listener in sockets:
            listener.bind(("127.0.0.1", 0))
        return [int(listener.getsockname()[1]) for listener in sockets]
    finally:
        for listener in sockets:
            listener.close()


def assert_locked_down(container: Mapping[str, Any], *, published: bool = True) -> None:
    """Check that a container, as `docker inspect` shows it, is healthy, bounded, and may do no more than it must."""
    host = container["HostConfig"]
    assert container["State"]["Health"]["Status"] == "healthy"
    assert container["Config"]["User"] not in {"", "0", "root"}
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert host["ReadonlyRootfs"] is True
    assert "no-new-privileges:true" in host["SecurityOpt"]
    assert host["Memory"] > 0
    assert 0 < host["PidsLimit"] <= 4096
    assert host["RestartPolicy"]["Name"] == "unless-stopped"
    assert host["LogConfig"]["Config"]["max-size"] == "10m"
    addresses = [binding["HostIp"] for bindings in host["PortBindings"].values() for binding in bindings]
    assert set(addresses) == ({"127.0.0.1"} if published else set())


@dataclass
class Stack:
    """One running stack.

    Attributes:
        environ: what its commands are started with; nobody's chat hears of the tests, and a queue of 96 texts refuses
            what a few clients send.
        output: what `make demo` printed.
        root: the checkout.
        in_file: the settings that its .env has; a command is not given them once more.
    """

    environ: Mapping[str, str] = field(
        default_factory=lambda: (
            dict(os.environ)
            | {"COMPOSE_PROJECT_NAME": PROJECT, "GTE_WORKERS": "2", "NOTIFY_DIR": "./tests/stack", "HEARTBEAT_URL": ""}
            | {"GTE_QUEUE_TEXTS": "96"}
            | {name: str(port) for name, port in zip(PORTS, free_ports(len(PORTS)), strict=True)}
        )
    )
    output: str = ""
    root: Path = ROOT
    in_file: Mapping[str, str] = field(default_factory=dict)

    @property
    def given(self) -> dict[str, str]:
        """The environment of a command."""
        return {name: value for name, value in self.environ.items() if self.in_file.get(name) != value}

    def run(self, *command: str, seconds: float = 600, given: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command in the project's folder, with `given` as its input; its output is one text."""
        return subprocess.run(
            command, cwd=self.root, env=self.given, input=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            encoding="utf-8", timeout=seconds, check=False,
        )  # fmt: skip

    def must(self, *command: str, seconds: float = 600) -> str:
        """Run a command that has to succeed; returns its output."""
        done = self.run(*command, seconds=seconds)
        assert done.returncode == 0, f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}"
        return done.stdout

    def url(self, port: str, path: str) -> str:
        """An address on this host, by the name of its port's setting."""
        return f"http://127.0.0.1:{self.environ[port]}{path}"

    def get(self, port: str, path: str) -> str:
        """The body that a GET is answered with.

        Raises:
            OSError: no answer, or one with an error status.
        """
        with urllib.request.urlopen(self.url(port, path), timeout=10) as answer:
            text: str = answer.read().decode()
        return text

    def predict(self, text: str | Sequence[str]) -> int:
        """Send a text, or some, for their embeddings; returns the HTTP status."""
        body = json.dumps({"task_type": "embedding", "input_text": text}).encode()
        request = urllib.request.Request(self.url("GTE_PORT", "/predict"), body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                answer.read()
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The result of an instant query."""
        path = "/api/v1/query?" + urllib.parse.urlencode({"query": expression})
        result: list[dict[str, Any]] = json.loads(self.get("PROMETHEUS_PORT", path))["data"]["result"]
        return result

    def notifications(self, alertname: str) -> list[dict[str, Any]]:
        """What the inbox holds of an alert, newest first."""
        found = json.loads(self.get("ALERT_INBOX_PORT", f"/api/notifications?alertname={alertname}"))
        listed: list[dict[str, Any]] = found["notifications"]
        return listed

    def connect(self, service: str, port: int) -> http.client.HTTPConnection | None:
        """A connection to a container itself, not through its published port; None while nothing listens there.

        The engine's proxy on the published port accepts connections whether the container does or not.
        """
        template = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}"
        done = self.run("docker", "inspect", "-f", template, f"{PROJECT}-{service}-1")
        addresses = done.stdout.split() if done.returncode == 0 else []
        # A stopped container has no address. Any other one would be that of another stack.
        if not addresses:
            return None
        connection = http.client.HTTPConnection(addresses[0], port, timeout=60)
        try:
            connection.connect()
        except OSError:
            return None
        return connection

    def containers(self) -> dict[str, dict[str, Any]]:
        """What the engine knows of each container, by its service."""
        identities = self.must("docker", "compose", "ps", "-aq").split()
        inspected = json.loads(self.must("docker", "inspect", *identities)) if identities else []
        return {item["Config"]["Labels"]["com.docker.compose.service"]: item for item in inspected}


def counted(stack: Stack) -> float:
    """All successes of `sentiment` that Prometheus has seen, over every reset of a counter, from its raw samples."""
    name = 'gte_task_requests_total{task_type="sentiment",status="success"}'
    total = 0.0
    for series in stack.query(f"{name}[1h]"):
        values = [float(value) for _, value in series["values"]]
        total += values[0] + sum(now - last if now >= last else now for last, now in itertools.pairwise(values))
    return total
