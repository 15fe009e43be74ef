"""gunicorn's threaded worker, changed so that every client gets its answer.

- gunicorn stops accepting but keeps the listening socket open until its last request has ended. Clients still connect
  and send requests meanwhile, and all of them are reset in the end. This worker accepts the queued connections and
  closes the socket at once: a later client is refused and knows that its request was not begun.
- A client that still sends a body that was refused gets the answer and no reset, and one that is slow, silent or many
  costs the others nothing: that is `PatientWorker`'s.
- Bytes that are not HTTP are answered in JSON like all errors of this service. They reach no app and are not counted.

`GunicornInternals` holds every use of gunicorn's undocumented parts.
"""

from __future__ import annotations

import json
import select
import socket
import uuid
from collections.abc import Callable, Iterable
from contextlib import suppress
from http import HTTPStatus
from types import FrameType
from typing import Any

from gunicorn.http.errors import (
    ConfigurationProblem,
    ExpectationFailed,
    InvalidResponseHeader,
    InvalidResponseHeaderName,
    LimitRequestHeaders,
    LimitRequestLine,
    ParseException,
    UnsupportedTransferCoding,
)

from gte_monitoring.clients.patient_worker import PatientWorker

# Up to this many unread bytes are read instead of closing the connection.
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


class GunicornInternals(PatientWorker):
    """The undocumented parts of gunicorn's threaded worker that `DrainingThreadWorker` needs, as hooks and functions.

    tests/test_gunicorn_internals.py checks each of them and says what breaks without it.
    """

    wsgi: _App
    _told_to_stop = False

    def app_loaded(self, app: _App) -> _App:
        """The app to serve in place of the one that was loaded."""
        return app

    def stop_accepting(self) -> None:
        """Somebody has told this worker to stop, as opposed to a worker that recycles itself."""

    def accept_queued(self, listener: socket.socket) -> None:
        """Accept the connections in a listening socket's queue, as many as the worker may have."""
        queue = select.poll()
        queue.register(listener, select.POLLIN)
        while self.nr_conns < self.worker_connections and queue.poll(0):
            self.accept(listener)

    @staticmethod
    def close_after(start_response: Any) -> None:
        """Close the connection after the answer that `start_response` begins, and announce it in its headers."""
        start_response.__self__.force_close()

    @staticmethod
    def unread_bytes(environ: dict[str, Any]) -> float:
        """The bytes of a request's body that have not been read; infinity for a body without a length."""
        reader = environ["wsgi.input"].reader
        if hasattr(reader, "length"):
            return float(reader.length)
        return float("inf") if getattr(reader, "parser", None) else 0.0

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._told_to_stop = True
        super().handle_exit(sig, frame)

    def set_accept_enabled(self, enabled: bool) -> None:
        super().set_accept_enabled(enabled)
        if self._told_to_stop and not enabled:
            self.stop_accepting()

    def load_wsgi(self) -> None:
        super().load_wsgi()
        self.wsgi = self.app_loaded(self.wsgi)


class DrainingThreadWorker(GunicornInternals):
    """A threaded worker that resets no connection: neither when it is stopped nor after an early answer."""

    def stop_accepting(self) -> None:
        for listener in self.sockets:
            self.accept_queued(listener)
            listener.close()

    def app_loaded(self, app: _App) -> _App:
        def closing(environ: dict[str, Any], start_response: _StartResponse) -> Iterable[bytes]:
            def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
                if self.unread_bytes(environ) > _WORTH_READING:
                    self.close_after(start_response)
                return start_response(status, headers, exc_info)

            return app(environ, start)

        return closing

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: BaseException) -> None:
        """Answer a request that is not valid HTTP."""
        if not isinstance(exc, ParseException) or isinstance(exc, _OUR_FAULT):
            super().handle_error(req, client, addr, exc)
            return
        status = next((status for kind, status in _STATUS.items() if isinstance(exc, kind)), HTTPStatus.BAD_REQUEST)
        with suppress(OSError):
            client.sendall(self.error_answer(status, f"this is not a valid HTTP request: {str(exc)[:200]}."))

    def error_answer(self, status: HTTPStatus, message: str) -> bytes:
        """The whole answer to a request that reaches no application, in the shape of all errors of this service."""
        identity = uuid.uuid4().hex
        code = "request_timeout" if status is HTTPStatus.REQUEST_TIMEOUT else "bad_http"
        error = {"code": code, "message": message, "field": None, "request_id": identity}
        body = json.dumps({"error": error}).encode() + b"\n"
        head = (
            f"HTTP/1.1 {status} {status.phrase}\r\nConnection: close\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nX-Request-ID: {identity}\r\n\r\n"
        )
        return head.encode() + body
