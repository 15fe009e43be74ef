"""Clients that send slowly hold no thread of the viewer."""

import socket
import time
from contextlib import ExitStack

import pytest
from running_viewer import FORM, RunningViewer

_HEAD = f"POST /api/datasource/query HTTP/1.1\r\nHost: localhost\r\nContent-Type: {FORM}\r\n".encode()


@pytest.mark.parametrize("sent", [b"", _HEAD, _HEAD + b"Content-Length: 100\r\n\r\nq"], ids=["silent", "head", "body"])
def test_clients_that_pause_delay_nobody(viewer: RunningViewer, sent: bytes) -> None:
    with ExitStack() as connections:
        for _ in range(200):
            connection = connections.enter_context(socket.create_connection(("127.0.0.1", viewer.port), timeout=20))
            connection.sendall(sent)
        begun = time.monotonic()
        assert viewer.get("/api/health").status == 200
        assert time.monotonic() - begun < 1
