"""Real models, real processes and real HTTP for the tests."""

from __future__ import annotations

import atexit
import functools
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

from gte_service.engine.store.prepared import Prepared, prepare
from gte_service.engine.store.synthetic import write_lexical
from gte_service.serving import preparer
from gte_service.settings import BUILTIN_LEXICAL, read_settings

# The beginning of a program that pauses before it writes weights, until it gets a line.
PAUSING = """
import sys
from gte_service.engine.store import prepared

write = prepared._write_weights


def pausing(*arguments):
    print("writing", flush=True)
    sys.stdin.readline()
    return write(*arguments)


prepared._write_weights = pausing
"""


def wait_for(condition: Callable[[], Any], what: str, seconds: float = 60) -> Any:
    """Poll until the condition is true, and give its value."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.05)
    return value


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def lexical_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo model as a published model folder."""
    folder = tmp_path_factory.mktemp("lexical")
    write_lexical(folder)
    return folder


@pytest.fixture(scope="session")
def lexical(lexical_source: Path, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """The demo model, prepared."""
    return prepare(lexical_source, "builtin:lexical", tmp_path_factory.mktemp("prepared"))


@functools.cache
def models_home() -> Path:
    """The demo model, prepared once in a folder that all services of a test run share."""
    folder = Path(tempfile.mkdtemp(prefix="gte-models-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    threads = torch.get_num_threads()
    preparer.run(
        read_settings(
            {"GTE_MODEL": BUILTIN_LEXICAL, "GTE_MODELS_HOME": str(folder), "GTE_RUN_DIR": str(folder / "run")}
        )
    )
    torch.set_num_threads(threads)
    return folder


@dataclass
class Answer:
    status: int
    headers: Any
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


@dataclass
class Service:
    """`gte-service serve` as the container runs it; `folder`: where it is started, if not here."""

    home: Path
    environ: dict[str, str]
    port: int = field(default_factory=free_port)
    metrics_port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    stdout: int | None = None
    folder: Path | None = None

    def start(self) -> None:
        is_demo = not {"GTE_MODEL", "GTE_MODEL_DIR"} & self.environ.keys()
        environ = dict(os.environ) | {
            "GTE_MODEL": BUILTIN_LEXICAL,
            "GTE_MODELS_HOME": str(models_home() if is_demo else self.home / "models"),
            "GTE_RUN_DIR": str(self.home / "run"),
            "GTE_METRICS_DIR": str(self.home / "metrics"),
            "GTE_LISTEN_PORT": str(self.port),
            "GTE_METRICS_LISTEN_PORT": str(self.metrics_port),
            "GTE_TORCH_THREADS": "1",
            # Only where a test wants it: the service's own questions would share batches with the test's.
            "GTE_PROBE_SECONDS": "0",
        }
        environ |= self.environ
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gte_service", "serve"],
                env=environ,
                cwd=self.folder,
                stdout=log if self.stdout is None else self.stdout,
                stderr=log,
            )

    @property
    def metrics_dir(self) -> Path:
        return self.home / "metrics" / "replica-0"

    @property
    def log(self) -> Path:
        return self.home / "log"

    def ask(
        self,
        path: str,
        body: object = None,
        *,
        data: bytes | None = None,
        port: int = 0,
        headers: dict[str, str] | None = None,
        method: str | None = None,
    ) -> Answer:
        if body is not None:
            data = json.dumps(body).encode()
        url = f"http://127.0.0.1:{port or self.port}{path}"
        request = urllib.request.Request(
            url, data=data, headers={"Content-Type": "application/json"} | (headers or {}), method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return Answer(answer.status, answer.headers, answer.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.headers, error.read().decode())

    def predict(self, task_type: str, input_text: object, **fields: object) -> Answer:
        return self.ask("/predict", {"task_type": task_type, "input_text": input_text, **fields})

    def readiness(self) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = self.ask("/readyz").json
        except OSError:
            return {"status": "unreachable"}
        return answer

    def wait_until(self, state: str, seconds: float = 60) -> dict[str, Any]:
        def there() -> dict[str, Any] | None:
            assert self.process is not None
            assert self.process.poll() is None, self.log.read_text()
            now = self.readiness()
            return now if now["status"] == state else None

        found: dict[str, Any] = wait_for(there, f"state {state}", seconds)
        return found

    def metrics(self) -> dict[str, float]:
        """Every sample, by its name with labels as the exposition writes them."""
        lines = self.ask("/metrics", port=self.metrics_port).text.splitlines()
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[:1] != "#")}

    def stop(self) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(timeout=60)


@pytest.fixture
def new_service(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Starts services that are stopped after the test."""
    started: list[Service] = []

    def start(stdout: int | None = None, **environ: str) -> Service:
        home = tmp_path / str(len(started))
        home.mkdir()
        service = Service(home, environ, stdout=stdout)
        started.append(service)
        service.start()
        return service

    yield start
    for service in started:
        service.stop()


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One ready service with two workers, for all tests that leave it as it is and compare counts before and after."""
    running = Service(tmp_path_factory.mktemp("service"), {"GTE_WORKERS": "2"})
    running.start()
    running.wait_until("ready")
    yield running
    assert running.stop() == 0


@pytest.fixture
def small_disk() -> Path:
    """A file system of a few MiB, which whoever starts the tests mounts and names."""
    if "GTE_TEST_SMALL_DISK" not in os.environ:
        pytest.skip("GTE_TEST_SMALL_DISK names no file system of a few MiB; make test mounts one")
    return Path(os.environ["GTE_TEST_SMALL_DISK"])
