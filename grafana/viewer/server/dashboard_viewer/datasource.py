"""Passes queries on to Prometheus, within a bound of time and size."""

import http.client
import logging
import time
from contextlib import closing
from urllib.parse import urlsplit

from flask import Response
from werkzeug.exceptions import BadGateway, GatewayTimeout

log = logging.getLogger(__name__)

LONGEST_SECONDS = 30.0
# 11,000 points, the most that Prometheus gives, of some fifty series.
LARGEST_ANSWER = 16 * 1024 * 1024
_BLOCK = 1 << 16


def ask(address: str, path: str, query: str, form: bytes | None, encodings: str) -> Response:
    """Send a GET to Prometheus, or a POST of a form, and return its answer whatever its status, as it came.

    Args:
        address: Prometheus' own, for example http://prometheus:9090.
        path: below /api/v1/.
        query: what stands behind the question mark.
        form: the body of a POST, None for a GET.
        encodings: the Accept-Encoding of the browser, so that a compressed answer is passed on as it is.

    Raises:
        BadGateway: no answer comes, or it is too large.
        GatewayTimeout: it doesn't come in time.
    """
    parts = urlsplit(address)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    target = f"{parts.path}/api/v1/{path}" + (f"?{query}" if query else "")
    headers = {"Accept-Encoding": encodings or "identity"}
    if form is not None:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    deadline = time.monotonic() + LONGEST_SECONDS
    try:
        with closing(kind(parts.hostname or "", parts.port, timeout=LONGEST_SECONDS)) as connection:
            connection.request("GET" if form is None else "POST", target, form, headers)
            with connection.getresponse() as response:
                passed = {name: response.headers[name] for name in ("Content-Type", "Content-Encoding")}
                body = _read(response, deadline)
                return Response(body, response.status, {name: value for name, value in passed.items() if value})
    except TimeoutError as error:
        log.warning("%s: no answer from Prometheus within %.0f s", path, LONGEST_SECONDS)
        message = f"Prometheus has not answered within {LONGEST_SECONDS:.0f} s. Choose a shorter range of time."
        raise GatewayTimeout(message) from error
    except (OSError, http.client.HTTPException) as error:
        log.warning("%s: Prometheus can't be reached: %s", path, error or type(error).__name__)
        message = f"Prometheus can't be reached at {address} ({error or type(error).__name__}). Does it run?"
        raise BadGateway(message) from error


def _read(response: http.client.HTTPResponse, deadline: float) -> bytes:
    body = bytearray()
    # A timeout of the socket counts anew with each block: the deadline ends an answer that drips.
    while block := response.read1(_BLOCK):
        body += block
        if len(body) > LARGEST_ANSWER:
            message = f"Prometheus' answer is larger than {LARGEST_ANSWER >> 20} MB. Choose a shorter range of time."
            raise BadGateway(message)
        if time.monotonic() > deadline:
            raise TimeoutError
    return bytes(body)
