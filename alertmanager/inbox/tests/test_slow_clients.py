"""Clients that send slowly hold no thread of the inbox: the page is read, and notifications are stored."""

import socket
import time
from contextlib import ExitStack

import pytest
from running_inbox import RunningInbox, notification

_HEAD = b"POST /alerts HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    "sent",
    [b"", b"GET / HTTP/1.1\r\n", _HEAD, _HEAD + b"Content-Length: 100\r\n\r\n{"],
    ids=["silent", "reader", "sender", "body"],
)
def test_clients_that_pause_delay_neither_readers_nor_alertmanager(inbox: RunningInbox, sent: bytes) -> None:
    with ExitStack() as connections:
        for _ in range(200):
            connection = connections.enter_context(socket.create_connection(("127.0.0.1", inbox.port), timeout=20))
            connection.sendall(sent)
        begun = time.monotonic()
        assert inbox.get("/healthz").status == 200
        assert inbox.post(notification()).status == 200
        assert time.monotonic() - begun < 2
