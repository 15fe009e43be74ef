"""GET /replicas: the targets that Prometheus reads, by names where they are known, and for nobody else's name."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import free_port, wait_for
from gte_monitoring.exposition import replica_list
from gte_monitoring.exposition.exporter import exposition, serve
from gte_monitoring.exposition.replica_list import names_of, targets

NETWORK = "shop_default"


def test_each_replica_is_scraped_by_its_name_and_called_by_its_number() -> None:
    names = {"10.0.0.2": f"shop-gte-service-1.{NETWORK}", "10.0.0.3": f"shop-gte-service-12.{NETWORK}"}
    assert targets("gte-service", 9090, names) == [
        {"targets": ["shop-gte-service-1.:9090"], "labels": {"instance": "gte-service-1"}},
        {"targets": ["shop-gte-service-12.:9090"], "labels": {"instance": "gte-service-12"}},
    ]


@pytest.mark.parametrize(
    ("container", "network", "instance"),
    [
        ("gte-service-1", "net", "gte-service-1"),
        ("old_gte-service_2", "old_default", "gte-service-2"),
        ("gte-2-gte-service-3", "net.of.mine", "gte-service-3"),
        ("stack_gte-service.4.k2v9x0a1b2c3", "stack_default", "gte-service-4"),
    ],
)
def test_name_and_number_are_found_however_compose_or_swarm_names_a_container(
    container: str, network: str, instance: str
) -> None:
    assert targets("gte-service", 9090, {"10.0.0.2": f"{container}.{network}"}) == [
        {"targets": [f"{container}.:9090"], "labels": {"instance": instance}}
    ]


@pytest.mark.parametrize(
    "name",
    [None, "embedder.net", "ip-10-0-0-2.internal", "shop-gte-service-run-5f2a.net", "shop-gtexservice-1.net",
     "shop-gte-service-1", "shop-other-gte-service-x-1.net"],
)  # fmt: skip
def test_a_replica_whose_name_says_no_number_is_scraped_by_its_address(name: str | None) -> None:
    assert targets("gte-service", 9090, {"10.0.0.2": name}) == [{"targets": ["10.0.0.2:9090"]}]


def test_replicas_whose_names_say_the_same_number_are_not_mixed_up() -> None:
    names = {
        "10.0.0.2": "one-gte-service-1.net",
        "10.0.0.3": "two-gte-service-1.net",
        "10.0.0.4": "two-gte-service-2.net",
    }
    assert [group["targets"][0] for group in targets("gte-service", 9090, names)] == [
        "10.0.0.2:9090", "10.0.0.3:9090", "two-gte-service-2.:9090",
    ]  # fmt: skip


def test_a_dot_in_a_services_name_stands_for_nothing_else() -> None:
    names = {"10.0.0.2": "gte.service-1.net", "10.0.0.3": "gte-service-1.net"}
    first, second = targets("gte.service", 9090, names)
    assert first["labels"] == {"instance": "gte.service-1"}
    assert "labels" not in second


def test_a_slow_dns_server_costs_names_and_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def slow(address: str, seconds: float) -> str | None:
        assert seconds > 0
        now[0] += seconds
        return None

    monkeypatch.setattr(replica_list, "container_name", slow)
    addresses = [f"10.0.0.{number}" for number in range(1, 10)]
    assert names_of(addresses) == dict.fromkeys(addresses)
    assert now[0] <= 3.0


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """That of a running exporter."""
    free = free_port()
    process = subprocess.Popen([sys.executable, "-m", "gte_monitoring", str(tmp_path), "0.0.0.0", str(free)])
    try:
        wait_for(lambda: ask(free, "/metrics", "x")[0] == 200, "the metrics")
        yield free
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def ask(port: int, path: str, host: str) -> tuple[int, str, str]:
    """Status, content type and text of an answer, as somebody gets it who reaches the exporter by that name."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Host": host})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], error.read().decode()
    except OSError:
        return 0, "", ""


def test_the_exporter_lists_the_replicas_of_the_name_it_is_asked_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {"10.0.0.2": "shop-gte-service-1.net", "10.0.0.3": "shop-gte-service-2.net", "10.0.0.9": "shop-other-1.net"}
    known = {"gte-service": {"10.0.0.2", "10.0.0.3"}, "other": {"10.0.0.9"}}
    monkeypatch.setattr(replica_list, "addresses_of", lambda name: known.get(name, set()))
    monkeypatch.setattr(replica_list, "own_addresses", lambda: {"10.0.0.3", "10.1.0.3"})
    monkeypatch.setattr(replica_list, "container_name", lambda address, seconds: names[address])
    server, thread = serve(exposition(tmp_path), 0, "127.0.0.1")
    try:
        for host in ("gte-service.:9090", "gte-service:9090", "gte-service"):
            status, kind, text = ask(server.server_port, "/replicas", host)
            assert (status, kind) == (200, "application/json")
            assert json.loads(text) == targets(
                "gte-service", server.server_port, {address: names[address] for address in ("10.0.0.2", "10.0.0.3")}
            )
        assert ask(server.server_port, "/replicas", "other:9090")[0] == 404
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("host", ["no-such-name.invalid", "192.0.2.1:9090", "", "x" * 300, "[::1]:9090"])
def test_it_looks_up_no_name_but_its_own(port: int, host: str) -> None:
    status, kind, text = ask(port, "/replicas", host)
    assert (status, kind) == (404, "text/plain; charset=utf-8")
    assert "ask by the service's name" in text


def test_the_metrics_are_where_they_were(port: int) -> None:
    for path in ("/metrics", "/metrics?name[]=gte_workers", "/"):
        status, kind, text = ask(port, path, "anything")
        assert (status, kind.partition(";")[0]) == (200, "text/plain")
        assert "gte_workers" in text
