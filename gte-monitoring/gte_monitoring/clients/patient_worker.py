"""gunicorn's threaded worker, changed so that clients that are silent, slow or many cost the others nothing.

gunicorn hands a connection to a thread at its first byte, and the thread waits for all others, without an end; so as
many slow clients as there are threads stop the server. Here the event loop reads requests and sends answers, for any
number of clients, and a thread gets a request that has arrived in full. From its first byte a request has one deadline
for the request line, the headers and the body. Where there are more connections than the worker may have, the oldest of
those that wait for their client gives way.

gunicorn's other workers don't help: the synchronous one has one client at a time; the one of gevent bounds the headers
but not the body, and a computation, which doesn't wait in gevent's way, holds up all of its clients.
"""

from __future__ import annotations

import resource
import selectors
import time
from collections import Counter, deque
from functools import partial
from http import HTTPStatus
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

from gte_monitoring.clients.arrival import Progress
from gte_monitoring.clients.wire import Wire

# Like nginx's client_header_timeout and client_body_timeout, but for the whole request.
DEADLINE_SECONDS = 30.0
# Of an answer: how long a client may take nothing of it.
_STALL_SECONDS = 30.0
# After the last answer: how long a client may go on sending, and how long it may pause. nginx has 30 and 5.
_LINGER_SECONDS = 30.0
_PAUSE_SECONDS = 2.0
# A stopping worker waits that long for the first byte of clients that have connected, as gunicorn does for kept ones.
_STOP_SECONDS = 2.0
# What unfinished requests, and unsent answers, may take together: what as many threads took that read them.
_HELD_BYTES = 1 << 26
# Requests that are late are answered a few at a time, or hundreds would delay all others at once.
_LATE_AT_ONCE = 20
_LOOK_SECONDS = 0.1
# A line in the log says who the clients are, from this many on.
_LINE_SECONDS = 30.0
_WORTH_A_LINE = 20
_ADDRESSES = 1000
_FILES = 8192


def most_connections() -> int:
    """How many connections a worker may have, after this process may have as many files, and more for itself."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    return files // 2


class Unfinished:
    """Counts of requests that never arrived in full.

    Attributes:
        silent: connections without a byte until the deadline.
        late: requests of which a part was missing at the deadline.
        displaced: those that had to give way because there were too many.
    """

    def __init__(self) -> None:
        self.silent = 0
        self.late = 0
        self.displaced = 0


class PatientWorker(ThreadWorker):  # type: ignore[misc]
    """A threaded worker whose threads never wait for a client.

    A subclass may change these:

    Attributes:
        request_seconds: the deadline of a request, from its first byte.
        longest_body: bytes of a body that are waited for; the application must refuse a longer one without reading on.
    """

    request_seconds = DEADLINE_SECONDS
    longest_body = 1 << 20

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.unfinished = Unfinished()
        self._ended_from = Counter[str]()
        self._next_line = 0.0
        # Each in the order of its deadlines: no byte yet; a part of a request; an answer that isn't all sent; closing.
        self._silent: dict[Any, float] = {}
        self._arriving: dict[Any, float] = {}
        self._sending: dict[Any, float] = {}
        self._lingering: dict[Any, float] = {}
        # Their client has sent something, but every thread is taken.
        self._unread: deque[Any] = deque()
        self._handled = 0
        self._held = 0
        self._next_look = 0.0
        self._looks_soon = False

    def record_clients(self, arriving: int, unfinished: Unfinished) -> None:
        """Take note, several times a second at most, of how many requests are arriving and what becomes of them.

        Args:
            arriving: connections whose request has not arrived in full, silent ones included; not those kept open.
            unfinished: counts of those that never arrived, so far.
        """

    def error_answer(self, status: HTTPStatus, message: str) -> bytes:
        """The whole answer to a request that reaches no application."""
        body = f"{message}\n".encode()
        head = (
            f"HTTP/1.1 {status} {status.phrase}\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    def thread_is_free(self) -> bool:
        """Whether a request would be handled at once; while none would, clients' bytes are left to the kernel."""
        return bool(self._handled < self.cfg.threads)

    # The places where gunicorn's worker calls what a subclass can replace, in the order of a connection's life.

    def enqueue_req(self, conn: Any) -> None:
        """Wait for a request: of a new connection, or of one that was kept open."""
        if not isinstance(conn.sock, Wire):
            conn.sock = Wire(conn.sock, self.longest_body)
            # gunicorn would wait for the first byte in a thread.
            conn.data_ready = True
            if self.nr_conns >= self.worker_connections:
                self._displace(self._lingering, self._silent, self._arriving, self._sending)
        self._expect(conn)

    def handle_request(self, req: Any, conn: Any) -> bool:
        """Handle a request in a thread; say that the connection closes where the body was not read to its end."""
        if conn.sock.arrival.progress is not Progress.COMPLETE:
            req.force_close()
        return bool(super().handle_request(req, conn))

    def finish_request(self, conn: Any, fs: Any) -> None:
        """A thread has ended with a request: send the rest of its answer, then wait for the next request or close."""
        self._handled -= 1
        while self._unread and self.thread_is_free():
            self._expect(self._unread.popleft())
        kept = not fs.cancelled() and not fs.exception() and bool(fs.result())
        self._send(conn, kept)

    def murder_pending(self) -> None:
        """End what is overdue; the main loop calls it at each turn."""
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + _LOOK_SECONDS
        self._looks_soon = False
        for conn in _overdue(self._silent, now):
            self.unfinished.silent += 1
            self._note(conn)
            self._end(conn)
        for number, conn in enumerate(_overdue(self._arriving, now)):
            if number == _LATE_AT_ONCE:
                self._looks_soon = True
                break
            self.unfinished.late += 1
            self._note(conn)
            self._give_up(conn)
        for conn in (*_overdue(self._sending, now), *_overdue(self._lingering, now)):
            self._end(conn)
        self.record_clients(len(self._silent) + len(self._arriving), self.unfinished)
        if self._ended_from.total() >= _WORTH_A_LINE and now > self._next_line:
            self._next_line = now + _LINE_SECONDS
            ((address, most),) = self._ended_from.most_common(1)
            self.log.warning(
                "since the last such line %d connections were ended because no complete request came within %g s; most "
                "of them, %d, from %s.", self._ended_from.total(), self.request_seconds, most, address,
            )  # fmt: skip
            self._ended_from.clear()

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Wait less long where there is something to do soon."""
        super().wait_for_and_dispatch_events(min(timeout, _LOOK_SECONDS) if self._looks_soon else timeout)

    def _cap_keepalive(self, deadline: float) -> None:
        """The worker has been told to stop."""
        super()._cap_keepalive(deadline)
        first_byte = time.monotonic() + _STOP_SECONDS
        self._silent = {conn: min(due, first_byte) for conn, due in self._silent.items()}

    # What becomes of a connection that waits for its client.

    def _expect(self, conn: Any) -> None:
        """Wait for a request, of which a part may be here."""
        wire: Wire = conn.sock
        begun = bool(wire.arrival.data)
        (self._arriving if begun else self._silent)[conn] = time.monotonic() + self.request_seconds
        self.poller.register(wire, selectors.EVENT_READ, partial(self._readable, conn))
        if begun:
            self._held += len(wire.arrival.data)
            self._go_on(conn)
        # Most clients send the whole request at once.
        self._readable(conn, wire)

    def _readable(self, conn: Any, wire: Wire) -> None:
        # It may have been ended, or handed over, since the poller reported it.
        if conn not in self._silent and conn not in self._arriving:
            return
        if not self.thread_is_free():
            # Its deadline stands still meanwhile: the server is late, not the client.
            self._forget(conn)
            self._unread.append(conn)
            return
        try:
            received = wire.receive()
        except BlockingIOError:
            return
        except OSError:
            self._end(conn)
            return
        if not received:
            if wire.arrival.data:
                self._hand_over(conn, ended=True)
            else:
                self._end(conn)
            return
        if conn in self._silent:
            del self._silent[conn]
            self._arriving[conn] = wire.begun + self.request_seconds
        self._held += received
        while self._held > _HELD_BYTES and len(self._arriving) > 1:
            self._displace(self._arriving)
        if not wire.closed:
            self._go_on(conn)

    def _go_on(self, conn: Any) -> None:
        wire: Wire = conn.sock
        progress = wire.arrival.progress
        if progress is Progress.LONG_HEAD:
            line_ended = b"\r\n" in wire.arrival.data
            status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE if line_ended else HTTPStatus.REQUEST_URI_TOO_LONG
            self._refuse(conn, status, "the request line and the headers are too long.")
        elif progress in (Progress.COMPLETE, Progress.LONG_BODY):
            self._hand_over(conn, ended=False)
        elif progress is Progress.BODY and wire.arrival.expects_continue:
            wire.arrival.expects_continue = False
            wire.unsent += b"HTTP/1.1 100 Continue\r\n\r\n"
            try:
                wire.flush()
            except OSError:
                self._end(conn)

    def _hand_over(self, conn: Any, *, ended: bool) -> None:
        """Give a request to a thread: complete, or with an end that the application must not wait for."""
        self._forget(conn)
        conn.sock.hand_over(ended=ended)
        self._handled += 1
        super().enqueue_req(conn)

    def _give_up(self, conn: Any) -> None:
        """Answer a request whose deadline has passed: by the application, where it can see what is asked."""
        if conn.sock.arrival.progress is Progress.BODY:
            self._hand_over(conn, ended=False)
        else:
            message = f"the request line and the headers have not arrived within {self.request_seconds:g} s."
            self._refuse(conn, HTTPStatus.REQUEST_TIMEOUT, message)

    def _refuse(self, conn: Any, status: HTTPStatus, message: str) -> None:
        self._forget(conn)
        conn.sock.unsent += self.error_answer(status, message)
        self._send(conn, kept=False)

    def _note(self, conn: Any) -> None:
        """Remember whose request has not arrived in full, for the log."""
        address = str(conn.client[0]) if conn.client else "this machine"
        if address in self._ended_from or len(self._ended_from) < _ADDRESSES:
            self._ended_from[address] += 1

    def _displace(self, *groups: dict[Any, float]) -> None:
        """End the oldest connection of the first group that has one."""
        conn = next((conn for group in groups for conn in group), None)
        if conn is None:
            return
        if conn in self._silent or conn in self._arriving:
            self.unfinished.displaced += 1
            self._note(conn)
        self._end(conn)

    # What becomes of an answer.

    def _send(self, conn: Any, kept: bool) -> None:
        wire: Wire = conn.sock
        try:
            sent = wire.closed or wire.flush()
        except OSError:
            self._end(conn)
            return
        if sent:
            self._sent(conn, kept)
            return
        self._sending[conn] = time.monotonic() + _STALL_SECONDS
        self.poller.register(wire, selectors.EVENT_WRITE, partial(self._writable, conn, kept))
        while sum(len(each.sock.unsent) for each in self._sending) > _HELD_BYTES and len(self._sending) > 1:
            self._displace(self._sending)

    def _writable(self, conn: Any, kept: bool, wire: Wire) -> None:
        if conn in self._sending:
            self._forget(conn)
            self._send(conn, kept)

    def _sent(self, conn: Any, kept: bool) -> None:
        wire: Wire = conn.sock
        if wire.closed:
            self._end(conn)
        elif not kept:
            wire.end_sending()
            conn.linger_until = time.monotonic() + _LINGER_SECONDS
            self._linger(conn, wire)
        else:
            wire.begin_next(conn.parser.unreader.take_buffered())
            if wire.arrival.data:
                self.enqueue_req(conn)
            else:
                self._keep(conn)

    def _keep(self, conn: Any) -> None:
        conn.set_timeout()
        if not self.alive:
            conn.timeout = min(conn.timeout, time.monotonic() + _STOP_SECONDS)
        self.keepalived_conns.append(conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self.on_client_socket_readable, conn))

    def _linger(self, conn: Any, wire: Wire) -> None:
        """Read on, so that a client that still sends gets the answer and not a reset."""
        self._forget(conn)
        now = time.monotonic()
        if now > conn.linger_until or not wire.discard():
            self._end(conn)
            return
        self._lingering[conn] = now + _PAUSE_SECONDS
        self.poller.register(wire, selectors.EVENT_READ, partial(self._discard, conn))

    def _discard(self, conn: Any, wire: Wire) -> None:
        if conn in self._lingering:
            self._linger(conn, wire)

    def _forget(self, conn: Any) -> None:
        """Wait no longer for a client."""
        if self._arriving.pop(conn, None) is not None:
            self._held -= len(conn.sock.arrival.data)
            self.poller.unregister(conn.sock)
        for group in (self._silent, self._sending, self._lingering):
            if group.pop(conn, None) is not None:
                self.poller.unregister(conn.sock)

    def _end(self, conn: Any) -> None:
        self._forget(conn)
        conn.sock.close()
        self.nr_conns -= 1


def _overdue(group: dict[Any, float], now: float) -> list[Any]:
    overdue = []
    for conn, due in group.items():
        if due > now:
            break
        overdue.append(conn)
    return overdue
