"""A client gets its answer even where it comes before the service has read all that the client sends."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator

import pytest
import requests

from conftest import Service

LONG = b"x" * 50_000_000
JSON = {"Content-Type": "application/json"}
HEAD = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


def pieces() -> Iterator[bytes]:
    for start in range(0, len(LONG), 1 << 16):
        yield LONG[start : start + (1 << 16)]


def exchange(service: Service, *parts: bytes, then_end: bool = False) -> bytes:
    """Send bytes and read until the service closes the connection."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as connection:
        for part in parts:
            connection.sendall(part)
        if then_end:
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        while part := connection.recv(1 << 16):
            answer += part
        return answer


def error_of(answer: bytes) -> dict[str, object]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"Content-Type: application/json" in head
    error: dict[str, object] = json.loads(body)["error"]
    assert list(error) == ["code", "message", "field", "request_id"]
    assert f"X-Request-ID: {error['request_id']}".encode() in head
    return error


def test_urllib_gets_the_refusal_of_50_mb(service: Service) -> None:
    answer = service.ask("/predict", data=LONG)
    assert (answer.status, answer.json["error"]["code"]) == (413, "too_large")
    assert "50000000" in answer.json["error"]["message"]
    assert "4194304" in answer.json["error"]["message"]


@pytest.mark.parametrize("send", [lambda: LONG, pieces], ids=["with a length", "in chunks"])
def test_requests_gets_it_too(service: Service, send: Callable[[], bytes | Iterator[bytes]]) -> None:
    answer = requests.post(f"http://127.0.0.1:{service.port}/predict", data=send(), headers=JSON, timeout=30)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
    assert answer.headers["Connection"] == "close"


def test_a_body_that_is_declared_too_long_is_refused_unread(service: Service) -> None:
    begun = time.monotonic()
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as connection:
        connection.sendall(HEAD + b"Content-Length: 10000000000\r\n\r\n")
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 413 ")
    assert time.monotonic() - begun < 1


def test_chunks_are_refused_as_soon_as_they_are_too_many(service: Service) -> None:
    # The body has no end: an answer comes only from whoever doesn't wait for it.
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as connection:
        connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + 65 * chunk)
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 413 ")


def test_a_body_of_just_the_limit_is_read(new_service: Callable[..., Service]) -> None:
    service = new_service(GTE_WORKERS="1", GTE_MAX_BODY_BYTES="2000")
    service.wait_until("ready")
    body = json.dumps({"task_type": "embedding", "input_text": "x"}).encode()
    for length, status in ((2000, 200), (2001, 413)):
        padded = body.ljust(length)
        assert service.ask("/predict", data=padded).status == status
        chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (length, padded)
        answer = exchange(service, HEAD + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked)
        assert answer.startswith(b"HTTP/1.1 %d " % status)


@pytest.mark.parametrize("path", ["/nowhere", "/healthz"])
def test_other_refusals_reach_a_client_that_still_sends(service: Service, path: str) -> None:
    assert service.ask(path, data=LONG).status in {404, 405}


def test_a_connection_goes_on_after_a_refusal_that_was_short(service: Service) -> None:
    with requests.Session() as session:
        url = f"http://127.0.0.1:{service.port}"
        refused = session.post(f"{url}/nowhere", data=b"x" * 60_000, headers=JSON, timeout=30)
        assert (refused.status_code, refused.headers["Connection"]) == (404, "keep-alive")
        good = json.dumps({"task_type": "embedding", "input_text": "x"})
        assert session.post(f"{url}/predict", data=good, headers=JSON, timeout=30).status_code == 200


@pytest.mark.parametrize(
    ("rest", "code"),
    [
        (b"Content-Length: 50\r\n\r\n{}", "incomplete_body"),
        (b"Transfer-Encoding: chunked\r\n\r\n5\r\n{", "incomplete_body"),
        (b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", "incomplete_body"),
        (b"Transfer-Encoding: chunked\r\n\r\n2;=\r\n{}\r\n0\r\n\r\n", "incomplete_body"),
    ],
)
def test_a_body_that_breaks_off_is_the_fault_of_its_client(service: Service, rest: bytes, code: str) -> None:
    answer = exchange(service, HEAD + rest, then_end=True)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert error_of(answer)["code"] == code


def test_a_client_that_stops_sending_gets_an_error_and_holds_no_thread(new_service: Callable[..., Service]) -> None:
    service = new_service(GTE_WORKERS="1", GTE_DEADLINE_SECONDS="1", GTE_THREADS="2")
    service.wait_until("ready")
    answer = exchange(service, HEAD + b'Connection: close\r\nContent-Length: 50\r\n\r\n{"task')
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert error_of(answer)["code"] == "request_timeout"
    assert service.metrics()['gte_task_errors_total{reason="invalid_json",task_type="unknown"}'] == 1


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"GARBAGE", 400),
        (b"get / HTTP/1.1", 400),
        (b"GET / HTTP/9.9", 400),
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1", 414),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 90_000, 431),
        (b"GET / HTTP/1.1\r\nContent-Length: -1", 400),
        (b"POST /predict HTTP/1.1\r\nTransfer-Encoding: foo", 501),
    ],
)
def test_bytes_that_are_not_http_get_an_error_of_the_same_shape(
    service: Service, request_line: bytes, status: int
) -> None:
    answer = exchange(service, request_line + b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert error_of(answer)["code"] == "bad_http"


def test_clients_that_do_not_close_their_side_delay_nobody_else(new_service: Callable[..., Service]) -> None:
    service = new_service(GTE_WORKERS="1")
    service.wait_until("ready")
    open_ones = []
    for _ in range(5):
        connection = socket.create_connection(("127.0.0.1", service.port), timeout=20)
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        open_ones.append(connection)
    begun = time.monotonic()
    assert service.ask("/healthz").status == 200
    waited = time.monotonic() - begun
    for connection in open_ones:
        connection.close()
    assert waited < 1
