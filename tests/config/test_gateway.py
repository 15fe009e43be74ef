"""The gateway before two replicas of a few lines: what it passes on, sends again, refuses, logs and counts."""

from __future__ import annotations

import http.client
import json
import select
import socket
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest

from tests.config.containers import base_image_of, docker, needs_engine, unique, wait_for

FILES = ("--project-directory=.", "--file=compose.yaml", "--file=gateway/compose.yaml")
LIMITS = {"GTE_MAX_BODY_BYTES": "150000000", "GATEWAY_CONNECTIONS": "4", "GATEWAY_REQUESTS_PER_SECOND": "50"}
# Answers what it was sent, but takes a request for /cut in full and closes the connection.
REPLICA = """
import json, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Replica(BaseHTTPRequestHandler):
    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        print(self.command, self.path, flush=True)
        if "/cut" in self.path:
            return
        answer = json.dumps({"path": self.path, "body": body.decode(), "headers": dict(self.headers)}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.send_header("X-Task-Type", "qa")
        self.end_headers()
        self.wfile.write(answer)

    do_POST = do_GET

    def log_message(self, *arguments):
        pass

ThreadingHTTPServer(("", 5000), Replica).serve_forever()
"""


@dataclass(frozen=True)
class Gateway:
    """A running gateway.

    Attributes:
        compose: how a compose command on its project begins.
        port: on this host.
    """

    compose: tuple[str, ...]
    port: int

    def ask(self, method: str, path: str, body: str = "") -> tuple[int, http.client.HTTPMessage, dict[str, Any]]:
        """Status, headers and JSON of an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body or None)
            answer = connection.getresponse()
            return answer.status, answer.headers, json.loads(answer.read() or b"{}")
        finally:
            connection.close()

    def begin(self, head: str) -> socket.socket:
        """A connection on which the beginning of a request was sent."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        connection.sendall(head.encode())
        return connection

    def sent(self, path: str) -> int:
        """How many times a replica was sent a request for a path."""
        return self.logs("gte-service").count(path)

    def logs(self, service: str) -> str:
        """All lines of a service's log."""
        return docker(*self.compose, "logs", "--no-color", "--no-log-prefix", service)

    def line(self, path: str) -> dict[str, Any]:
        """The line of the access log about a path."""

        def found() -> dict[str, Any] | None:
            lines = [json.loads(line) for line in self.logs("gateway").splitlines() if line.startswith("{")]
            return next((line for line in lines if line["path"].startswith(path)), None)

        return wait_for(f"a line about {path}", found, 10)

    def counted(self) -> dict[str, float]:
        """Its metrics."""
        text = docker(*self.compose, "exec", "-T", "gateway", "wget", "-q", "-O", "-", "http://127.0.0.1:9090/metrics")
        return {
            key: float(value) for key, _, value in (line.rpartition(" ") for line in text.splitlines()) if key[0] != "#"
        }


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("gateway")
    folder.chmod(0o755)
    program = folder / "replica.py"
    program.write_text(REPLICA)
    override = folder / "compose.json"
    replica = {
        "image": base_image_of("gte-service"),
        "entrypoint": ["python", "/replica.py"],
        "healthcheck": {"test": ["CMD", "true"], "interval": "1s"},
        "volumes": [f"{program}:/replica.py:ro"],
    }
    override.write_text(json.dumps({"services": {"gte-service": replica}}))
    compose = ("compose", f"--project-name={unique('gateway')}", *FILES, f"--file={override}")
    settings = {"GTE_PORT": "0", "GTE_REPLICAS": "2", "BIND_ADDRESS": "127.0.0.1", **LIMITS}
    try:
        docker(*compose, "up", "--detach", "--wait", "--no-build", "gte-service", "gateway", settings=settings)
        found = Gateway(compose, int(docker(*compose, "port", "gateway", "5000").rpartition(":")[2]))
        wait_for("both replicas are found", lambda: both_answer(found))
        yield found
    finally:
        docker(*compose, "down", "--volumes", "--timeout=1")


def both_answer(gateway: Gateway) -> bool:
    """Whether two requests reach two replicas."""
    path = fresh("/found")
    gateway.ask("GET", path)
    gateway.ask("GET", path)
    prefixed = docker(*gateway.compose, "logs", "--no-color", "gte-service").splitlines()
    return len({line.split("|")[0] for line in prefixed if path in line}) == 2


def fresh(path: str) -> str:
    return f"{path}/{uuid.uuid4().hex}"


@cache
def services() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(docker("compose", *FILES, "config", "--format", "json"))["services"]
    return found


@needs_engine
@pytest.mark.parametrize("key", ["restart", "init", "read_only", "cap_drop", "security_opt", "pids_limit", "logging"])
def test_the_gateway_is_locked_down_as_the_others(key: str) -> None:
    assert services()["gateway"][key] == services()["prometheus"][key]


@needs_engine
def test_one_version_of_nginx_serves_the_gateway_and_the_reverse_proxy() -> None:
    assert services()["gateway"]["image"] == services()["reverse-proxy"]["image"]


@needs_engine
def test_it_has_the_port_and_the_limits_that_the_service_has_without_it() -> None:
    without = json.loads(docker("compose", "--file=compose.yaml", "config", "--format", "json"))["services"]
    gateway, service = services()["gateway"], services()["gte-service"]
    assert gateway["ports"] == [port for port in without["gte-service"]["ports"] if port["target"] == 5000]
    assert "ports" not in service
    assert gateway["user"] == "101:101"
    assert int(gateway["mem_limit"]) > 0
    # A replica answers its last request before the gateway gives it up.
    assert gateway["stop_grace_period"] > service["stop_grace_period"]


@needs_engine
def test_a_post_that_was_sent_is_never_sent_again(gateway: Gateway) -> None:
    path = fresh("/cut")
    status, headers, body = gateway.ask("POST", path, "x")
    assert (status, body["error"]["code"]) == (502, "no_replica")
    assert body["error"]["request_id"] == headers["X-Request-ID"]
    assert gateway.sent(path) == 1


@needs_engine
def test_a_get_that_was_cut_is_sent_to_the_other_replica(gateway: Gateway) -> None:
    path = fresh("/cut")
    before = gateway.counted()["nginx_upstream_retries_total"]
    assert gateway.ask("GET", path)[0] == 502
    assert gateway.sent(path) == 2
    assert gateway.counted()["nginx_upstream_retries_total"] == before + 1


@needs_engine
def test_a_replica_that_goes_fails_nothing_that_it_was_not_sent(gateway: Gateway) -> None:
    """One is left then, which nginx treats in a way of its own."""
    path = fresh("/going")
    over = threading.Event()

    def client() -> list[int]:
        found = []
        while not over.wait(0.1):
            found.append(gateway.ask("POST", path, "x")[0])
        return found

    replica = docker(*gateway.compose, "ps", "--quiet", "gte-service").split()[0]
    with ThreadPoolExecutor(3) as pool:
        clients = [pool.submit(client) for _ in range(3)]
        try:
            wait_for("traffic", lambda: gateway.sent(path) > 10, 20)
            docker("kill", replica)
            before = gateway.sent(path)
            # More than come while some still wait for it.
            wait_for("the time after it", lambda: gateway.sent(path) > before + 60, 30)
        finally:
            over.set()
    docker("start", replica)
    wait_for("both replicas are found", lambda: both_answer(gateway), 20)
    answers = Counter(status for one in clients for status in one.result())
    # Each client had one request at most in its hands.
    assert answers[502] <= 3
    assert set(answers) <= {200, 502}, answers


@needs_engine
def test_failures_cut_off_nobody_else(gateway: Gateway) -> None:
    for _ in range(6):
        gateway.ask("POST", "/cut", "x")
    assert [gateway.ask("POST", "/predict", "x")[0] for _ in range(6)] == [200] * 6


@needs_engine
def test_the_prefix_is_taken_off_and_nothing_else(gateway: Gateway) -> None:
    answer = gateway.ask("POST", "/gte/predict?a=b%20c", "text")[2]
    assert (answer["path"], answer["body"]) == ("/predict?a=b%20c", "text")
    assert answer["headers"]["X-Forwarded-Prefix"] == "/gte"
    assert gateway.ask("GET", "/v1//models?a=%2F")[2]["path"] == "/v1//models?a=%2F"
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
    connection.request("GET", "/gte?lang=zh")
    redirect = connection.getresponse()
    assert (redirect.status, redirect.headers["Location"]) == (301, "/gte/?lang=zh")
    connection.close()


@needs_engine
def test_the_log_has_task_and_status_and_nothing_that_was_sent(gateway: Gateway) -> None:
    path = fresh("/logged")
    assert gateway.ask("POST", f"{path}?q=secret", "geheim")[0] == 200
    line = gateway.line(path)
    assert (line["task_type"], line["status"], line["http_status"], line["path"]) == ("qa", "success", 200, path)
    assert (line["method"], line["replica_status"]) == ("POST", "200")
    log = gateway.logs("gateway")
    assert "secret" not in log
    assert "geheim" not in log
    # A line end in it, which a pattern may stop at, takes no more room than any other character.
    long = fresh("/long")
    assert gateway.ask("GET", long + "%0A" + "x" * 4000)[0] == 200
    assert len(gateway.line(long)["path"]) == 200


@needs_engine
def test_too_large_a_body_is_refused_as_the_service_would(gateway: Gateway) -> None:
    path = fresh("/large")
    with gateway.begin(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 150000001\r\n\r\n") as connection:
        received = connection.recv(1 << 16)
    assert received.startswith(b"HTTP/1.1 413 ")
    assert json.loads(received.partition(b"\r\n\r\n")[2])["error"]["code"] == "too_large"
    assert gateway.sent(path) == 0
    assert gateway.line(path)["status"] == "invalid"


@needs_engine
@pytest.mark.parametrize("body", ["Content-Length: 100000", "Transfer-Encoding: chunked"])
def test_one_address_cant_fill_the_room_for_the_bodies_of_all(gateway: Gateway, body: str) -> None:
    slow = [gateway.begin(f"POST /slow HTTP/1.1\r\nHost: x\r\n{body}\r\n\r\n") for _ in range(3)]
    (refused,) = wait_for("one too many", lambda: select.select(slow, [], [], 0)[0], 5)
    assert b" 429 " in refused.recv(100)
    assert gateway.ask("POST", "/predict", "x" * 99999)[0] == 200
    for connection in slow:
        connection.close()
    wait_for("their end", lambda: gateway.counted()["nginx_connections_active"] == 1, 5)


@needs_engine
@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        ("GET /../../etc/passwd HTTP/1.1", 400),
        ("GET /gte?a=b c: d HTTP/1.1", 400),
        ("\x16\x03\x01", 400),
        ("CONNECT other:443 HTTP/1.1", 405),
        ("TRACE / HTTP/1.1", 405),
        (f"GET /{'x' * 40000} HTTP/1.1", 414),
    ],
)
def test_a_line_that_is_no_request_is_the_clients_error(gateway: Gateway, request_line: str, status: int) -> None:
    before = gateway.counted(), len(gateway.logs("gateway"))
    with gateway.begin(f"{request_line}\r\nHost: x\r\nConnection: close\r\n\r\n") as connection:
        received = connection.recv(1 << 16)
    assert received.startswith(f"HTTP/1.1 {status} ".encode())
    assert json.loads(received.partition(b"\r\n\r\n")[2])["error"]["code"] == "invalid_request"
    key = f'nginx_http_requests_total{{task_type="",code="{status}"}}'
    assert gateway.counted()[key] == before[0].get(key, 0) + 1
    # No client may fill the log.
    assert len(gateway.logs("gateway")) - before[1] < 1000


@needs_engine
def test_slow_clients_reach_no_replica_and_one_address_has_a_limit(gateway: Gateway) -> None:
    path = fresh("/slow")
    late = 'nginx_http_requests_total{task_type="",code="408"}'
    before = gateway.counted().get(late, 0)
    slow = [gateway.begin(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx") for _ in range(5)]
    (refused,) = wait_for("one too many", lambda: select.select(slow, [], [], 0)[0], 5)
    assert b" 429 " in refused.recv(100)
    wait_for("the end of the others", lambda: gateway.counted().get(late) == before + 4, 25)
    assert gateway.sent(path) == 0
    for connection in slow:
        connection.close()
    assert gateway.ask("GET", "/after")[0] == 200


@needs_engine
def test_each_answer_is_counted_once_by_task_and_status(gateway: Gateway) -> None:
    before = gateway.counted()
    for _ in range(5):
        assert gateway.ask("POST", "/predict", "x")[0] == 200
    gateway.ask("POST", "/cut", "x")
    after = gateway.counted()
    risen = {key: after[key] - before.get(key, 0) for key in after if key.startswith("nginx_http_requests_total")}
    assert {key: value for key, value in risen.items() if value} == {
        'nginx_http_requests_total{task_type="qa",code="200"}': 5,
        'nginx_http_requests_total{task_type="",code="502"}': 1,
    }


@needs_engine
def test_a_flood_from_one_address_is_refused(gateway: Gateway) -> None:
    # All at once on one connection: nothing on this host can slow it down.
    with gateway.begin("GET /flood HTTP/1.1\r\nHost: x\r\n\r\n" * 400) as connection:
        received = b""
        while b"HTTP/1.1 429 " not in received:
            received += (more := connection.recv(1 << 16))
            assert more, "all were answered"
    assert b"HTTP/1.1 200 " in received
