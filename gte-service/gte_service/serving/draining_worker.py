"""gunicorn's threaded worker, made to let every client have its answer.

- gunicorn stops accepting but keeps the listening socket open until its last request has ended. Clients go on
  connecting meanwhile, send their requests, and are all reset in the end. This worker takes over what has queued up
  and closes the socket at once: who comes later is refused and knows that nothing was begun.
- gunicorn closes a connection while the client still sends a body that was refused. The kernel then resets it, and
  the client never sees why. This worker reads on for a while. It does so in the request's own thread: gunicorn's
  would wait for slow clients in the one thread that accepts all others.
- What is no HTTP is told so as JSON, like all errors of this service. It reaches no app, so nothing counts it.
"""

from __future__ import annotations

import json
import socket
import time
import uuid
from collections.abc import Callable, Iterable
from contextlib import suppress
from http import HTTPStatus
from types import FrameType
from typing import Any

from gunicorn.http.errors import (  # type: ignore[import-untyped]
    ConfigurationProblem,
    ExpectationFailed,
    InvalidResponseHeader,
    InvalidResponseHeaderName,
    LimitRequestHeaders,
    LimitRequestLine,
    ParseException,
    UnsupportedTransferCoding,
)
from gunicorn.workers.gthread import ThreadWorker  # type: ignore[import-untyped]

# How long a client that is told to go may go on sending, and how long it may pause. nginx has 30 and 5.
_LINGER_SECONDS = 30.0
_PAUSE_SECONDS = 2.0
# Bytes of a body that are rather read than the connection closed.
_WORTH_READING = 64 * 1024
_STATUS = {
    LimitRequestLine: HTTPStatus.REQUEST_URI_TOO_LONG,
    LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    ExpectationFailed: HTTPStatus.EXPECTATION_FAILED,
    UnsupportedTransferCoding: HTTPStatus.NOT_IMPLEMENTED,
}
_OUR_FAULT = (ConfigurationProblem, InvalidResponseHeader, InvalidResponseHeaderName)

_StartResponse = Callable[..., Any]
_App = Callable[[dict[str, Any], _StartResponse], Iterable[bytes]]


class DrainingThreadWorker(ThreadWorker):  # type: ignore[misc]
    """A threaded worker that resets no connection: neither when it is stopped nor after an early answer."""

    wsgi: _App
    _told_to_stop = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Note that somebody wants this worker gone, as opposed to a worker that recycles itself."""
        self._told_to_stop = True
        super().handle_exit(sig, frame)

    def set_accept_enabled(self, enabled: bool) -> None:
        """Empty and close the listening sockets when accepting ends for good."""
        super().set_accept_enabled(enabled)
        if enabled or not self._told_to_stop:
            return
        for listener in self.sockets:
            accepted = -1
            # `accept` takes one connection, or none when the queue is empty.
            while self.nr_conns < self.worker_connections and accepted != self.nr_conns:
                accepted = self.nr_conns
                self.accept(listener)
            listener.close()

    def load_wsgi(self) -> None:
        """Load the app, and say `Connection: close` for it where it answers before it has read a long body."""
        super().load_wsgi()
        self.wsgi = _closing_early_answers(self.wsgi)

    def handle(self, conn: Any) -> Any:
        """Handle a request, and let the client finish where the connection ends with it."""
        kept = super().handle(conn)
        if kept is False:
            _part(conn.sock)
        return kept

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: BaseException) -> None:
        """Tell the client what is wrong with its HTTP."""
        if not isinstance(exc, ParseException) or isinstance(exc, _OUR_FAULT):
            super().handle_error(req, client, addr, exc)
            return
        status = next((status for kind, status in _STATUS.items() if isinstance(exc, kind)), HTTPStatus.BAD_REQUEST)
        message = f"this is no HTTP request that can be read: {str(exc)[:200]}."
        identity = uuid.uuid4().hex
        error = {"code": "bad_http", "message": message, "field": None, "request_id": identity}
        body = json.dumps({"error": error}).encode() + b"\n"
        head = (
            f"HTTP/1.1 {status} {status.phrase}\r\nConnection: close\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nX-Request-ID: {identity}\r\n\r\n"
        )
        with suppress(OSError):
            client.sendall(head.encode() + body)


def _closing_early_answers(app: _App) -> _App:
    def closing(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            if _unread(environ["wsgi.input"].reader) > _WORTH_READING:
                start_response.__self__.force_close()
            return start_response(status, headers, exc_info)

        return app(environ, start)

    return closing


def _unread(reader: Any) -> float:
    """How many bytes of a body have not been read; those without a length have no end until they have been."""
    if hasattr(reader, "length"):
        return float(reader.length)
    return float("inf") if getattr(reader, "parser", None) else 0.0


def _part(connection: socket.socket) -> None:
    """End a connection: all has been said, and what the client still sends is read and dropped."""
    deadline = time.monotonic() + _LINGER_SECONDS
    with suppress(OSError):
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(_PAUSE_SECONDS)
        while time.monotonic() < deadline and connection.recv(1 << 16):
            pass
    with suppress(OSError):
        # gunicorn will wait for the client once more, and now has no reason to.
        connection.shutdown(socket.SHUT_RD)
