"""Where an app's /metrics listens: on loopback and beside the stack unless it is told otherwise."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from running_app import BIND, MEASURED, ROOT, Start, starting

from conftest import wait_for
from gte_monitoring.settings import read_monitoring_settings


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts apps."""
    yield from starting(tmp_path)


def listens(address: str, port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex((address, port)) == 0


def test_the_default_port_is_none_of_the_stacks() -> None:
    stack = {int(port) for port in re.findall(r"_PORT:-(\d+)", (ROOT / "compose.yaml").read_text())}
    assert {5000, 9090, 9091, 3000, 9100, 9093, 5001} <= stack
    settings = read_monitoring_settings({})
    assert settings.address == "127.0.0.1"
    assert settings.port not in stack


def test_an_app_that_says_nothing_serves_its_metrics_on_loopback_only(start: Start) -> None:
    app = start(*MEASURED, *BIND, "app:app")
    # A socket on all addresses would answer at this one of this machine too.
    assert not listens("127.0.0.2", app.metrics_port)
    assert listens("127.0.0.1", app.metrics_port)


def test_an_app_that_names_an_address_serves_its_metrics_there(start: Start) -> None:
    app = start(*MEASURED, *BIND, "app:app", GTE_METRICS_ADDRESS="0.0.0.0")
    assert listens("127.0.0.2", app.metrics_port)


def test_an_address_that_this_machine_lacks_is_named_in_the_log(start: Start) -> None:
    app = start(*MEASURED, *BIND, "app:app", exported=False, GTE_METRICS_ADDRESS="192.0.2.1")
    wait_for(lambda: "192.0.2.1" in app.log, "the message")
    (said,) = [line for line in app.log.splitlines() if "192.0.2.1" in line]
    assert "Name an address of this machine in GTE_METRICS_ADDRESS" in said
