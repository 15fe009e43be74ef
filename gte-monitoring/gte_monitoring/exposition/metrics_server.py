"""The HTTP server of /metrics, which no number of slow clients keeps from answering a scrape.

One thread waits for the headers of all requests; each has one deadline for them, and a thread once they are complete.
Where too many connections wait, the oldest gives way.
"""

from __future__ import annotations

import io
import selectors
import socket
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer
from wsgiref.types import WSGIApplication

# From the first moment to the end of the headers, and from there to the end of the answer.
_READ_SECONDS = 5.0
_ANSWER_SECONDS = 30.0
# Whose headers are not complete, and that are answered. Beside Prometheus there are a person and a test, now and then.
_MOST_READ = 512
_MOST_ANSWERED = 64
_LONGEST_HEAD = 1 << 16
_POLL_SECONDS = 0.5


@dataclass
class _Arriving:
    """A request whose headers are not complete: the client's address, the deadline, what has arrived."""

    address: Any
    due: float
    data: bytearray = field(default_factory=bytearray)


class MetricsServer(ThreadingMixIn, WSGIServer):
    """Serves a WSGI application; of its requests only line and headers are read."""

    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, address: str, port: int, application: WSGIApplication) -> None:
        """Listen.

        Args:
            address: of this machine, IPv4 or IPv6, or a name of it.
            port: TCP port; 0 takes a free one.
            application: what to serve.

        Raises:
            OSError: the port is taken, or this machine has no such address.
        """
        found = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        self.address_family = found[0][0]
        # Both in the order of their deadlines. The second is shared with the threads that answer.
        self._arriving: dict[socket.socket, _Arriving] = {}
        self._answered: dict[socket.socket, float] = {}
        self._lock = threading.Lock()
        self._poller = selectors.DefaultSelector()
        self._stopped = False
        super().__init__((address, port), WSGIRequestHandler)
        self.set_app(application)

    def serve_forever(self, poll_interval: float = _POLL_SECONDS) -> None:
        """Serve until `shutdown`."""
        self.socket.setblocking(False)
        self._poller.register(self.socket, selectors.EVENT_READ)
        while not self._stopped:
            for key, _ in self._poller.select(poll_interval):
                if key.fileobj is self.socket:
                    self._accept()
                elif key.fileobj in self._arriving:
                    self._read(key.fileobj)
            now = time.monotonic()
            while self._arriving and next(iter(self._arriving.values())).due < now:
                self._forget_oldest()
            with self._lock:
                while self._answered and next(iter(self._answered.values())) < now:
                    self._end_oldest()
        self._poller.close()

    def shutdown(self) -> None:
        """Serve no more; doesn't wait for the thread that serves."""
        self._stopped = True

    def shutdown_request(self, request: Any) -> None:
        """A request has been answered."""
        with self._lock:
            self._answered.pop(request, None)
        super().shutdown_request(request)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Answer a request, in a thread of its own; its address carries what has arrived."""
        address, data = client_address
        _Handler(request, address, self, data)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that go away."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def _accept(self) -> None:
        try:
            request, address = self.get_request()
        except OSError:
            # The client has gone, or there are no more descriptors: the oldest has to free one.
            self._forget_oldest()
            return
        request.setblocking(False)
        self._arriving[request] = _Arriving(address, time.monotonic() + _READ_SECONDS)
        self._poller.register(request, selectors.EVENT_READ)
        if len(self._arriving) > _MOST_READ:
            self._forget_oldest()

    def _read(self, request: socket.socket) -> None:
        arriving = self._arriving[request]
        try:
            received = request.recv(_LONGEST_HEAD)
        except BlockingIOError:
            return
        except OSError:
            received = b""
        arriving.data += received
        if received and b"\r\n\r\n" not in arriving.data and len(arriving.data) < _LONGEST_HEAD:
            return
        del self._arriving[request]
        self._poller.unregister(request)
        if not received:
            request.close()
            return
        request.setblocking(True)
        with self._lock:
            self._answered[request] = time.monotonic() + _ANSWER_SECONDS
            if len(self._answered) > _MOST_ANSWERED:
                self._end_oldest()
        self.process_request(request, (arriving.address, bytes(arriving.data)))

    def _forget_oldest(self) -> None:
        if self._arriving:
            request = next(iter(self._arriving))
            del self._arriving[request]
            self._poller.unregister(request)
            request.close()

    def _end_oldest(self) -> None:
        request = next(iter(self._answered))
        del self._answered[request]
        # Its thread stops waiting and closes it.
        with suppress(OSError):
            request.shutdown(socket.SHUT_RDWR)


class _Handler(WSGIRequestHandler):
    def __init__(self, request: socket.socket, address: Any, server: MetricsServer, data: bytes) -> None:
        self._data = data
        super().__init__(request, address, server)

    def setup(self) -> None:
        super().setup()
        self.rfile = io.BufferedReader(io.BytesIO(self._data))

    def log_message(self, *words: Any) -> None:
        """Scrapes are frequent and would bury the other lines."""
