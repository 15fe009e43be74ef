"""The socket of a connection, as gunicorn's threads see it: neither reading nor writing waits for the client."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from typing import BinaryIO

from gte_monitoring.clients.arrival import Arrival, Progress

_CHUNK_BYTES = 1 << 16


class Wire:
    """A connection's socket.

    A thread reads the request that has arrived and writes into a buffer; the event loop alone talks to the client. The
    two never use an object of this class at the same time.

    Attributes:
        socket: the real one.
        arrival: the request that arrives.
        begun: `time.monotonic()` at the first byte of that request.
        unsent: what the client hasn't taken yet of the answer.
        closed: whether the connection has ended.
    """

    def __init__(self, connection: socket.socket, longest_body: int) -> None:
        """Take over an accepted connection; `longest_body` is as for `Arrival`."""
        connection.setblocking(False)
        self.socket = connection
        self.arrival = Arrival(longest_body)
        self.begun = time.monotonic()
        self.unsent = bytearray()
        self.closed = False
        self._longest_body = longest_body
        self._request = memoryview(b"")
        self._ended = False

    # For the event loop.

    def fileno(self) -> int:
        """The descriptor, for a selector."""
        return self.socket.fileno()

    def receive(self) -> int:
        """Take what has arrived; returns how many bytes, 0 when the client has closed its side.

        Raises:
            BlockingIOError: nothing has arrived.
            OSError: the connection is broken.
        """
        data = self.socket.recv(_CHUNK_BYTES)
        if data and not self.arrival.data:
            self.begun = time.monotonic()
        self.arrival.add(data)
        return len(data)

    def discard(self) -> bool:
        """Throw away what has arrived; returns whether there may be more."""
        try:
            return bool(self.socket.recv(_CHUNK_BYTES))
        except BlockingIOError:
            return True
        except OSError:
            return False

    def hand_over(self, *, ended: bool) -> None:
        """Let a thread read what has arrived of the request; `ended`: nothing more will come of it."""
        self._ended = ended or self.arrival.progress is Progress.COMPLETE
        self._request = memoryview(self.arrival.take())

    def begin_next(self, ahead: bytes) -> None:
        """Expect the next request, which begins with what the server has read ahead."""
        rest = ahead + bytes(self._request) + bytes(self.arrival.data)
        self._request = memoryview(b"")
        self.arrival = Arrival(self._longest_body)
        self.begun = time.monotonic()
        if rest:
            self.arrival.add(rest)

    def flush(self) -> bool:
        """Send what the client takes now; returns whether all has been sent.

        Raises:
            OSError: the connection is broken.
        """
        while self.unsent:
            try:
                sent = self.socket.send(self.unsent)
            except BlockingIOError:
                return False
            del self.unsent[:sent]
        return True

    def end_sending(self) -> None:
        """Tell the client that no more will come."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def begins_with(self, start: bytes) -> bool:
        """Whether the request that has been handed over begins so."""
        return bytes(self._request[: len(start)]) == start

    # For gunicorn's threads, which take this for the socket.

    def recv(self, size: int) -> bytes:
        """The next bytes of the request.

        Raises:
            TimeoutError: the rest has not arrived in time, or is longer than the application takes.
        """
        if not self._request and not self._ended:
            raise TimeoutError("the rest of the request has not arrived")
        data, self._request = self._request[:size], self._request[size:]
        return bytes(data)

    def sendall(self, data: bytes) -> None:
        """Send at once what the client takes, and let the event loop send the rest."""
        self.unsent += data
        if len(self.unsent) == len(data):
            self.flush()

    def sendfile(self, file: BinaryIO, offset: int = 0, count: int | None = None) -> int:
        """Send a part of a file; returns its length."""
        file.seek(offset)
        data = file.read(-1 if count is None else count)
        self.sendall(data)
        return len(data)

    def send(self, data: bytes) -> int:
        """gunicorn's "100 Continue": the event loop has sent one before the body came."""
        return len(data)

    def setblocking(self, flag: bool) -> None:
        """Nothing here waits."""

    def settimeout(self, seconds: float | None) -> None:
        """Nothing here waits."""

    def gettimeout(self) -> float | None:
        """Nothing here waits."""
        return None

    def shutdown(self, how: int) -> None:
        """The event loop ends the connection."""

    def close(self) -> None:
        """End the connection."""
        self.closed = True
        self.socket.close()
