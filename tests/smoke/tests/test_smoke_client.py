"""The client never waits longer than its deadline, and says what kept it from an answer."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from smoke.client import Service
from smoke.deadline import Deadline
from smoke.errors import CheckError, UnreachableError, UsageError
from smoke.settings import read_addresses


@contextmanager
def listening(serve: Callable[[socket.socket], None], seen: list[bytes] | None = None) -> Iterator[str]:
    """The address of a server that treats its one connection as `serve` says, and notes what it was sent."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def run() -> None:
            connection, _ = server.accept()
            with connection:
                received = connection.recv(65536)
                if seen is not None:
                    seen.append(received)
                try:
                    serve(connection)
                except OSError:
                    return

        thread = threading.Thread(target=run)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        thread.join()


def wait(done: threading.Event) -> None:
    done.wait(10)


def sends(data: bytes) -> Callable[[socket.socket], None]:
    return lambda connection: connection.sendall(data)


def test_an_answer_has_status_headers_and_body() -> None:
    with listening(sends(b"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 2\r\n\r\n{}")) as url:
        answer = Service("x", url).get("/p?q=%7B", Deadline(5))
    assert (answer.status, answer.headers["content-type"], answer.json()) == (200, "a/b", {})
    assert answer.asked == f"GET {url}/p?q={{"


def test_a_service_that_has_keys_is_sent_the_first_and_no_other_service_is(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("# for the search\n\n first-key-0123456789 \nsecond-key-0123456789\n")
    seen: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    settings = {"SMOKE_API_KEYS_FILE": str(tmp_path / "keys")}
    for variable, name in (("SMOKE_GTE_URL", "gte"), ("SMOKE_GTE_METRICS_URL", "gte_metrics")):
        with listening(serve, seen) as url:
            service: Service = getattr(read_addresses({**settings, variable: url}), name)
            service.post("/predict", {}, Deadline(5))
    assert b"\r\nAuthorization: Bearer first-key-0123456789\r\n" in seen[0]
    assert b"Authorization" not in seen[1]


@pytest.mark.parametrize("text", [None, "", "# only a comment\n"])
def test_a_file_without_a_key_is_said(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "keys"
    if text is not None:
        file.write_text(text)
    with pytest.raises(UsageError, match=r"no key can be read .*(it holds none|No such file)"):
        read_addresses({"SMOKE_API_KEYS_FILE": str(file)})


def test_a_chunked_answer_is_read_whole() -> None:
    body = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    with listening(sends(body)) as url:
        assert Service("x", url).get("/", Deadline(5)).text() == "abcde"


def test_a_server_that_never_answers_is_given_up_in_time() -> None:
    done = threading.Event()
    with listening(lambda _: wait(done)) as url:
        started = time.monotonic()
        with pytest.raises(UnreachableError, match="no whole answer in time") as failure:
            Service("gte-service", url).get("/", Deadline(0.1))
        done.set()
    assert time.monotonic() - started < 3
    assert failure.value.service == "gte-service"


def test_a_server_that_drips_is_given_up_in_time() -> None:
    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(100):
            connection.sendall(b"x")
            time.sleep(0.1)

    with listening(drip) as url:
        started = time.monotonic()
        with pytest.raises(UnreachableError, match="no whole answer in time"):
            Service("x", url).get("/", Deadline(0.1))
        assert time.monotonic() - started < 3


def test_half_an_answer_is_no_answer() -> None:
    with (
        listening(sends(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}")) as url,
        pytest.raises(UnreachableError, match="7 bytes too early"),
    ):
        Service("x", url).get("/", Deadline(5))


def test_what_is_no_http_is_no_answer() -> None:
    with listening(sends(b"+PONG\r\n")) as url, pytest.raises(UnreachableError, match="PONG"):
        Service("x", url).get("/", Deadline(5))


def test_a_closed_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(UnreachableError, match=f"http://127.0.0.1:{port}/a.*refused"):
        Service("x", f"http://127.0.0.1:{port}").get("/a", Deadline(5))


def test_a_name_that_hangs_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    done, ended = threading.Event(), threading.Event()

    def hang(*_: object, **__: object) -> None:
        done.wait(10)
        ended.set()
        raise OSError("gone")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    started = time.monotonic()
    with pytest.raises(UnreachableError, match="no whole answer in time"):
        Service("x", "http://no-such-service:1").get("/", Deadline(0.1))
    done.set()
    assert ended.wait(5)
    assert time.monotonic() - started < 3


def test_another_status_shows_the_body() -> None:
    with listening(sends(b"HTTP/1.1 503 No\r\nContent-Length: 7\r\n\r\nloading")) as url:
        answer = Service("x", url).get("/", Deadline(5))
    with pytest.raises(CheckError, match="status 503 instead of 200 or 204: loading"):
        answer.expect(200, 204)


@pytest.mark.parametrize(
    "url", ["grafana:3000", "https://grafana", "http://", "http://a:b", "http://a:99999", "http://a?b"]
)
def test_an_address_that_cant_be_used_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="the address of grafana"):
        Service("grafana", url)


def test_polling_ends_with_the_last_failure() -> None:
    tries: list[int] = []

    def attempt() -> None:
        tries.append(1)
        raise CheckError(f"try {len(tries)}")

    with pytest.raises(CheckError) as failure:
        Deadline(0.6).until(attempt)
    assert str(failure.value) == f"try {len(tries)}"
    assert len(tries) > 1


def test_polling_ends_as_soon_as_the_condition_holds() -> None:
    tries: list[int] = []

    def attempt() -> str:
        tries.append(1)
        if len(tries) < 2:
            raise CheckError("not yet")
        return "now"

    started = time.monotonic()
    assert Deadline(30).until(attempt) == "now"
    assert time.monotonic() - started < 5
