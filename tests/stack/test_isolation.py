"""What a page of somebody else's and the service itself can't reach: the programs that watch over it."""

from __future__ import annotations

import http.client
import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.stack.running import Stack

# What listens in the network of alerts, by service.
ALERTS = {
    "alertmanager": [9093],
    "alert-inbox": [5001, 5002],
    "reverse-proxy": [8080, 9091, 9093, 9100],
    "dashboard-viewer": [3000],
    "grafana": [3000],
}
PROXIED = {
    "PROMETHEUS_PORT": "/api/v1/query?query=1",
    "ALERTMANAGER_PORT": "/api/v2/silences",
    "NODE_EXPORTER_PORT": "/metrics",
}
PAGES = PROXIED | {"ALERT_INBOX_PORT": "/api/notifications", "GRAFANA_PORT": "/dashboards"}
REACH = """
import json, socket, sys
from concurrent.futures import ThreadPoolExecutor

def is_reached(place):
    try:
        socket.create_connection(place, 2).close()
        return True
    except OSError:
        return False

places = json.load(sys.stdin)
with ThreadPoolExecutor(len(places)) as pool:
    print(json.dumps([place for place, reached in zip(places, pool.map(is_reached, places)) if reached]))
"""


def ask(
    stack: Stack, port: str, path: str, method: str = "GET", body: object = None, **headers: str
) -> tuple[int, str, str]:
    """HTTP status, the origins that a browser would let read the answer, and the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", int(stack.environ[port]), timeout=10)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        connection.request(method, path, None if body is None else json.dumps(body), named)
        answer = connection.getresponse()
        return answer.status, answer.getheader("Access-Control-Allow-Origin", ""), answer.read().decode()
    finally:
        connection.close()


def silence(alert: str) -> dict[str, object]:
    now = datetime.now(UTC)
    return {
        "matchers": [{"name": "alertname", "value": alert, "isRegex": False, "isEqual": True}],
        "startsAt": now.isoformat(),
        "endsAt": (now + timedelta(minutes=1)).isoformat(),
        "createdBy": "test",
        "comment": "test",
    }


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "https://127.0.0.1"])
@pytest.mark.parametrize("port", PROXIED)
def test_a_page_of_another_origin_reads_nothing(stack: Stack, port: str, origin: str) -> None:
    status, readers, answer = ask(stack, port, PROXIED[port], Origin=origin)
    assert (status, readers) == (403, ""), answer
    assert f"another origin asks here, and may not: {origin}" in answer


def test_a_page_of_another_origin_can_silence_nothing(stack: Stack) -> None:
    asked = {"Access_Control_Request_Method": "POST", "Access_Control_Request_Headers": "content-type"}
    preflight = ask(stack, "ALERTMANAGER_PORT", "/api/v2/silences", "OPTIONS", Origin="http://evil.example", **asked)
    assert preflight[:2] == (403, "")
    posted = ask(
        stack, "ALERTMANAGER_PORT", "/api/v2/silences", "POST", silence("OfAnotherOrigin"), Origin="http://evil.example",
        Content_Type="application/json",
    )  # fmt: skip
    assert posted[:2] == (403, "")
    assert "OfAnotherOrigin" not in ask(stack, "ALERTMANAGER_PORT", "/api/v2/silences")[2]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_alertmanagers_own_page_can_silence(stack: Stack, host: str) -> None:
    at = f"{host}:{stack.environ['ALERTMANAGER_PORT']}"
    own = {"Host": at, "Origin": f"http://{at}"}
    posted = ask(
        stack,
        "ALERTMANAGER_PORT",
        "/api/v2/silences",
        "POST",
        silence("OfItsOwn"),
        Content_Type="application/json",
        **own,
    )
    assert posted[0] == 200, posted
    path = f"/api/v2/silence/{json.loads(posted[2])['silenceID']}"
    assert ask(stack, "ALERTMANAGER_PORT", path, "DELETE", **own)[0] == 200


@pytest.mark.parametrize("port", PAGES)
def test_a_name_that_leads_here_by_dns_rebinding_is_not_answered(stack: Stack, port: str) -> None:
    name = f"evil.example:{stack.environ[port]}"
    status, _, answer = ask(stack, port, PAGES[port], Host=name, Origin=f"http://{name}")
    # Grafana leads whoever comes by another name to its own.
    assert status == 301 if port == "GRAFANA_PORT" and "LEFT OUT: grafana" not in stack.output else status == 403
    assert "evil.example" not in answer or "add it to ALLOWED_HOSTS" in answer


@pytest.mark.parametrize("port", PAGES)
@pytest.mark.parametrize("host", ["localhost", "10.1.2.3", "[::1]"])
def test_its_own_names_and_addresses_are_answered(stack: Stack, port: str, host: str) -> None:
    if port == "GRAFANA_PORT" and "LEFT OUT: grafana" not in stack.output:
        pytest.skip("Grafana leads to the one name that it knows")
    assert ask(stack, port, PAGES[port], Host=f"{host}:1")[0] == 200


def test_no_other_page_can_show_one_of_these_in_a_frame(stack: Stack) -> None:
    for port, path in PROXIED.items():
        connection = http.client.HTTPConnection("127.0.0.1", int(stack.environ[port]), timeout=10)
        connection.request("GET", path)
        assert connection.getresponse().getheader("Content-Security-Policy") == "frame-ancestors 'none'"
        connection.close()


def test_the_service_reaches_nothing_that_alerts_pass_through(stack: Stack) -> None:
    containers = stack.containers()
    places = [
        [host, port]
        for service, ports in ALERTS.items()
        if service in containers
        for host in [
            service,
            *(net["IPAddress"] for net in containers[service]["NetworkSettings"]["Networks"].values()),
        ]
        for port in ports
    ]
    assert len(places) > 10

    def reached(service: str, places: list[list[object]]) -> list[list[object]]:
        command = ("docker", "compose", "exec", "-T", service, "python", "-c", REACH)
        found: list[list[object]] = json.loads(stack.run(*command, given=json.dumps(places)).stdout)
        return found

    assert reached("gte-service", [*places, ["prometheus", 9090]]) == [["prometheus", 9090]]
    # From where it may be reached: the places exist.
    assert ["alertmanager", 9093] in reached("alert-inbox", places)


def test_the_hosts_exporter_has_no_way_out(stack: Stack) -> None:
    networks = stack.containers()["node-exporter"]["NetworkSettings"]["Networks"]
    inspected = json.loads(stack.must("docker", "network", "inspect", *networks))
    assert [network["Internal"] for network in inspected] == [True]
