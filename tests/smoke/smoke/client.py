"""Asks one service over HTTP and never waits longer than a deadline.

`http.client` instead of `urllib.request`: no proxy of the environment and no redirect may come between
a check and the service, and the socket must be at hand to bound every read.
"""

from __future__ import annotations

import http.client
import json
import queue
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_plus, urlsplit

from smoke.deadline import Deadline
from smoke.errors import CheckError, UnreachableError, UsageError

# A request that starts just before a deadline gets this long, so that the failure
# tells what the service said and not that the time was up.
SHORTEST_WAIT_SECONDS = 1.0
LARGEST_BODY_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True)
class Answer:
    """What a service answered.

    Attributes:
        asked: the method and address, for messages.
        status: the HTTP status.
        headers: the headers, names in lower case.
        body: the whole body.
    """

    asked: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    def expect(self, *statuses: int) -> Answer:
        """Returns itself when the status is one of `statuses`.

        Raises:
            CheckError: it is another one.
        """
        if self.status not in statuses:
            wanted = " or ".join(str(status) for status in statuses)
            raise CheckError(f"{self.asked}: status {self.status} instead of {wanted}: {self.text()[:200]}")
        return self

    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", errors="replace")

    def json(self) -> Any:
        """The body as a JSON value.

        Raises:
            CheckError: the body isn't JSON.
        """
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise CheckError(f"{self.asked}: no JSON: {self.text()[:120]!r} ({error})") from None


@dataclass(frozen=True)
class _Request:
    method: str
    path: str
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Service:
    """One address of one service of the stack."""

    def __init__(self, name: str, url: str, headers: Mapping[str, str] | None = None) -> None:
        """Takes the Compose name of a service, its address, and headers that each request to it has.

        Raises:
            UsageError: the address can't be used.
        """
        self.name = name
        self.url = url.rstrip("/")
        problem = f"the address of {name} is {url!r}: it has to look like http://{name}:1234"
        parts = urlsplit(self.url)
        try:
            self._port = parts.port or 80
        except ValueError:
            raise UsageError(problem) from None
        if parts.scheme != "http" or not parts.hostname or parts.query or parts.fragment:
            raise UsageError(problem)
        self._host = parts.hostname
        self._prefix = parts.path
        self._headers = dict(headers or {})

    def get(self, path: str, deadline: Deadline, *, accept: str = "*/*") -> Answer:
        """Sends a GET; raises UnreachableError."""
        return self._ask(_Request("GET", path, headers={"Accept": accept}), deadline)

    def post(self, path: str, content: Any, deadline: Deadline) -> Answer:
        """Sends `content` as JSON, or as it is when it's bytes; raises UnreachableError."""
        body = content if isinstance(content, bytes) else json.dumps(content, ensure_ascii=False).encode()
        return self._ask(_Request("POST", path, body, {"Content-Type": "application/json"}), deadline)

    def delete(self, path: str, deadline: Deadline) -> Answer:
        """Sends a DELETE; raises UnreachableError."""
        return self._ask(_Request("DELETE", path), deadline)

    def _ask(self, request: _Request, deadline: Deadline) -> Answer:
        asked = f"{request.method} {self.url}{unquote_plus(request.path)}"
        limit = Deadline(max(SHORTEST_WAIT_SECONDS, deadline.remaining()))
        try:
            return self._exchange(asked, request, limit)
        except TimeoutError:
            raise UnreachableError(self.name, f"{asked}: no whole answer in time") from None
        except (OSError, http.client.HTTPException) as error:
            raise UnreachableError(self.name, f"{asked}: {error or type(error).__name__}") from None

    def _exchange(self, asked: str, request: _Request, limit: Deadline) -> Answer:
        address = _resolve(self._host, self._port, limit)
        connection = http.client.HTTPConnection(address, self._port, timeout=_left(limit))
        try:
            connection.connect()
            sock = connection.sock
            own = {"Host": f"{self._host}:{self._port}", "Connection": "close"}
            headers = {**own, **self._headers, **request.headers}
            sock.settimeout(_left(limit))
            connection.request(request.method, self._prefix + request.path, request.body, headers)
            response = connection.getresponse()
            body = bytearray()
            while True:
                # A timeout of a socket is for one read: a service that drips would never meet it.
                sock.settimeout(_left(limit))
                chunk = response.read1(65536)
                if not chunk:
                    break
                body += chunk
                if len(body) > LARGEST_BODY_BYTES:
                    raise http.client.HTTPException(f"more than {LARGEST_BODY_BYTES} bytes")
            if response.length:
                raise http.client.HTTPException(f"the answer ends {response.length} bytes too early")
            names = {name.lower(): value for name, value in response.getheaders()}
            return Answer(asked, response.status, names, bytes(body))
        finally:
            connection.close()


def _left(limit: Deadline) -> float:
    if not limit.remaining():
        raise TimeoutError
    return limit.remaining()


def _resolve(host: str, port: int, limit: Deadline) -> str:
    """The first address of a name; `getaddrinfo` takes no timeout, and a name that is gone can hang."""
    found: queue.SimpleQueue[str | OSError] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found.put(str(entries[0][4][0]))
        except (OSError, UnicodeError) as error:
            found.put(OSError(str(error)))

    threading.Thread(target=look_up, daemon=True).start()
    try:
        answer = found.get(timeout=_left(limit))
    except queue.Empty:
        raise TimeoutError from None
    if isinstance(answer, OSError):
        raise answer
    return answer
