"""Clients that send or read slowly, or not at all, hold no thread; a request has one deadline from its first byte."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from conftest import free_port, wait_for

APP = """
    import time

    FILE = __file__

    def app(environ, start_response):
        path = environ["PATH_INFO"]
        try:
            body = environ["wsgi.input"].read()
        except TimeoutError:
            start_response("408 Request Timeout", [("Content-Length", "0")])
            return []
        if path == "/nap":
            time.sleep(0.1)
        if path == "/file":
            start_response("200 OK", [])
            return environ["wsgi.file_wrapper"](open(FILE, "rb"))
        answer = b"x" * 30_000_000 if path == "/long" else body or b"here"
        start_response("200 OK", [("Content-Length", str(len(answer)))])
        return [answer]
"""
CONFIGURATION = """
    from gte_monitoring.clients.patient_worker import PatientWorker

    class Worker(PatientWorker):
        request_seconds = {seconds}
        longest_body = 100_000

    worker_class = Worker
    threads = 2
    worker_connections = {connections}
    graceful_timeout = 20
    accesslog = None
"""
SECONDS = 1.5
HEAD = b"POST / HTTP/1.1\r\nHost: x\r\n"
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
# What a slow client has sent when it pauses.
BEGUN = {"silent": b"", "head": HEAD, "body": HEAD + b"Content-Length: 9\r\n\r\nab"}


@dataclass
class Server:
    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def connect(self, sent: bytes = b"") -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        connection.sendall(sent)
        return connection

    def get(self, path: str = "/", timeout: float = 5) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request("GET", path)
            return connection.getresponse().read()
        finally:
            connection.close()

    def answers(self) -> bool:
        try:
            return self.get() == b"here"
        except OSError:
            return False


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    started: list[Server] = []

    def started_one(seconds: float = SECONDS, connections: int = 1000) -> Server:
        (tmp_path / "app.py").write_text(textwrap.dedent(APP))
        settings = textwrap.dedent(CONFIGURATION).format(seconds=seconds, connections=connections)
        (tmp_path / "conf.py").write_text(settings)
        port, log = free_port(), tmp_path / "log"
        command = [sys.executable, "-m", "gunicorn", "-c", "conf.py", "-b", f"127.0.0.1:{port}", "app:app"]
        with log.open("wb") as file:
            process = subprocess.Popen(command, cwd=tmp_path, env=dict(os.environ), stderr=file)
        server = Server(process, port, log)
        started.append(server)
        wait_for(server.answers, "the server answers", 20)
        return server

    yield started_one
    for server in started:
        server.process.terminate()
        try:
            server.process.wait(30)
        finally:
            server.process.kill()
        assert "Traceback" not in server.log.read_text(), server.log.read_text()


def read_all(connection: socket.socket) -> bytes:
    answer = b""
    while part := connection.recv(1 << 16):
        answer += part
    return answer


@pytest.mark.parametrize("sent", BEGUN.values(), ids=BEGUN)
def test_clients_that_pause_delay_nobody(start: Callable[..., Server], sent: bytes) -> None:
    server = start(seconds=60)
    with ExitStack() as connections:
        for _ in range(30):
            connections.enter_context(server.connect(sent))
        for _ in range(10):
            begun = time.monotonic()
            assert server.get() == b"here"
            assert time.monotonic() - begun < 1


@pytest.mark.parametrize("sent", [BEGUN["head"], BEGUN["body"]], ids=["head", "body"])
@pytest.mark.parametrize("drips", [False, True])
def test_the_deadline_counts_from_the_first_byte_whatever_comes_after_it(
    start: Callable[..., Server], sent: bytes, drips: bool
) -> None:
    server = start()
    with server.connect(sent) as connection:
        begun = time.monotonic()
        connection.settimeout(0.3)
        while True:
            try:
                answer = connection.recv(1 << 16)
                break
            except TimeoutError:
                assert time.monotonic() - begun < SECONDS + 3
                # One byte is missing to the end of the body still.
                connection.sendall(b"x" if drips and time.monotonic() - begun < SECONDS else b"")
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert time.monotonic() - begun >= SECONDS - 0.1


def test_a_request_in_drops_is_answered_if_it_is_complete_in_time(start: Callable[..., Server]) -> None:
    server = start(seconds=20)
    with server.connect() as connection:
        for byte in HEAD + b"Connection: close\r\nContent-Length: 5\r\n\r\nabcde":
            connection.sendall(bytes([byte]))
            time.sleep(0.005)
        assert read_all(connection).endswith(b"\r\n\r\nabcde")


def test_a_silent_connection_is_closed_after_the_deadline(start: Callable[..., Server]) -> None:
    server = start()
    with server.connect() as connection:
        begun = time.monotonic()
        assert connection.recv(1) == b""
        assert SECONDS - 0.1 <= time.monotonic() - begun < SECONDS + 3


def test_clients_that_take_no_answer_hold_no_thread_and_get_all_of_it_when_they_do(
    start: Callable[..., Server],
) -> None:
    server = start(seconds=60)
    with ExitStack() as connections:
        readers = [connections.enter_context(server.connect(GET.replace(b"/ ", b"/long ", 1))) for _ in range(2)]
        for _ in range(5):
            assert server.get(timeout=3) == b"here"
        for reader in readers:
            reader.shutdown(socket.SHUT_WR)
        head, _, body = read_all(readers[0]).partition(b"\r\n\r\n")
        assert (head[:15], len(body)) == (b"HTTP/1.1 200 OK", 30_000_000)


def test_more_requests_than_threads_are_all_answered(start: Callable[..., Server]) -> None:
    server = start()
    with ThreadPoolExecutor(20) as clients:
        # Altogether they wait longer than the deadline, which counts what a client is late, not the server.
        assert set(clients.map(lambda _: server.get("/nap", 20), range(60))) == {b"here"}


def test_requests_that_come_at_once_are_answered_in_turn(start: Callable[..., Server]) -> None:
    server = start()
    bodies = [HEAD + b"Content-Length: %d\r\n\r\n%s" % (len(body), body) for body in (b"first", b"next")]
    with server.connect(b"".join(bodies) + GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")) as connection:
        answers = read_all(connection)
    assert [answers.count(b"HTTP/1.1 200"), answers.find(b"first") < answers.find(b"next") < answers.find(b"here")] == [
        3,
        True,
    ]


def test_a_client_that_waits_to_be_told_to_go_on_is_told_once(start: Callable[..., Server]) -> None:
    server = start()
    with server.connect(HEAD + b"Expect: 100-continue\r\nConnection: close\r\nContent-Length: 4\r\n\r\n") as connection:
        assert connection.recv(1 << 16) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"here")
        rest = read_all(connection)
    assert (rest.startswith(b"HTTP/1.1 200 "), rest.endswith(b"here"), rest.count(b"100 Continue")) == (True, True, 0)


def test_a_file_is_sent_in_full(start: Callable[..., Server], tmp_path: Path) -> None:
    assert start().get("/file") == (tmp_path / "app.py").read_bytes()


def test_the_oldest_connection_that_waits_gives_way(start: Callable[..., Server]) -> None:
    server = start(seconds=60, connections=20)
    with ExitStack() as connections:
        waiting = [connections.enter_context(server.connect(HEAD if number % 2 else b"")) for number in range(60)]
        assert server.get(timeout=3) == b"here"
        waiting[0].settimeout(5)
        assert waiting[0].recv(1) == b""
        waiting[-1].sendall(b"\r\n" if waiting[-1] in waiting[1::2] else GET)
        assert waiting[-1].recv(1 << 16).startswith(b"HTTP/1.1 200 ")
    line = "connections were ended because no complete request came within 60 s; most of them, "
    wait_for(lambda: line in server.log.read_text(), "a line that says so", 5)
    assert "from 127.0.0.1" in server.log.read_text()


def test_a_stop_waits_for_requests_that_arrive_and_not_for_silent_clients(start: Callable[..., Server]) -> None:
    server = start(seconds=60)
    with server.connect() as silent, server.connect(BEGUN["body"]) as slow:
        assert server.get() == b"here"
        server.process.send_signal(signal.SIGTERM)
        begun = time.monotonic()
        assert silent.recv(1) == b""
        assert time.monotonic() - begun < 10
        slow.sendall(b"cdefghi")
        assert read_all(slow).endswith(b"abcdefghi")
    assert server.process.wait(20) == 0
    assert time.monotonic() - begun < 15


def test_a_client_that_drips_after_its_answer_holds_no_thread(start: Callable[..., Server]) -> None:
    server = start()
    with ExitStack() as connections:
        for _ in range(5):
            long = connections.enter_context(server.connect(HEAD + b"Content-Length: 1000000\r\n\r\n"))
            answer = long.recv(1 << 16)
            assert answer.startswith(b"HTTP/1.1 408 ")
            # Its next request would get no answer.
            assert b"\r\nConnection: close\r\n" in answer
            long.sendall(b"x")
        assert server.get(timeout=1) == b"here"
