"""Whether ModelScope answers, tried on servers that answer as it does, and as others do."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time

import pytest

from tools.launcher import probe
from tools.launcher.tests.conftest import Serve

PATH = "/api/v1/models/a/b/repo/files"


@pytest.mark.parametrize("status", [200, 404, 403])
def test_json_is_an_answer_of_modelscope_even_a_refusal(serve: Serve, status: int) -> None:
    assert probe.unreachable(f"http://{serve(status, 'application/json', b'{}')}{PATH}") == ""


@pytest.mark.parametrize("status", [200, 403, 502])
def test_a_page_of_somebody_else_is_none(serve: Serve, status: int) -> None:
    address = serve(status, "text/html", b"<p>Log in</p>")
    reason = probe.unreachable(f"http://{address}{PATH}")
    assert reason == f"what answers at http://{address} is not ModelScope (HTTP {status}, text/html)"


def test_a_closed_port_is_no_answer() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        reason = probe.unreachable(f"http://127.0.0.1:{taken.getsockname()[1]}{PATH}")
    assert "gives no answer" in reason
    assert "refused" in reason


def test_silence_is_no_answer_once_the_time_is_up() -> None:
    started = time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        reason = probe.unreachable(f"http://127.0.0.1:{silent.getsockname()[1]}{PATH}", timeout=0.2)
    assert "timed out" in reason
    assert time.monotonic() - started < 2


def test_what_is_not_http_is_no_answer() -> None:
    assert "gives no answer" in probe.unreachable("ftp-is-not-a-scheme")


@pytest.mark.parametrize(
    ("kind", "status", "reason"), [("application/json", 0, ""), ("text/html", 3, "not ModelScope")]
)
def test_it_runs_from_standard_input_as_in_the_container(serve: Serve, kind: str, status: int, reason: str) -> None:
    with open(probe.__file__, encoding="utf-8") as source:  # noqa: PTH123 (a handle is what subprocess takes)
        ran = subprocess.run(
            [sys.executable, "-", f"http://{serve(200, kind, b'{}')}{PATH}"],
            stdin=source,
            capture_output=True,
            text=True,
            check=False,
        )
    assert ran.returncode == status
    assert reason in json.loads(ran.stdout)["reason"]
