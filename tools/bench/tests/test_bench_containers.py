"""What runs in a candidate's container: an engine behind HTTP, and the program that asks it."""

from __future__ import annotations

import io
import json
import shutil
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from tools.bench.candidates import ask
from tools.bench.docker import Workspace
from tools.bench.engines import ENGINES
from tools.bench.services import SERVICES


class FakeEngine:
    """An HTTP server that answers with these statuses, then with 200, and repeats the request."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.seconds = 0.0
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                time.sleep(fake.seconds)
                self.send_response(fake.statuses.pop(0) if fake.statuses else 200)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Keep the test's output clean."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.port = str(self.server.server_port)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeEngine]:
    monkeypatch.setattr("sys.stdin", io.StringIO('{"texts": ["今天"]}'))
    engine = FakeEngine()
    engine.thread.start()
    yield engine
    engine.server.shutdown()
    engine.thread.join()
    engine.server.server_close()


def test_the_answer_is_printed(engine: FakeEngine, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask.main(engine.port, "/", "10", "once") == 0
    assert json.loads(capsys.readouterr().out) == {"texts": ["今天"]}


def test_an_engine_that_is_not_ready_is_asked_again(engine: FakeEngine, capsys: pytest.CaptureFixture[str]) -> None:
    engine.statuses = [503, 503]
    assert ask.main(engine.port, "/", "10", "until-ready") == 0
    assert json.loads(capsys.readouterr().out) == {"texts": ["今天"]}


@pytest.mark.parametrize(("seconds", "statuses"), [(0.0, [503] * 99), (1.0, [])])
def test_a_start_has_a_bound(
    engine: FakeEngine, capsys: pytest.CaptureFixture[str], seconds: float, statuses: list[int]
) -> None:
    engine.seconds, engine.statuses = seconds, statuses
    assert ask.main(engine.port, "/", "0.3", "until-ready") == 1
    assert "no answer within 0.3 s; the last try ended with" in capsys.readouterr().err


def test_a_turn_that_fails_is_not_repeated(engine: FakeEngine, capsys: pytest.CaptureFixture[str]) -> None:
    engine.statuses = [500]
    assert ask.main(engine.port, "/", "10", "once") == 1
    assert capsys.readouterr().err == "no answer; the last try ended with status 500\n"


@pytest.mark.skipif(shutil.which("docker") is None, reason="no docker program on this host")
def test_no_candidate_has_a_network_and_each_is_described() -> None:
    services: dict[str, dict[str, Any]] = json.loads(Workspace().compose("config", "--format", "json"))["services"]
    compared = {*(f"engine-{name}" for name in ENGINES), *(f"service-{name}" for name in SERVICES)}
    assert set(services) == {"setup", "rivals", *compared}
    for name in compared:
        image = services[name]["image"]
        ours = ENGINES[name[7:]].ours if name.startswith("engine-") else SERVICES[name[8:]].ours
        assert services[name]["network_mode"] == "none"
        assert ("gte-service" in image) == ours
    assert services["service-ours-int8"]["environment"] == {
        "GTE_MODEL_DIR": "/model", "GTE_PRECISION": "int8", "PYTHONPATH": "/code",
    }  # fmt: skip
    assert services["service-ours-fp32"]["read_only"] is True


@pytest.mark.skipif(shutil.which("docker") is None, reason="no docker program on this host")
def test_engines_take_over_the_switches_of_instruction_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    monkeypatch.delenv("ATEN_CPU_CAPABILITY", raising=False)
    services = json.loads(Workspace().compose("config", "--format", "json"))["services"]
    for name in ("setup", "engine-ours-int8", "engine-ours-fp32", "engine-plain", "engine-peak"):
        assert services[name]["environment"]["ONEDNN_MAX_CPU_ISA"] == "AVX2"
        assert services[name]["environment"]["ATEN_CPU_CAPABILITY"] is None
