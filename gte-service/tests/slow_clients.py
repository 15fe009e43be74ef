"""`python slow_clients.py PORT KIND COUNT`: connections to this machine that send nothing, or bytes now and then.

It prints one line when all are open, keeps them until its standard input ends, and ends by itself after two minutes. A
connection that the server closes is opened again, as a stubborn client does it.
"""

from __future__ import annotations

import select
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LONGEST_SECONDS = 120
# Every connection sends one byte in this time.
DRIP_SECONDS = 2.0
_HEAD = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
_BEGIN = {
    "silent": b"",
    "head": _HEAD,
    "dripping head": _HEAD + b"X: ",
    "body": _HEAD + b"Content-Length: 5000\r\n\r\n{",
    "dripping body": _HEAD + b"Content-Length: 5000\r\n\r\n{",
}
KINDS = tuple(_BEGIN)


@contextmanager
def slow_clients(port: int, kind: str, count: int) -> Iterator[None]:
    """Have that many such connections, from a process of their own."""
    command = [sys.executable, str(Path(__file__)), str(port), kind, str(count)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin and process.stdout
    try:
        assert process.stdout.readline() == b"open\n"
        yield
    finally:
        process.stdin.close()
        process.wait(20)
        process.stdout.close()


def main() -> None:
    port, kind, count = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    end = time.monotonic() + LONGEST_SECONDS
    poller = selectors.DefaultSelector()
    connections = [_opened(port, kind, poller) for _ in range(count)]
    print("open", flush=True)
    turn = 0
    while time.monotonic() < end and not select.select([sys.stdin], [], [], 0)[0]:
        begun = time.monotonic()
        for key, _ in poller.select(0):
            closed = key.fileobj
            assert isinstance(closed, socket.socket)
            if _has_ended(closed):
                poller.unregister(closed)
                closed.close()
                connections[connections.index(closed)] = _opened(port, kind, poller)
        if kind.startswith("dripping"):
            # A twentieth of them at a time.
            for connection in connections[turn % 20 :: 20]:
                with suppress(OSError):
                    connection.send(b" ")
        turn += 1
        time.sleep(max(0.0, DRIP_SECONDS / 20 - (time.monotonic() - begun)))


def _opened(port: int, kind: str, poller: selectors.BaseSelector) -> socket.socket:
    connection = socket.socket()
    connection.settimeout(0.5)
    # A server that accepts no more must not hold up the others.
    with suppress(OSError):
        connection.connect(("127.0.0.1", port))
        connection.sendall(_BEGIN[kind])
    connection.setblocking(False)
    poller.register(connection, selectors.EVENT_READ)
    return connection


def _has_ended(connection: socket.socket) -> bool:
    try:
        while connection.recv(1 << 16):
            pass
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


if __name__ == "__main__":
    main()
