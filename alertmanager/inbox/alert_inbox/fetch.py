"""Asks an address of somebody else: for so long and no longer, and without following it anywhere."""

import functools
import io
import socket
import time
import urllib.error
import urllib.request
from http.client import HTTPConnection, HTTPMessage, HTTPResponse, HTTPSConnection
from typing import Any, Final

# In seconds: for the next bytes of an answer, and for all of them.
_TIMEOUT: Final = 10.0
_WHOLE_ANSWER: Final = 30.0
_LARGEST_ANSWER: Final = 65_536


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        """Follow none: the message would be sent on as a GET, or a token to somebody else."""


class _InTime(io.RawIOBase):
    """Reads from a socket until a deadline: a socket's own timeout begins anew with each byte."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._deadline = time.monotonic() + _WHOLE_ANSWER

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"the answer was not whole after {_WHOLE_ANSWER:.0f} s")
        self._socket.settimeout(min(left, _TIMEOUT))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self.fp = io.BufferedReader(_InTime(sock))


class _Plain(HTTPConnection):
    response_class = _Response


class _Secure(HTTPSConnection):
    response_class = _Response


class _PlainHandler(urllib.request.HTTPHandler):
    def http_open(self, request: urllib.request.Request) -> HTTPResponse:
        return self.do_open(_Plain, request)


class _SecureHandler(urllib.request.HTTPSHandler):
    def https_open(self, request: urllib.request.Request) -> HTTPResponse:
        return self.do_open(_Secure, request)


@functools.cache
def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(_NoRedirect, _PlainHandler, _SecureHandler)


def fetch(request: urllib.request.Request) -> tuple[int, HTTPMessage, bytes]:
    """Return status, headers and body of an answer, whatever the status.

    Raises:
        OSError, HTTPException, ValueError: there is none.
    """
    try:
        answer = _opener().open(request, timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        return answer.status, answer.headers, answer.read(_LARGEST_ANSWER)
