"""A Prometheus that says what a test wants, and containers whose real log is read."""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tools.launcher.compose import Compose
from tools.launcher.container_engine import ask_engine
from tools.reconcile.access_log import Line
from tools.reconcile.moments import say_moment
from tools.reconcile.tests.fake_prometheus import FakePrometheus, running_prometheus

ROOT = Path(__file__).resolve().parents[3]
# An image of ours that has Python; `make prepare` builds it.
_IMAGE_OF = "alert-inbox"

needs_engine = pytest.mark.skipif(not ask_engine().version, reason="no container engine answers on this host")

LoggedBy = Callable[..., Compose]


@pytest.fixture
def prometheus() -> Iterator[FakePrometheus]:
    with running_prometheus() as fake:
        yield fake


def written(line: Line) -> str:
    """The line as the service writes it."""
    said = {
        "time": say_moment(line.time).replace("Z", "000+00:00"),
        "request_id": "one",
        "path": "/predict",
        "task_type": line.task,
        "status": line.status,
        "reason": line.reason or None,
        "http_status": 200,
    }
    return json.dumps(said) + "\n"


@pytest.fixture
def logged_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prometheus: FakePrometheus) -> Iterator[LoggedBy]:
    """Start a container of gte-service that writes a text to its log and ends, in a project of its own."""
    name = f"reconcile-test-{uuid.uuid4().hex[:8]}"
    image = Compose(ROOT).read().services[_IMAGE_OF].image
    if subprocess.run(["docker", "image", "inspect", image], capture_output=True, check=False).returncode:
        pytest.skip(f"the image {image} is not here: make prepare")
    monkeypatch.setenv("COMPOSE_PROJECT_NAME", name)
    compose = Compose(tmp_path)

    def start(text: str, driver: str = "json-file", **options: str) -> Compose:
        (tmp_path / "log").write_text(text, encoding="utf-8")
        # The container's user is not ours.
        (tmp_path / "log").chmod(0o644)
        services = {
            "gte-service": {
                "image": image,
                "network_mode": "none",
                "entrypoint": ["cat"],
                "command": ["/log"],
                "volumes": ["./log:/log:ro"],
                "logging": {"driver": driver, "options": options},
            },
            "prometheus": {
                "image": image,
                "profiles": ["never"],
                "ports": [f"127.0.0.1:{prometheus.port}:9090"],
            },
        }
        (tmp_path / "compose.yaml").write_text(json.dumps({"services": services}), encoding="utf-8")
        run(compose)
        return compose

    yield start
    compose.capture("down", "--volumes", "--remove-orphans", "--timeout", "1", profile="*")


def run(compose: Compose) -> None:
    """Start the container, again if it has run, and wait for its end."""
    started = compose.capture("up", "--detach", "--pull", "never", "gte-service")
    assert started.returncode == 0, started.stderr
    (identity,) = compose.capture("ps", "--all", "--quiet", "gte-service").stdout.split()
    subprocess.run(["docker", "wait", identity], capture_output=True, check=True)
