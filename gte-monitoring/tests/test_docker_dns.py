"""The names of containers as a DNS server gives them: what it answers, and what becomes of odd answers or none."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gte_monitoring import docker_dns
from gte_monitoring.docker_dns import container_name

# What Docker Engine 28's server answered for 172.20.0.2, and for an address that no container has.
KNOWN = bytes.fromhex(
    "123481800001000100000000013201300232300331373207696e2d61646472046172706100000c0001"
    "013201300232300331373207696e2d61646472046172706100000c0001000002580025"
    "14737461636b612d6774652d736572766963652d310e737461636b615f64656661756c7400"
)
UNKNOWN = bytes.fromhex("123481830001000000000000013401330132013107696e2d61646472046172706100000c0001")
Server = tuple[str, int]
Answer = Callable[[bytes], bytes | None]


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], Server]]:
    """Starts DNS servers that answer a query with what a function makes of it; None is no answer."""
    sockets: list[socket.socket] = []

    def start(answer: Answer) -> Server:
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind(("127.0.0.1", 0))
        sockets.append(server)

        def run() -> None:
            while True:
                try:
                    query, client = server.recvfrom(512)
                except OSError:
                    return
                if (reply := answer(query)) is not None:
                    server.sendto(reply, client)

        threading.Thread(target=run, daemon=True).start()
        return "127.0.0.1", int(server.getsockname()[1])

    yield start
    for each in sockets:
        each.close()


def with_id_of(query: bytes, answer: bytes) -> bytes:
    return query[:2] + answer[2:]


def test_the_name_of_a_container_is_read_from_the_answer(serve: Callable[[Answer], Server]) -> None:
    asked: list[bytes] = []

    def answer(query: bytes) -> bytes:
        asked.append(query)
        return with_id_of(query, KNOWN)

    assert container_name("172.20.0.2", serve(answer)) == "stacka-gte-service-1.stacka_default"
    # The recorded answer repeats the question that this very query must have asked.
    assert asked[0][12:] == KNOWN[12:41]


def test_a_compressed_name_and_another_record_before_it_are_read(serve: Callable[[Answer], Server]) -> None:
    def answer(query: bytes) -> bytes:
        pointer = struct.pack(">H", 0xC00C)
        other = pointer + struct.pack(">HHIH", 5, 1, 600, 2) + pointer
        # `gte-service-2`, then what the name of the other record points to: 2.0.20.172.in-addr.arpa.
        name = b"\x0dgte-service-2" + struct.pack(">H", 0xC000 + len(query))
        found = pointer + struct.pack(">HHIH", 12, 1, 600, len(name)) + name
        return query[:2] + struct.pack(">5H", 0x8180, 1, 2, 0, 0) + query[12:] + other + found

    assert container_name("172.20.0.2", serve(answer)) == "gte-service-2.2.0.20.172.in-addr.arpa"


@pytest.mark.parametrize(
    "answer",
    [
        lambda query: with_id_of(query, UNKNOWN),
        lambda query: KNOWN if query[:2] != KNOWN[:2] else UNKNOWN,
        lambda query: with_id_of(query, KNOWN)[:60],
        lambda query: with_id_of(query, KNOWN[:-1] + b"\xc0\x53"),
        lambda query: with_id_of(query, KNOWN[:41] + b"\xc0\x29" + KNOWN[43:]),
        lambda query: with_id_of(query, KNOWN.replace(b"stacka-gte", b"stacka-gt\xff")),
        lambda query: query,
        lambda query: b"",
    ],
    ids=["unknown", "other id", "cut", "runs on", "endless", "no ASCII", "echo", "empty"],
)
def test_an_answer_without_a_name_is_none(answer: Answer, serve: Callable[[Answer], Server]) -> None:
    assert container_name("172.20.0.2", serve(answer), seconds=5) is None


def test_a_server_that_does_not_answer_costs_no_more_than_it_may(serve: Callable[[Answer], Server]) -> None:
    begun = time.monotonic()
    assert container_name("172.20.0.2", serve(lambda _: None), seconds=0.2) is None
    assert time.monotonic() - begun < 2


def test_no_server_but_dockers_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr(socket, "socket", lambda *given: asked.append(given))
    for text in ("nameserver 10.0.0.53\n", "# nameserver 127.0.0.11\nnameserver 127.0.0.110\n", ""):
        (tmp_path / "resolv.conf").write_text(text)
        monkeypatch.setattr(docker_dns, "_RESOLV_CONF", tmp_path / "resolv.conf")
        assert container_name("172.20.0.2") is None
    monkeypatch.setattr(docker_dns, "_RESOLV_CONF", tmp_path / "missing")
    assert container_name("172.20.0.2") is None
    assert not asked


@pytest.mark.parametrize(
    ("answered", "own"),
    [
        ("stacka-gte-service-1.stacka_default", "stacka-gte-service-1"),
        ("stack_gte-service.3.k2v9x0a1b2c3.stack_default", "stack_gte-service.3"),
        ("embedder.my.net", "embedder"),
        (None, None),
    ],
)
def test_a_containers_own_name_is_the_same_after_a_restart(
    answered: str | None, own: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docker_dns, "own_addresses", lambda: {"172.20.0.2"})
    monkeypatch.setattr(docker_dns, "container_name", lambda address: answered)
    assert docker_dns.own_name() == own
