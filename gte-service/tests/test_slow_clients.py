"""Clients that are silent or slow leave the service as it is for the others, and are seen."""

from __future__ import annotations

import http.client
import json
import socket
import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack

import pytest
from slow_clients import KINDS, slow_clients

from conftest import Service, wait_for

MANY = 1000
HEAD = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
QUESTION = json.dumps({"task_type": "embedding", "input_text": "今天天气不错"}).encode()


def seconds(service: Service) -> float:
    """The median of 40 requests, each over a connection of its own, as a new client has it."""
    taken = []
    for _ in range(40):
        begun = time.monotonic()
        assert status(service.port, "POST", "/predict", QUESTION) == 200
        taken.append(time.monotonic() - begun)
    return statistics.median(taken)


def status(port: int, method: str, path: str, body: bytes | None = None) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def read_all(connection: socket.socket) -> bytes:
    answer = b""
    while part := connection.recv(1 << 16):
        answer += part
    return answer


@pytest.mark.parametrize("kind", KINDS)
def test_a_thousand_slow_clients_leave_the_service_as_it_is(service: Service, kind: str) -> None:
    alone = min(seconds(service) for _ in range(3))
    with slow_clients(service.port, kind, MANY):
        wait_for(lambda: service.metrics()["gte_arriving_requests"] == MANY, "all are seen", 20)
        for port, path in ((service.port, "/healthz"), (service.port, "/readyz"), (service.metrics_port, "/metrics")):
            begun = time.monotonic()
            assert status(port, "GET", path) == 200
            assert time.monotonic() - begun < 1
        # Other programs of this machine disturb a single series, and a few milliseconds at any time.
        assert min(seconds(service) for _ in range(3)) < max(2 * alone, alone + 0.01)
        assert service.metrics()["gte_server_up"] == 1
    wait_for(lambda: service.metrics()["gte_arriving_requests"] == 0, "all are gone", 20)


def test_each_end_of_an_unfinished_request_is_counted(new_service: Callable[..., Service]) -> None:
    service = new_service(GTE_WORKERS="1", GTE_DEADLINE_SECONDS="1")
    service.wait_until("ready")
    answers = {}
    with ExitStack() as connections:
        opened = {
            sent: connections.enter_context(socket.create_connection(("127.0.0.1", service.port), timeout=20))
            for sent in (b"", HEAD, HEAD + b"Content-Length: 50\r\n\r\n{")
        }
        for sent, connection in opened.items():
            connection.sendall(sent)
        for sent, connection in opened.items():
            answers[sent] = read_all(connection)
    silent, head, body = answers.values()
    assert silent == b""
    for late in (head, body):
        begin, _, document = late.partition(b"\r\n\r\n")
        error = json.loads(document)["error"]
        assert (begin[:13], error["code"]) == (b"HTTP/1.1 408 ", "request_timeout")
        assert f"X-Request-ID: {error['request_id']}".encode() in begin
    series = "gte_unfinished_requests_total"
    wait_for(lambda: service.metrics()[f'{series}{{reason="silent"}}'] == 1, "the silent one", 5)
    metrics = service.metrics()
    assert metrics[f'{series}{{reason="late"}}'] == 2
    assert metrics[f'{series}{{reason="displaced"}}'] == 0
    # The application has seen the one whose headers were complete, and logs and counts it like any other.
    assert metrics['gte_task_errors_total{reason="invalid_json",task_type="unknown"}'] == 1
    assert '"http_status": 408' in service.log.read_text()


def test_hundreds_that_are_late_at_once_delay_nobody(new_service: Callable[..., Service]) -> None:
    service = new_service(GTE_WORKERS="1", GTE_DEADLINE_SECONDS="3")
    service.wait_until("ready")
    late = 'gte_unfinished_requests_total{reason="late"}'
    with slow_clients(service.port, "body", 600):
        wait_for(lambda: service.metrics()["gte_arriving_requests"] >= 600, "all are seen", 20)
        while service.metrics()[late] < 600:
            begun = time.monotonic()
            assert status(service.port, "GET", "/healthz") == 200
            assert time.monotonic() - begun < 1


def test_a_request_is_late_from_its_first_byte_on(new_service: Callable[..., Service]) -> None:
    # The computation takes longer than what the body leaves of the deadline, and less than the deadline.
    service = new_service(
        GTE_WORKERS="1", GTE_DEADLINE_SECONDS="10", GTE_MAX_TEXTS="20000", GTE_MAX_TOKENS="2000000",
        GTE_MAX_BODY_BYTES="10000000",
    )  # fmt: skip
    service.wait_until("ready")
    texts = ["一段比较长的文字用来让计算持续一会儿" * 3] * 9000
    body = json.dumps({"task_type": "embedding", "input_text": texts}).encode()
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as connection:
        begun = time.monotonic()
        connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(body))
        wait_for(lambda: time.monotonic() - begun > 9.5, "most of the deadline")
        connection.sendall(body)
        # 408 where this machine is so slow that even the body comes too late.
        assert connection.recv(1 << 16)[:13] in (b"HTTP/1.1 504 ", b"HTTP/1.1 408 ")
        assert time.monotonic() - begun < 18
